import { describe, expect, test } from 'vitest';
import { errorWords, tables } from '../src/lib/words';
import { en } from '../src/lib/words/en';
import { ko } from '../src/lib/words/ko';
import { withRo } from '../src/lib/words/particle';

/** Any sentence with its arguments filled in, numbers where numbers may come. */
const said = (entry: string | ((...given: never[]) => string)): string =>
  typeof entry === 'string' ? entry : (entry as (...given: unknown[]) => string)('3', '5');

describe('the two tables', () => {
  test('have the same keys in the same order', () => {
    expect(Object.keys(en)).toEqual(Object.keys(ko));
  });

  test('have the same kind of entry and number of arguments under each key', () => {
    for (const key of Object.keys(ko) as (keyof typeof ko)[]) {
      expect(typeof en[key], key).toBe(typeof ko[key]);
      const [korean, english] = [ko[key], en[key]];
      if (typeof korean === 'function' && typeof english === 'function') expect(english.length, key).toBe(korean.length);
    }
  });

  test('have no empty sentence and no stray space', () => {
    for (const table of Object.values(tables)) {
      for (const [key, entry] of Object.entries(table)) {
        // Korean leaves the subject of one's own doings out.
        if (key !== 'notice_by_me') expect(said(entry), key).not.toBe('');
        expect(said(entry), key).toBe(said(entry).trim());
      }
    }
  });

  test('each speak their own language', () => {
    const own = new Set(['app_name', 'language_ko', 'language_en', 'join_link_placeholder']);
    for (const [key, entry] of Object.entries(en)) {
      if (!own.has(key)) expect(said(entry), key).not.toMatch(/\p{Script=Hangul}/u);
    }
    const bare = new Set([...own, 'send_with_enter', 'send_with_ctrl_enter', 'reaction_by', 'preview_by', 'notice_by_me']);
    for (const [key, entry] of Object.entries(ko)) {
      if (!bare.has(key)) expect(said(entry), key).toMatch(/\p{Script=Hangul}/u);
    }
  });

  test('Korean sentences are polite', () => {
    for (const [key, entry] of Object.entries(ko)) {
      const text = said(entry);
      if (/[.?!]$/.test(text)) expect(text, key).toMatch(/(요|까요|세요)[.?!]$/);
      expect(text, key).not.toMatch(/(습니다|한다|하라)[.?!]?$/);
      // A particle that depends on a name is chosen by code, never written both ways.
      expect(text, key).not.toMatch(/\((으|이|가|을|를|은|는)\)/);
    }
  });

  test('have no sentence that is never said', () => {
    const sources = import.meta.glob<string>('../src/**/*.{svelte,ts}', { query: '?raw', import: 'default', eager: true });
    const said = Object.entries(sources)
      .filter(([path]) => !path.includes('/words/'))
      .map(([, source]) => source)
      .join('\n');
    const unsaid = Object.keys(ko).filter((key) => !key.startsWith('error_') && !said.includes(`words.${key}`) && !said.includes(`'${key}'`));
    expect(unsaid).toEqual([]);
  });

  test('say something for an error nobody has heard of', () => {
    expect(errorWords(ko, 'wrong_passphrase')).toBe(ko.error_wrong_passphrase);
    expect(errorWords(ko, 'no_such_code')).toBe(ko.error_internal);
    expect(errorWords(en, 'constructor')).toBe(en.error_internal);
  });
});

describe('the particle 로', () => {
  test.each([
    ['관리자', '관리자로'],
    ['구성원', '구성원으로'],
    ['서울', '서울로'],
    ['‘주말 등산’', '‘주말 등산’으로'],
    ['Sori', 'Sori로'],
    ['', '로'],
  ])('after %s', (word, expected) => {
    expect(withRo(word)).toBe(expected);
  });
});
