import { expect, test } from 'vitest';
import { type Key, isComposing, sends } from '../src/lib/keys';

const enter: Key = { key: 'Enter', keyCode: 13, isComposing: false, shiftKey: false, ctrlKey: false, altKey: false, metaKey: false };

test('Enter sends', () => {
  expect(sends(enter)).toBe(true);
});

test('Enter with another key does not', () => {
  for (const held of ['shiftKey', 'ctrlKey', 'altKey', 'metaKey']) expect(sends({ ...enter, [held]: true }), held).toBe(false);
});

test('Enter that ends a Hangul syllable does not send', () => {
  expect(sends({ ...enter, isComposing: true })).toBe(false);
  // Reported after the composition has ended, by code alone.
  expect(sends({ ...enter, keyCode: 229 })).toBe(false);
  expect(isComposing({ ...enter, key: 'ㄱ', keyCode: 229 })).toBe(true);
});
