import type { Language } from './backend';
import { i18n } from './i18n.svelte';
import type { Words } from './words';

const DAY_MS = 86_400_000;
const tags: Record<Language, string> = { ko: 'ko-KR', en: 'en-GB' };

const startOfDay = (ms: number): number => new Date(ms).setHours(0, 0, 0, 0);

/** Whole days between two instants, by the calendar of this device. */
export function daysBetween(earlier: number, later: number): number {
  return Math.round((startOfDay(later) - startOfDay(earlier)) / DAY_MS);
}

/**
 * `오후 3:07`, `15:07`. Written out, because the tables of different systems disagree on whether Korean says 오후 or PM.
 */
export function clock(ms: number, language: Language): string {
  const at = new Date(ms);
  const hours = at.getHours();
  const minutes = String(at.getMinutes()).padStart(2, '0');
  if (language === 'en' || i18n.wholeDay) return `${String(hours).padStart(2, '0')}:${minutes}`;
  return `${hours < 12 ? '오전' : '오후'} ${hours % 12 || 12}:${minutes}`;
}

/** The time of a line in the list: today the clock, then "yesterday", then the date, the year only if it differs. */
export function listTime(ms: number, now: number, language: Language, words: Words): string {
  const days = daysBetween(ms, now);
  if (days === 0) return clock(ms, language);
  if (days === 1) return words.yesterday;
  const sameYear = new Date(ms).getFullYear() === new Date(now).getFullYear();
  const options: Intl.DateTimeFormatOptions = sameYear ? { month: 'long', day: 'numeric' } : { dateStyle: 'medium' };
  return new Intl.DateTimeFormat(tags[language], options).format(ms);
}

/** The label of a day separator. */
export function dayLabel(ms: number, now: number, language: Language, words: Words): string {
  const days = daysBetween(ms, now);
  if (days === 0) return words.today;
  if (days === 1) return words.yesterday;
  const sameYear = new Date(ms).getFullYear() === new Date(now).getFullYear();
  return new Intl.DateTimeFormat(tags[language], {
    ...(sameYear ? {} : { year: 'numeric' }),
    month: 'long',
    day: 'numeric',
    weekday: 'long',
  }).format(ms);
}

/** `2026년 11월 21일 토요일 오후 3:07`. */
export function fullTime(ms: number, language: Language): string {
  return `${new Intl.DateTimeFormat(tags[language], { dateStyle: 'full' }).format(ms)} ${clock(ms, language)}`;
}

const graphemes = new Intl.Segmenter('ko', { granularity: 'grapheme' });

/** The first letter as people see it, for an avatar. */
export function initial(name: string): string {
  for (const { segment } of graphemes.segment(name.trim())) return segment.toUpperCase();
  return '·';
}

/** `text` on one line, cut between letters. */
export function oneLine(text: string, max = 80): string {
  const flat = text.replace(/\s+/g, ' ').trim();
  const parts = [...graphemes.segment(flat)];
  return parts.length <= max ? flat : `${parts.slice(0, max).map((p) => p.segment).join('')}…`;
}

/** Whether a text is nothing but one to three emoji, which are then shown large. */
export function isBigEmoji(text: string): boolean {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed.length > 40) return false;
  const parts = [...graphemes.segment(trimmed.replace(/\s+/g, ''))];
  return parts.length <= 3 && parts.every((p) => /^\p{RGI_Emoji}$/v.test(p.segment));
}

/** How long a recording is, as 0:07 or 12:30. */
export function lengthWords(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
