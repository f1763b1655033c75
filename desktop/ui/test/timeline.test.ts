import { expect, test } from 'vitest';
import type { MessageView } from '../src/lib/backend';
import { timeline } from '../src/lib/timeline';

const START = new Date('2026-11-20T10:00:00').getTime();
const MINUTE = 60_000;

function message(id: string, sender: string, minutes: number, more: Partial<MessageView> = {}): MessageView {
  return {
    id,
    sender,
    sender_name: sender,
    mine: sender === 'me',
    sent_at: START + minutes * MINUTE,
    kind: 'text',
    text: id,
    state: 'received',
    copies: 2,
    members: 2,
    read: 0,
    hidden: false,
    edited: false,
    deleted: false,
    expires_at: null,
    in_reply_to: null,
    reactions: [],
    notice: null,
    file: null,
    ...more,
  };
}

const shape = (messages: MessageView[], unread: string | null = null): string[] =>
  timeline(messages, unread).flatMap((row) => [
    ...(row.day === null ? [] : ['day']),
    ...(row.unread ? ['unread'] : []),
    row.message.kind === 'notice' ? 'notice' : `${row.message.id}${row.first ? ' first' : ''}${row.last ? ' last' : ''}`,
  ]);

test('messages of one person soon after one another are a run', () => {
  const messages = [message('a', 'x', 0), message('b', 'x', 1), message('c', 'x', 2), message('d', 'me', 3)];
  expect(shape(messages)).toEqual(['day', 'a first', 'b', 'c last', 'd first last']);
});

test('a pause, a notice and the line of unread messages each end a run', () => {
  const pause = [message('a', 'x', 0), message('b', 'x', 30)];
  expect(shape(pause)).toEqual(['day', 'a first last', 'b first last']);
  const notice = [message('a', 'x', 0), message('n', '', 1, { kind: 'notice' }), message('b', 'x', 2)];
  expect(shape(notice)).toEqual(['day', 'a first last', 'notice', 'b first last']);
  expect(shape([message('a', 'x', 0), message('b', 'x', 1)], 'b')).toEqual(['day', 'a first last', 'unread', 'b first last']);
});

test('a new day has its separator', () => {
  expect(shape([message('a', 'x', 0), message('b', 'x', 24 * 60)])).toEqual(['day', 'a first last', 'day', 'b first last']);
});

test('one message is one row, whatever stands above it', () => {
  const messages = [message('a', 'x', 0), message('n', '', 1, { kind: 'notice' }), message('b', 'x', 24 * 60)];
  expect(timeline(messages, 'b').map((row) => row.key)).toEqual(['a', 'n', 'b']);
});
