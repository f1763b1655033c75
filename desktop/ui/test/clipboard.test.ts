import { expect, test } from 'vitest';
import { holdsFiles } from '../src/lib/clipboard';

/** What a page is told of the clipboard, and the text that it may read there. */
const told = (types: string[], text: string): boolean => holdsFiles({ types, getData: (kind) => (kind === 'text/plain' ? text : '') });

test('a text is a text, with and without a kind, and so is a link', () => {
  expect(told(['text/plain'], '안녕')).toBe(false);
  expect(told([], '안녕')).toBe(false);
  expect(told(['text/plain', 'text/uri-list'], 'https://example.org/')).toBe(false);
});

test('a file has an address that is not told, or is named; a picture is nothing', () => {
  expect(told(['text/uri-list'], '')).toBe(true);
  expect(told(['Files'], '')).toBe(true);
  expect(told(['Files', 'text/plain'], 'a.txt')).toBe(true);
  expect(told([], '')).toBe(true);
});
