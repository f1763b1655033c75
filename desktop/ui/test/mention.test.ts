import { expect, test } from 'vitest';
import type { MemberView } from '../src/lib/backend';
import { candidates, typedName, withMentions, withoutMentions } from '../src/lib/mention';

const A = 'A'.repeat(43);
const B = 'B'.repeat(43);
const member = (name: string, me = false): MemberView => ({ id: name, name, role: 'member', me, verified: false, blocked: false });

test('a name begins with @ after a space', () => {
  expect(typedName('안녕 @민', 5)).toEqual({ from: 3, typed: '민' });
  expect(typedName('@', 1)).toEqual({ from: 0, typed: '' });
  expect(typedName('a@b', 3)).toBeNull();
  expect(typedName('안녕 @민 지', 7)).toBeNull();
});

test('members are found by name and initial consonants, oneself is not', () => {
  const members = [member('민지', true), member('김민수'), member('서준')];
  expect(candidates(members, '민').map((one) => one.name)).toEqual(['김민수']);
  expect(candidates(members, 'ㅅㅈ').map((one) => one.name)).toEqual(['서준']);
});

test('chosen names become mentions and back', () => {
  const named = [
    { name: '민지', account: A },
    { name: '민지 (디자인)', account: B },
  ];
  const sent = withMentions('@민지 (디자인) 님, @민지 님, @서준 님', named);
  expect(sent).toBe(`[@민지 (디자인)](sori:a/${B}) 님, [@민지](sori:a/${A}) 님, @서준 님`);
  expect(withoutMentions(sent).text).toBe('@민지 (디자인) 님, @민지 님, @서준 님');
  expect(withoutMentions(sent).named).toHaveLength(2);
  expect(withMentions('@민지', [])).toBe('@민지');
});
