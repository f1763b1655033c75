const HANGUL_FIRST = 0xac00;
const HANGUL_LAST = 0xd7a3;
const FINALS = 28;
const FINAL_RIEUL = 8;

/**
 * `word` with the particle 로 or 으로: 로 after a vowel or ㄹ, 으로 after any other final consonant.
 * After anything that is not Hangul the reading is unknown; 로 is the more common case.
 */
export function withRo(word: string): string {
  const last = word.replace(/[^\p{L}\p{N}]+$/u, '').at(-1);
  const code = last?.codePointAt(0) ?? 0;
  if (code < HANGUL_FIRST || code > HANGUL_LAST) return `${word}로`;
  const final = (code - HANGUL_FIRST) % FINALS;
  return final === 0 || final === FINAL_RIEUL ? `${word}로` : `${word}으로`;
}
