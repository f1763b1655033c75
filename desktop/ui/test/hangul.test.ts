import { expect, test } from 'vitest';
import { initials, matching, rank, sectionOf } from '../src/lib/hangul';

test('initial consonants of syllables, everything else as it is', () => {
  expect(initials('개발팀 A-1')).toBe('ㄱㅂㅌ A-1');
});

test('a name is found by its part, a half-typed syllable and initial consonants, in this order', () => {
  expect(rank('텔레그램 모임', '텔레')).toBe(1);
  expect(rank('우리 텔레그램', '텔레')).toBe(2);
  // On the way from 텔 to 텔레.
  for (const typed of ['ㅌ', '테', '텔', '텔ㄹ', '텔레']) expect(rank('텔레그램', typed), typed).not.toBeNull();
  expect(rank('개발팀', 'ㄱㅂㅌ')).toBe(4);
  expect(rank('책 읽는 저녁', 'ㅊㅇㄴ')).toBe(4);
  expect(rank('책 읽는 저녁', 'ㅊ ㅇㄴ')).toBe(4);
  expect(rank('닭갈비', '달ㄱ')).toBe(3);
  expect(rank('Seoul', 'SEO')).toBe(1);
  expect(rank('개발팀', '회의')).toBeNull();
  expect(matching(['우리 개발팀', '가방', '개발팀'], (name) => name, '개발')).toEqual(['개발팀', '우리 개발팀']);
});

test('a name from a system that takes syllables apart is the same', () => {
  expect(rank('한글'.normalize('NFD'), '한글')).toBe(0);
});

test('names stand under initial consonants, then Latin letters, then all others', () => {
  expect(['강민', '까치', '하루', 'Élodie', 'zoe', '7번', ''].map(sectionOf)).toEqual(['ㄱ', 'ㄱ', 'ㅎ', 'E', 'Z', '#', '#']);
  expect(sectionOf('강민'.normalize('NFD'))).toBe('ㄱ');
  expect(sectionOf(undefined)).toBe('');
});
