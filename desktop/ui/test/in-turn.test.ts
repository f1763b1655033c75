import { expect, test } from 'vitest';
import { InTurn } from '../src/lib/in-turn';

const later = <T>(ms: number, what: () => T): Promise<T> => new Promise((resolve) => setTimeout(() => resolve(what()), ms));

test('what was given first is over first, however long it takes', async () => {
  const [turns, seen] = [new InTurn(), [] as number[]];
  void turns.run(() => later(20, () => seen.push(1)));
  void turns.run(() => later(1, () => seen.push(2)));
  await turns.idle();
  expect(seen).toEqual([1, 2]);
});

test('one that fails tells its caller and does not hold up the next', async () => {
  const turns = new InTurn();
  const failed = turns.run(() => Promise.reject(new Error('no')));
  const next = turns.run(() => Promise.resolve('yes'));
  await expect(failed).rejects.toThrow('no');
  await expect(next).resolves.toBe('yes');
});
