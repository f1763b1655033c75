import type { ChosenView } from './backend';

/** Names longer than this are cut: most file systems take 255 bytes, and a Hangul syllable has three. */
const NAME_LEN_MAX = 60;

/** `name` as the name of a file, without what some system does not take. */
export function fileName(name: string, ending: string): string {
  const clean = name
    .normalize('NFC')
    .replace(/[\p{C}/\\:*?"<>|]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .replace(/^[.\s]+|[.\s]+$/g, '');
  const cut = [...clean].slice(0, NAME_LEN_MAX).join('').trim();
  return `${cut === '' ? 'Sori' : cut}.${ending}`;
}

/** `2026-11-22`, by the calendar of this device. */
export function isoDay(ms: number): string {
  const at = new Date(ms);
  return [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((part) => String(part).padStart(2, '0')).join('-');
}

/** A path with another ending, if it has one of these. */
export function withEnding(path: string, endings: readonly string[], ending: string): string {
  const at = path.lastIndexOf('.');
  return at >= 0 && endings.includes(path.slice(at + 1).toLowerCase()) ? `${path.slice(0, at)}.${ending}` : path;
}

/** A length in bytes as people say it. */
export function byteWords(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const units = ['KB', 'MB', 'GB', 'TB'];
  let value = bytes / 1_000;
  let at = 0;
  while (value >= 999.5 && at < units.length - 1) {
    value /= 1_000;
    at += 1;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[at] ?? ''}`;
}

/** The longest file that can be. */
const FILE_LEN_MAX = 16 * 1024 * 1024;

/** What a group permits for files, in whole megabytes; null is for as long as files can be. */
export const megabytes = (limit: number | null): number => Math.floor((limit ?? FILE_LEN_MAX) / (1024 * 1024));

/** The limits that a group can choose, in bytes. */
export const LIMITS = [0, 1, 4, 16].map((mb) => mb * 1024 * 1024);

/** Whether a chosen file cannot be sent; a picture is made smaller first, so that only sending it can tell. */
export const tooLong = (file: ChosenView, limit: number | null): boolean =>
  file.too_long || limit === 0 || (!file.picture && limit !== null && file.size > limit);
