import { expect, test } from 'vitest';
import type { Key } from '../src/lib/keys';
import { shortcutOf, shortcuts } from '../src/lib/shortcuts';
import { tables } from '../src/lib/words';

const press = (key: string, code: string, held: Partial<Key> = {}): Key & { code: string } => ({
  key,
  code,
  keyCode: 0,
  isComposing: false,
  shiftKey: false,
  ctrlKey: false,
  altKey: false,
  metaKey: false,
  ...held,
});

test('letters count by what they write, and with a Korean layout by where they are', () => {
  expect(shortcutOf(press('k', 'KeyK', { ctrlKey: true }))).toBe('switch');
  expect(shortcutOf(press('ㅏ', 'KeyK', { ctrlKey: true }))).toBe('switch');
  // Another layout with Latin letters has its own places.
  expect(shortcutOf(press('k', 'KeyV', { ctrlKey: true }))).toBe('switch');
  expect(shortcutOf(press('v', 'KeyK', { ctrlKey: true }))).toBeNull();
});

test('nothing happens while a syllable is being composed', () => {
  expect(shortcutOf(press('k', 'KeyK', { ctrlKey: true, isComposing: true }))).toBeNull();
  expect(shortcutOf(press('Process', 'KeyK', { ctrlKey: true, keyCode: 229 }))).toBeNull();
});

test('plain keys are nobody’s', () => {
  for (const key of ['k', 'Enter', 'Escape', 'ArrowDown', '1']) expect(shortcutOf(press(key, '')), key).toBeNull();
});

test.each([
  [press('ArrowDown', 'ArrowDown', { altKey: true }), 'next'],
  [press('ArrowUp', 'ArrowUp', { altKey: true, shiftKey: true }), 'previous_unread'],
  [press('3', 'Digit3', { ctrlKey: true }), 'nth'],
  [press('0', 'Digit0', { ctrlKey: true }), 'zoom_reset'],
  [press('+', 'Equal', { ctrlKey: true, shiftKey: true }), 'zoom_in'],
  [press('-', 'Minus', { ctrlKey: true }), 'zoom_out'],
  [press('/', 'Slash', { ctrlKey: true }), 'sheet'],
  [press('F6', 'F6', { shiftKey: true }), 'region_back'],
])('%#', (key, id) => {
  expect(shortcutOf(key)).toBe(id);
});

test('each has a name in both languages, and no two the same keys', () => {
  for (const { label } of shortcuts) for (const words of Object.values(tables)) expect(typeof words[label]).toBe('string');
  expect(new Set(shortcuts.map(({ keys }) => keys.join('+'))).size).toBe(shortcuts.length);
});
