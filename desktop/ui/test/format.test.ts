import { expect, test } from 'vitest';
import { clock, dayLabel, daysBetween, fullTime, initial, isBigEmoji, lengthWords, listTime, oneLine } from '../src/lib/format';
import { i18n } from '../src/lib/i18n.svelte';
import { tables } from '../src/lib/words';

const at = (text: string): number => new Date(text).getTime();
const now = at('2026-11-21T15:07:00');

test('a time in the list is as long as it has to be', () => {
  const ko = (when: string): string => listTime(at(when), now, 'ko', tables.ko);
  expect(ko('2026-11-21T15:07:00')).toBe('오후 3:07');
  expect(ko('2026-11-20T23:59:00')).toBe('어제');
  expect(ko('2026-03-02T10:00:00')).toBe('3월 2일');
  expect(ko('2025-03-02T10:00:00')).toBe('2025. 3. 2.');
});

test('a day separator names the weekday, and the year only if it is another', () => {
  const ko = (when: string): string => dayLabel(at(when), now, 'ko', tables.ko);
  expect(ko('2026-11-21T00:00:00')).toBe('오늘');
  expect(ko('2026-11-20T00:00:00')).toBe('어제');
  expect(ko('2026-11-16T09:00:00')).toBe('11월 16일 월요일');
  expect(ko('2025-11-16T09:00:00')).toBe('2025년 11월 16일 일요일');
});

test('days are counted by the calendar, not by hours', () => {
  expect(daysBetween(at('2026-11-20T23:59:59'), at('2026-11-21T00:00:00'))).toBe(1);
  expect(daysBetween(at('2026-11-21T00:00:00'), at('2026-11-21T23:59:59'))).toBe(0);
});

test('Korean has the clock of the day halves, English the one of 24 hours', () => {
  expect(clock(at('2026-11-21T00:05:00'), 'ko')).toBe('오전 12:05');
  expect(clock(at('2026-11-21T12:00:00'), 'ko')).toBe('오후 12:00');
  expect(clock(at('2026-11-21T09:07:00'), 'en')).toBe('09:07');
  expect(fullTime(now, 'ko')).toBe('2026년 11월 21일 토요일 오후 3:07');
});

test('an initial is a letter as people see it', () => {
  expect(initial('민지')).toBe('민');
  expect(initial(' minji')).toBe('M');
  expect(initial('👩‍👩‍👧 family')).toBe('👩‍👩‍👧');
  expect(initial('')).toBe('·');
});

test('a line is cut between letters', () => {
  expect(oneLine('첫 줄\n둘째  줄')).toBe('첫 줄 둘째 줄');
  expect(oneLine('👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧', 2)).toBe('👩‍👩‍👧👩‍👩‍👧…');
});

test('one to three emoji and nothing else are shown large', () => {
  for (const yes of ['🙌', '👍🏽 🎉', '👩‍👩‍👧', '🇰🇷']) expect(isBigEmoji(yes), yes).toBe(true);
  for (const no of ['', '1', '🙌!', '🙌🙌🙌🙌', 'ㅋㅋ', 'hi 🙌']) expect(isBigEmoji(no), no).toBe(false);
});

test('times go from 0 to 24 in Korean too for who wants that', () => {
  i18n.wholeDay = true;
  expect(clock(at('2026-11-21T15:07:00'), 'ko')).toBe('15:07');
  i18n.wholeDay = false;
  expect(clock(at('2026-11-21T15:07:00'), 'ko')).toBe('오후 3:07');
});

test('recordings are as long as a clock says', () => {
  expect([0, 7_900, 61_000, 300_000].map(lengthWords)).toEqual(['0:00', '0:07', '1:01', '5:00']);
});
