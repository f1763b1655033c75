const FIRST = 0xac00;
const LAST = 0xd7a3;
const PER_INITIAL = 588;
const INITIALS = 'ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ';
/** Final consonants as they are typed, those of two letters in two. */
const FINALS = 'ㄱ ㄲ ㄱㅅ ㄴ ㄴㅈ ㄴㅎ ㄷ ㄹ ㄹㄱ ㄹㅁ ㄹㅂ ㄹㅅ ㄹㅌ ㄹㅍ ㄹㅎ ㅁ ㅂ ㅂㅅ ㅅ ㅆ ㅇ ㅈ ㅊ ㅋ ㅌ ㅍ ㅎ'.split(' ');

/** The initial consonants of the syllables in `text`; everything else stands for itself. */
export function initials(text: string): string {
  let found = '';
  for (const letter of text.normalize('NFC')) {
    const code = letter.codePointAt(0) ?? 0;
    found += code >= FIRST && code <= LAST ? INITIALS.charAt(Math.floor((code - FIRST) / PER_INITIAL)) : letter;
  }
  return found;
}

const HANGUL = /[\u3131-\u318e\uac00-\ud7a3]/;

const fold = (text: string): string => text.normalize('NFC').toLocaleLowerCase();

/** Splits a syllable into what was typed for it, so that a half-typed word matches its beginning: 텔ㄹ and 텔레. */
const letters = (text: string): string =>
  fold(text)
    .normalize('NFD')
    .replace(/[\u1100-\u1112]/g, (jamo) => INITIALS.charAt(jamo.charCodeAt(0) - 0x1100))
    .replace(/[\u11a8-\u11c2]/g, (jamo) => FINALS[jamo.charCodeAt(0) - 0x11a8] ?? jamo);

/** Nobody types the spaces between initial consonants. */
const closed = (text: string): string => text.replace(/\s/g, '');

/**
 * How well a name fits what was typed: 0 best, `null` not at all. A part of it counts, a half-typed syllable at the end, and
 * the initial consonants.
 */
export function rank(name: string, typed: string): number | null {
  const wanted = fold(typed.trim());
  if (wanted === '') return 0;
  const known = fold(name);
  if (known === wanted) return 0;
  const at = known.indexOf(wanted);
  if (at === 0) return 1;
  if (at > 0) return 2;
  // The rest is about syllables, and takes them apart.
  if (!HANGUL.test(wanted)) return null;
  if (letters(name).includes(letters(wanted))) return 3;
  return closed(initials(known)).includes(closed(wanted)) ? 4 : null;
}

/** Those of `items` whose names fit, the best first, the rest in their order. */
export function matching<T>(items: readonly T[], nameOf: (item: T) => string, typed: string): T[] {
  return items
    .map((item, index) => ({ item, index, fit: rank(nameOf(item), typed) }))
    .filter((one): one is { item: T; index: number; fit: number } => one.fit !== null)
    .sort((a, b) => a.fit - b.fit || a.index - b.index)
    .map((one) => one.item);
}

const PLAIN: Record<string, string> = { ㄲ: 'ㄱ', ㄸ: 'ㄷ', ㅃ: 'ㅂ', ㅆ: 'ㅅ', ㅉ: 'ㅈ' };

/** Under which letter a name stands in a sorted list: its initial consonant, its Latin letter, or #. */
export function sectionOf(name: string | undefined): string {
  if (name === undefined) return '';
  const first = name.trim().normalize('NFC').slice(0, 1);
  const at = first.codePointAt(0) ?? 0;
  if (at >= 0xac00 && at <= 0xd7a3) {
    const initial = 'ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ'[Math.floor((at - 0xac00) / 588)] ?? '#';
    return PLAIN[initial] ?? initial;
  }
  return /^\p{Script=Latin}$/u.test(first) ? first.normalize('NFD').slice(0, 1).toUpperCase() : '#';
}
