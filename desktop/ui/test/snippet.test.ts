import { expect, test } from 'vitest';
import { snippet } from '../src/lib/snippet';

const text = (parts: { text: string }[]): string => parts.map((part) => part.text).join('');

test('a short message stays whole, on one line', () => {
  const parts = [{ text: '내일\n', found: false }, { text: '회의', found: true }, { text: ' 있어요', found: false }];
  expect(snippet(parts)).toEqual([{ text: '내일 ', found: false }, { text: '회의', found: true }, { text: ' 있어요', found: false }]);
});

test('what was found is seen however far it is in the message', () => {
  const out = snippet([{ text: '가'.repeat(500), found: false }, { text: '회의', found: true }, { text: '나'.repeat(500), found: false }]);
  expect(out[0]).toEqual({ text: `…${'가'.repeat(18)}`, found: false });
  expect(out[1]).toEqual({ text: '회의', found: true });
  expect(text(out).length).toBeLessThan(100);
  expect(text(out).endsWith('…')).toBe(true);
});

test('it is cut between letters as people see them', () => {
  const family = '👨‍👩‍👧';
  const out = snippet([{ text: family.repeat(200), found: false }, { text: '회의', found: true }]);
  expect(out[0]?.text).toBe(`…${family.repeat(18)}`);
});

test('a message whose text gives no mark is shown from its beginning', () => {
  expect(snippet([{ text: '안녕', found: false }])).toEqual([{ text: '안녕', found: false }]);
  expect(snippet([])).toEqual([]);
});
