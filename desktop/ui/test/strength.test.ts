import { expect, test } from 'vitest';
import { strength } from '../src/lib/strength';

test.each([
  ['', 'empty'],
  ['짧아요', 'weak'],
  ['aaaaaaaaaaaaaaaaaaaaaaaa', 'weak'],
  ['password', 'weak'],
  ['correct horse', 'fair'],
  ['바다 위 초록 자전거', 'good'],
  ['correct Horse battery 7 staple', 'strong'],
])('%s is %s', (passphrase, expected) => {
  expect(strength(passphrase)).toBe(expected);
});
