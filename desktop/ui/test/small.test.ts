import { expect, test, vi } from 'vitest';
import type { MemberView } from '../src/lib/backend';
import { find, load, toned } from '../src/lib/emoji';
import { Idle } from '../src/lib/idle';
import { clashing, seen } from '../src/lib/names';
import { TIMERS, timerWords } from '../src/lib/timer';
import { tables } from '../src/lib/words';

test('names that look alike clash', () => {
  const member = (id: string, name: string): MemberView => ({ id, name, role: 'member', me: false, verified: false, blocked: false });
  expect(seen('Раul')).toBe(seen('paul'));
  expect(seen('민지 ')).toBe(seen('민\u200b지'));
  const members = [member('a', '민지'), member('b', '민 지'), member('c', '하루'), member('d', '')];
  expect([...clashing(members)]).toEqual(['a', 'b']);
});

test('emoji are found by Korean and English names', async () => {
  const all = await load('ko');
  expect(all.length).toBeGreaterThan(1_500);
  const first = (typed: string): string[] => find(all, typed).slice(0, 12).map((emoji) => emoji.unicode);
  expect(first('고양이')).toContain('🐱');
  expect(first('cat')).toContain('🐱');
  expect(first('ㄱㅇㅇ')).toContain('🐱');
  expect(find(all, 'zzzz')).toEqual([]);
  const recommended = new RegExp('^\\p{RGI_Emoji}$', 'v');
  expect(all.filter(({ unicode }) => !recommended.test(unicode)).map(({ name }) => name)).toEqual([]);
}, 60_000);

test('times are said in both languages', () => {
  expect(TIMERS.map((seconds) => timerWords(seconds, tables.ko))).toEqual(['끄기', '5분', '1시간', '1일', '1주', '4주']);
  expect(timerWords(3600, tables.en)).toBe('1 hour');
});

test('whoever touches nothing is away after a while, also if the clock stood still', () => {
  let now = 0;
  const over = vi.fn();
  const idle = new Idle(over, () => now);
  idle.after(5);
  now += 4 * 60_000;
  idle.look();
  expect(over).not.toHaveBeenCalled();
  now += 60 * 60_000;
  idle.look();
  idle.look();
  expect(over).toHaveBeenCalledTimes(1);
  idle.after(0);
});

test('hands and people come in five tones, pairs and things as they are', async () => {
  const all = await load('ko');
  const emoji = (unicode: string) => all.find((one) => one.unicode === unicode);
  const wave = emoji('👋');
  if (wave === undefined) throw new Error('no waving hand');
  expect([0, 1, 5].map((tone) => toned(wave, tone))).toEqual(['👋', '👋🏻', '👋🏿']);
  expect(emoji('🍎')?.tones).toEqual([]);
});
