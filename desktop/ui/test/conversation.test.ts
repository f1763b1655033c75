import { expect, test } from 'vitest';
import type { Backend, MessageView } from '../src/lib/backend';
import { Conversation } from '../src/lib/conversation.svelte';
import { fakeBackend } from '../dev/fake-backend';

const PAGE = 60;

/** A backend with one long conversation, given newest first as the engine does. */
function long(length: number): { backend: Backend; messages: MessageView[]; lists: () => number } {
  const messages = Array.from({ length }, (_, index) => ({ id: `m${index}`, kind: 'text', mine: false, sent_at: index }) as MessageView);
  let lists = 0;
  const backend: Backend = {
    ...fakeBackend(new URLSearchParams()),
    groupInfo: (group) => Promise.resolve({ group, members: [] } as never),
    messageList: (_group, before, limit) => {
      lists += 1;
      const end = before === null ? messages.length : messages.findIndex((message) => message.id === before);
      return Promise.resolve(messages.slice(Math.max(0, end - limit), end).toReversed());
    },
  };
  return { backend, messages, lists: () => lists };
}

const ids = (conversation: Conversation): string[] => conversation.messages.map((message) => message.id);

test('it opens at the newest and walks back to the first', async () => {
  const { backend } = long(150);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(2);
  expect(ids(conversation)).toHaveLength(PAGE);
  expect(conversation.firstUnread).toBe('m148');
  await conversation.loadEarlier();
  await conversation.loadEarlier();
  await conversation.loadEarlier();
  expect(ids(conversation)).toEqual(Array.from({ length: 150 }, (_, index) => `m${index}`));
  expect(conversation.hasEarlier).toBe(false);
});

test('what arrives in the middle is put where the order of all has it', async () => {
  const { backend, messages } = long(5);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  messages.splice(2, 0, { id: 'late', kind: 'text', mine: false, sent_at: 2 } as MessageView);
  await conversation.refresh();
  expect(ids(conversation)).toEqual(['m0', 'm1', 'late', 'm2', 'm3', 'm4']);
});

test('a burst is read in two goes, not in a hundred', async () => {
  const { backend, lists } = long(5);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  const before = lists();
  await Promise.all(Array.from({ length: 100 }, () => conversation.refresh()));
  expect(lists() - before).toBe(2);
});

test('a refresh keeps what was loaded above it', async () => {
  const { backend, messages } = long(700);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  for (let page = 0; page < 11; page += 1) await conversation.loadEarlier();
  expect(ids(conversation)).toHaveLength(700);
  messages.push({ id: 'new', kind: 'text', mine: false, sent_at: 700 } as MessageView);
  await conversation.refresh();
  expect(ids(conversation)).toHaveLength(701);
  expect(ids(conversation).at(-1)).toBe('new');
});

test('a long session forgets what is far above, and finds it again', async () => {
  const { backend } = long(700);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  for (let page = 0; page < 11; page += 1) await conversation.loadEarlier();
  conversation.trim();
  expect(ids(conversation)).toHaveLength(300);
  expect(ids(conversation).at(-1)).toBe('m699');
  await conversation.loadEarlier();
  expect(ids(conversation)[0]).toBe('m340');
});

test('a refresh does not widen the window at its upper end', async () => {
  const { backend, messages } = long(700);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  for (let n = 0; n < 5; n += 1) {
    messages.push({ id: `new${n}`, kind: 'text', mine: false, sent_at: 700 + n } as MessageView);
    await conversation.refresh();
  }
  expect(ids(conversation)).toHaveLength(PAGE + 5);
  expect(ids(conversation)[0]).toBe('m640');
  expect(conversation.hasEarlier).toBe(true);
});

test('more than a window of new messages at once leaves no hole', async () => {
  const { backend, messages } = long(100);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  for (let n = 0; n < 500; n += 1) messages.push({ id: `new${n}`, kind: 'text', mine: false, sent_at: 100 + n } as MessageView);
  await conversation.refresh();
  const shown = ids(conversation);
  expect(shown.at(-1)).toBe('new499');
  expect(shown).toEqual(messages.slice(-shown.length).map((message) => message.id));
  expect(conversation.hasEarlier).toBe(true);
});

test('a message far above is reached without keeping all between, and the way down has no hole', async () => {
  const { backend, messages } = long(2_000);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  expect(await conversation.reach('m900')).toBe(true);
  expect(conversation.target).toBe('m900');
  expect(conversation.away).toBe(true);
  expect(ids(conversation)).toContain('m900');
  expect(ids(conversation).length).toBeLessThan(600);
  // What arrives meanwhile does not appear in the middle of the past.
  messages.push({ id: 'new', kind: 'text', mine: false, sent_at: 2_000 } as MessageView);
  await conversation.refresh();
  expect(ids(conversation)).not.toContain('new');
  const first = messages.findIndex((message) => message.id === ids(conversation)[0]);
  while (conversation.away) await conversation.loadLater();
  expect(ids(conversation)).toEqual(messages.slice(first).map((message) => message.id));
});

test('from far above it goes straight back to the newest', async () => {
  const { backend } = long(2_000);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  await conversation.reach('m5');
  await conversation.loadEarlier();
  expect(ids(conversation)[0]).toBe('m0');
  await conversation.toLatest();
  expect(conversation.away).toBe(false);
  expect(ids(conversation)).toHaveLength(PAGE);
  expect(ids(conversation).at(-1)).toBe('m1999');
});

test('a message of the last pages is reached with everything down to the newest', async () => {
  const { backend } = long(500);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  expect(await conversation.reach('m300')).toBe(true);
  expect(conversation.away).toBe(false);
  expect(ids(conversation).at(-1)).toBe('m499');
});

test('a message that is gone is not reached, and nothing moves', async () => {
  const { backend } = long(1_000);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  const before = ids(conversation);
  expect(await conversation.reach('nowhere')).toBe(false);
  expect(conversation.target).toBe(null);
  expect(ids(conversation)).toEqual(before);
});
