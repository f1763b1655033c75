import type { MessageView } from './backend';
import { daysBetween } from './format';

/** Messages of one person further apart than this are not drawn as one run. */
const RUN_GAP_MS = 5 * 60_000;

export type Row =
  | { kind: 'day'; key: string; ms: number }
  | { kind: 'unread'; key: string }
  | { kind: 'notice'; key: string; message: MessageView }
  | { kind: 'message'; key: string; message: MessageView; first: boolean; last: boolean };

const sameRun = (earlier: MessageView, later: MessageView): boolean =>
  earlier.kind !== 'notice' &&
  later.kind !== 'notice' &&
  earlier.sender === later.sender &&
  daysBetween(earlier.sent_at, later.sent_at) === 0 &&
  later.sent_at - earlier.sent_at < RUN_GAP_MS;

/**
 * The rows to draw for `messages`, which come oldest first: a separator where the day changes, a line above the first
 * unread message, and runs of one sender grouped.
 */
export function timeline(messages: readonly MessageView[], firstUnread: string | null): Row[] {
  const rows: Row[] = [];
  let previous: MessageView | null = null;
  for (const message of messages) {
    if (previous === null || daysBetween(previous.sent_at, message.sent_at) !== 0) {
      rows.push({ kind: 'day', key: `day-${message.id}`, ms: message.sent_at });
    }
    if (message.id === firstUnread) rows.push({ kind: 'unread', key: 'unread' });
    if (message.kind === 'notice') {
      rows.push({ kind: 'notice', key: message.id, message });
    } else {
      const before = rows.at(-1);
      const first = before?.kind !== 'message' || !sameRun(before.message, message);
      if (!first && before?.kind === 'message') before.last = false;
      rows.push({ kind: 'message', key: message.id, message, first, last: true });
    }
    previous = message;
  }
  return rows;
}

/** The id of the first of the newest `unread` messages that others sent; notices do not count. */
export function firstUnread(messages: readonly MessageView[], unread: number): string | null {
  let left = unread;
  let found: string | null = null;
  for (const message of messages.toReversed()) {
    if (left === 0) break;
    if (message.mine || message.kind === 'notice') continue;
    found = message.id;
    left -= 1;
  }
  return found;
}
