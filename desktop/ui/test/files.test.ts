import { expect, test } from 'vitest';
import { byteWords, fileName, isoDay, megabytes, tooLong, withEnding } from '../src/lib/files';

test.each([
  ['주말 등산', '주말 등산.html'],
  ['주말', '주말.html'],
  ['a/b\\c:d*e?f"g<h>i|j', 'a b c d e f g h i j.html'],
  ['../../etc/passwd', 'etc passwd.html'],
  ['.bashrc', 'bashrc.html'],
  ['줄\n바꿈\u202Egnp', '줄 바꿈 gnp.html'],
  ['...', 'Sori.html'],
  ['', 'Sori.html'],
])('%j is a name that every system takes', (name, expected) => {
  expect(fileName(name, 'html')).toBe(expected);
});

test('a long name stays within what a file system takes', () => {
  expect(new TextEncoder().encode(fileName('가'.repeat(300), 'json')).length).toBeLessThan(255);
});

test('a day is that of the calendar here', () => {
  expect(isoDay(Date.UTC(2026, 10, 21, 16))).toBe('2026-11-22');
});

test('another kind of file gets another ending, and a name of its own choice keeps its', () => {
  const endings = ['html', 'json'];
  expect(withEnding('/home/me/a.b.html', endings, 'json')).toBe('/home/me/a.b.json');
  expect(withEnding('/home/me/talk', endings, 'json')).toBe('/home/me/talk');
  expect(withEnding('/home/me/talk.v2', endings, 'json')).toBe('/home/me/talk.v2');
});

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1_000, '1.0 KB'],
  [524_288, '524 KB'],
  [999_600, '1.0 MB'],
  [48_300_000, '48 MB'],
  [7_200_000_000, '7.2 GB'],
])('%i bytes in words', (bytes, said) => {
  expect(byteWords(bytes)).toBe(said);
});

test('a file is too long for a group that says so', () => {
  const file = (size: number, picture = false) => ({ number: 0, name: 'a', size, picture, too_long: false });
  expect(tooLong(file(2_000_000), null)).toBe(false);
  expect(tooLong(file(2_000_000), 1_048_576)).toBe(true);
  // It is made smaller before it is sent.
  expect(tooLong(file(2_000_000, true), 1_048_576)).toBe(false);
  expect(tooLong(file(1, true), 0)).toBe(true);
  expect(tooLong({ ...file(1), too_long: true }, null)).toBe(true);
  expect([null, 0, 4_194_304].map(megabytes)).toEqual([16, 0, 4]);
});
