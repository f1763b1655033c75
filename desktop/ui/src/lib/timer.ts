import type { Words } from './words';

const HOUR_S = 3_600;
const DAY_S = 24 * HOUR_S;

/** The times after which messages can disappear, in seconds; zero for never. */
export const TIMERS = [0, 5 * 60, HOUR_S, DAY_S, 7 * DAY_S, 28 * DAY_S];

/** For how long a conversation can be muted, in seconds; null until somebody chooses otherwise. */
export const MUTES = [HOUR_S, 8 * HOUR_S, DAY_S, 7 * DAY_S, null];

/** A time in words. */
export function timerWords(seconds: number, words: Words): string {
  if (seconds === 0) return words.timer_off;
  if (seconds % (7 * DAY_S) === 0) return words.timer_weeks(seconds / (7 * DAY_S));
  if (seconds % DAY_S === 0) return words.timer_days(seconds / DAY_S);
  if (seconds % HOUR_S === 0) return words.timer_hours(seconds / HOUR_S);
  return words.timer_minutes(Math.round(seconds / 60));
}
