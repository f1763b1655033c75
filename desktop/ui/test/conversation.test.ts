import { expect, test } from 'vitest';
import { type Backend, BackendError, type MessageView } from '../src/lib/backend';
import { Conversation } from '../src/lib/conversation.svelte';
import { fakeBackend } from '../dev/fake-backend';

const PAGE = 80;

/** A backend with one long conversation, given newest first as the engine does. */
function long(length: number, unread: string | null = null): { backend: Backend; messages: MessageView[]; lists: () => number } {
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
    messageAround: (_group, id, before, after) => {
      const at = messages.findIndex((message) => message.id === id);
      if (at < 0) return Promise.reject(new BackendError('not_found'));
      const [from, to] = [Math.max(0, at - before), Math.min(messages.length, at + after + 1)];
      return Promise.resolve({ messages: messages.slice(from, to).toReversed(), earlier: from > 0, later: to < messages.length });
    },
    messageUnread: () => Promise.resolve(unread),
  };
  return { backend, messages, lists: () => lists };
}

const ids = (conversation: Conversation): string[] => conversation.messages.map((message) => message.id);

test('it opens at the newest and walks back to the first', async () => {
  const { backend } = long(150);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  expect(ids(conversation)).toHaveLength(PAGE);
  expect(conversation.firstUnread).toBe(null);
  await conversation.loadEarlier();
  await conversation.loadEarlier();
  expect(ids(conversation)).toEqual(Array.from({ length: 150 }, (_, index) => `m${index}`));
  expect(conversation.hasEarlier).toBe(false);
});

test('it opens where what is unread begins, however much that is', async () => {
  const { backend } = long(5_000, 'm700');
  const conversation = new Conversation(backend, 'g');
  await conversation.open(4_300);
  expect(conversation.firstUnread).toBe('m700');
  expect(ids(conversation)[0]).toBe('m660');
  expect(ids(conversation).at(-1)).toBe('m740');
  expect([conversation.hasEarlier, conversation.hasLater]).toEqual([true, true]);
});

test('what arrives in the middle is put where the order of all has it', async () => {
  const { backend, messages } = long(5);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  messages.splice(2, 0, { id: 'late', kind: 'text', mine: false, sent_at: 2 } as MessageView);
  await conversation.refresh('late');
  expect(ids(conversation)).toEqual(['m0', 'm1', 'late', 'm2', 'm3', 'm4']);
});

test('what arrives far above the end is put in its place, or left until somebody goes there', async () => {
  const { backend, messages } = long(400);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  for (let page = 0; page < 3; page += 1) await conversation.loadEarlier();
  const [first] = ids(conversation);
  messages.splice(150, 0, { id: 'late', kind: 'text', mine: false, sent_at: 150 } as MessageView);
  messages.splice(20, 0, { id: 'beyond', kind: 'text', mine: false, sent_at: 20 } as MessageView);
  await Promise.all([conversation.refresh('late'), conversation.refresh('beyond')]);
  expect(ids(conversation)[0]).toBe(first);
  const shown = ids(conversation);
  expect(shown).toEqual(messages.slice(-shown.length).map((message) => message.id));
  expect(shown).toContain('late');
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
  const { backend, messages } = long(500);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  for (let page = 0; page < 6; page += 1) await conversation.loadEarlier();
  expect(ids(conversation)).toHaveLength(500);
  messages.push({ id: 'new', kind: 'text', mine: false, sent_at: 500 } as MessageView);
  await conversation.refresh('new');
  expect(ids(conversation)).toHaveLength(501);
  expect(ids(conversation).at(-1)).toBe('new');
});

test('it forgets what is far from the place that is shown, on either side, and finds it again', async () => {
  const { backend } = long(2_000);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  for (let page = 0; page < 10; page += 1) {
    await conversation.loadEarlier();
    conversation.trim('lower');
    expect(ids(conversation).length).toBeLessThanOrEqual(600);
  }
  expect(ids(conversation)[0]).toBe('m1120');
  expect(conversation.hasLater).toBe(true);
  while (conversation.hasLater) {
    await conversation.loadLater();
    conversation.trim('upper');
    expect(ids(conversation).length).toBeLessThanOrEqual(600);
  }
  const shown = ids(conversation);
  expect(shown.at(-1)).toBe('m1999');
  expect(new Set(shown).size).toBe(shown.length);
  expect(conversation.hasEarlier).toBe(true);
});

test('what is put above says so, so that the rest keeps its place on the screen', async () => {
  const { backend } = long(2_000);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  await conversation.loadEarlier();
  expect(conversation.above).toBe(true);
  await conversation.refresh();
  expect(conversation.above).toBe(false);
});

test('more than a page of new messages at once leaves no hole, whether somebody looks at the end or not', async () => {
  for (const following of [true, false]) {
    const { backend, messages } = long(100);
    const conversation = new Conversation(backend, 'g');
    await conversation.open(0);
    conversation.following = following;
    for (let n = 0; n < 500; n += 1) messages.push({ id: `new${n}`, kind: 'text', mine: false, sent_at: 100 + n } as MessageView);
    await conversation.refresh();
    expect(conversation.hasLater).toBe(!following);
    while (conversation.hasLater) await conversation.loadLater();
    const shown = ids(conversation);
    expect(shown.at(-1)).toBe('new499');
    expect(shown).toEqual(messages.slice(-shown.length).map((message) => message.id));
    expect(conversation.hasEarlier).toBe(true);
  }
});

test('a message far above is reached with one read, and the way down has no hole', async () => {
  const { backend, messages, lists } = long(100_000);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  const before = lists();
  expect(await conversation.reach('m900')).toBe(true);
  expect(lists()).toBe(before);
  expect(conversation.target).toBe('m900');
  expect(conversation.hasLater).toBe(true);
  expect(ids(conversation)).toContain('m900');
  // What arrives meanwhile does not appear in the middle of the past.
  messages.push({ id: 'new', kind: 'text', mine: false, sent_at: 100_000 } as MessageView);
  await conversation.refresh('new');
  expect(ids(conversation)).not.toContain('new');
  for (let n = 0; n < 5; n += 1) await conversation.loadLater();
  const first = messages.findIndex((message) => message.id === ids(conversation)[0]);
  expect(ids(conversation)).toEqual(messages.slice(first, first + ids(conversation).length).map((message) => message.id));
});

test('from far above it goes straight back to the newest', async () => {
  const { backend } = long(2_000);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  await conversation.reach('m5');
  expect(ids(conversation)[0]).toBe('m0');
  const place = conversation.place;
  await conversation.toLatest();
  expect(conversation.hasLater).toBe(false);
  expect(conversation.place).toBeGreaterThan(place);
  expect(ids(conversation)).toHaveLength(PAGE);
  expect(ids(conversation).at(-1)).toBe('m1999');
});

test('a message that is gone is not reached, and nothing moves', async () => {
  const { backend } = long(1_000);
  const conversation = new Conversation(backend, 'g');
  await conversation.open(0);
  const before = ids(conversation);
  expect(await conversation.reach('nowhere')).toBe(false);
  expect(conversation.target).toBe(null);
  expect(ids(conversation)).toEqual(before);
  conversation.gone('m999');
  expect(ids(conversation).at(-1)).toBe('m998');
});
