import type { Language } from '../backend';
import { en } from './en';
import { ko } from './ko';

/** Every string of the window, by key. Korean leads; English has the same keys and the same arguments. */
export type Words = {
  [K in keyof typeof ko]: (typeof ko)[K] extends (...given: infer A) => string ? (...given: A) => string : string;
};

export type WordKey = keyof Words;

export const tables: Record<Language, Words> = { ko, en };

const isKey = (key: string): key is WordKey => Object.hasOwn(ko, key);

/** The sentence for an engine error; an unknown code gets the general one. */
export function errorWords(words: Words, code: string): string {
  const key = `error_${code}`;
  const found = isKey(key) ? words[key] : words.error_internal;
  return typeof found === 'string' ? found : words.error_internal;
}
