import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Writing } from '../src/lib/writing.svelte';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('who writes is shown until a message comes, or for eight seconds', () => {
  const writing = new Writing();
  writing.heard('a', 'ada');
  writing.heard('a', 'bo');
  writing.heard('a', 'ada');
  writing.heard('b', 'ada');
  expect(writing.in('a')).toEqual(['ada', 'bo']);
  writing.ended('a', 'bo');
  expect(writing.in('a')).toEqual(['ada']);
  expect(writing.in('b')).toEqual(['ada']);
  vi.advanceTimersByTime(7_000);
  writing.heard('a', 'ada');
  vi.advanceTimersByTime(1_001);
  expect(writing.in('a')).toEqual(['ada']);
  expect(writing.in('b')).toEqual([]);
  writing.clear();
  expect(writing.in('a')).toEqual([]);
});

test('keys are passed on now and then, and at once in another conversation', () => {
  const writing = new Writing();
  expect(writing.isNews('a', 10_000)).toBe(true);
  expect(writing.isNews('a', 11_999)).toBe(false);
  expect(writing.isNews('a', 12_000)).toBe(true);
  expect(writing.isNews('b', 12_001)).toBe(true);
});
