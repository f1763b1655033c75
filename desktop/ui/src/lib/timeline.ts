import type { MessageView } from './backend';
import { daysBetween } from './format';

/** Messages of one person further apart than this are not drawn as one run. */
const RUN_GAP_MS = 5 * 60_000;

/** A message as it is drawn, with what stands above it. */
export interface Row {
  key: string;
  message: MessageView;
  /** The instant whose day is said above it. */
  day: number | null;
  /** Whether the line that says where what is unread begins is above it. */
  unread: boolean;
  /** The first and the last of a run of one sender. */
  first: boolean;
  last: boolean;
}

const sameRun = (earlier: MessageView, later: MessageView): boolean =>
  earlier.kind !== 'notice' &&
  later.kind !== 'notice' &&
  earlier.sender === later.sender &&
  daysBetween(earlier.sent_at, later.sent_at) === 0 &&
  later.sent_at - earlier.sent_at < RUN_GAP_MS;

/**
 * The rows to draw for `messages`, which come oldest first, one each: a separator where the day changes, a line above
 * the first unread message, and runs of one sender grouped.
 */
export function timeline(messages: readonly MessageView[], firstUnread: string | null): Row[] {
  const rows: Row[] = [];
  for (const message of messages) {
    const above = rows.at(-1);
    const changes = above === undefined || daysBetween(above.message.sent_at, message.sent_at) !== 0;
    const unread = message.id === firstUnread;
    const first = above === undefined || unread || !sameRun(above.message, message);
    if (above !== undefined && !first) above.last = false;
    rows.push({ key: message.id, message, day: changes ? message.sent_at : null, unread, first, last: true });
  }
  return rows;
}
