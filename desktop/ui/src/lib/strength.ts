/** How long a passphrase would hold, in the five words that the window uses. */
export type Strength = 'empty' | 'weak' | 'fair' | 'good' | 'strong';

/** Fewer characters than this are refused. */
export const PASSPHRASE_LEN_MIN = 8;

/**
 * A rough estimate from length and variety. It errs on the low side: repeated letters and one kind of letter count
 * little, several words count more. A Hangul syllable holds about as much as two Latin letters.
 */
export function strength(passphrase: string): Strength {
  if (passphrase === '') return 'empty';
  const letters = [...passphrase];
  const distinct = new Set(letters).size;
  const weight = letters.reduce((sum, letter) => sum + (/[\p{Script=Hangul}\p{Script=Han}]/u.test(letter) ? 2 : 1), 0);
  const kinds = [/\p{Ll}/u, /\p{Lu}/u, /\p{Lo}/u, /\p{N}/u, /[^\p{L}\p{N}]/u].filter((kind) => kind.test(passphrase)).length;
  const score = Math.min(weight, distinct * 2.2) + kinds * 1.5;
  if (letters.length < PASSPHRASE_LEN_MIN || score < 13) return 'weak';
  if (score < 18) return 'fair';
  return score < 25 ? 'good' : 'strong';
}

/** Whether a chosen passphrase was typed the same twice and is not too weak. */
export const isChosen = (passphrase: string, repeated: string): boolean =>
  passphrase === repeated && !['empty', 'weak'].includes(strength(passphrase));
