import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Backend, BackendError, type HitView, type MessageView, type SearchView } from '../src/lib/backend';
import { Search } from '../src/lib/search.svelte';
import { fakeBackend } from '../dev/fake-backend';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const hit = (id: string): HitView => ({ group: 'g', message: { id } as MessageView, parts: [] });
const ids = (search: Search): string[] => search.hits.map((found) => found.message.id);

function made(answer: (text: string) => Promise<SearchView>, more: (name: string) => Promise<SearchView> = () => Promise.reject(new BackendError('not_found'))) {
  const asked: string[] = [];
  const refused: unknown[] = [];
  const backend: Backend = {
    ...fakeBackend(new URLSearchParams()),
    messageSearch: (text) => {
      asked.push(text);
      return answer(text);
    },
    messageSearchMore: (name) => {
      asked.push(`>${name}`);
      return more(name);
    },
  };
  return { search: new Search(backend, (error) => refused.push(error)), asked, refused };
}

test('letters typed in a row are one search', async () => {
  const { search, asked } = made((text) => Promise.resolve({ hits: [hit(text)], more: null, searched_to: null }));
  for (const text of ['ㅎ', '회', '횡', '회으', '회의']) search.type(text);
  await vi.runAllTimersAsync();
  expect(asked).toEqual(['회의']);
  expect(ids(search)).toEqual(['회의']);
  expect([search.busy, search.answered]).toEqual([false, true]);
});

test('an answer that comes late does not take the place of a newer one', async () => {
  const { search } = made((text) => new Promise((resolve) => setTimeout(() => resolve({ hits: [hit(text)], more: null, searched_to: null }), text === 'a' ? 900 : 10)));
  search.type('a');
  await vi.advanceTimersByTimeAsync(200);
  search.type('ab');
  await vi.runAllTimersAsync();
  expect(ids(search)).toEqual(['ab']);
});

test('pieces that bring nothing are gone through until a page is full, and then on request', async () => {
  let left = 40;
  const piece = (): Promise<SearchView> => {
    left -= 1;
    const hits = left % 2 === 0 ? [hit(`m${left}a`), hit(`m${left}b`)] : [];
    return Promise.resolve({ hits, more: left > 0 ? String(left) : null, searched_to: null });
  };
  const { search } = made(piece, piece);
  search.type('x');
  await vi.runAllTimersAsync();
  expect(search.hits).toHaveLength(30);
  expect(search.more).not.toBe(null);
  await search.goOn();
  expect(search.hits).toHaveLength(40);
  expect(search.more).toBe(null);
});

test('a field that is emptied shows nothing, not even what is still on its way', async () => {
  const { search, asked } = made((text) => Promise.resolve({ hits: [hit(text)], more: null, searched_to: null }));
  search.type('회의');
  search.clear();
  await vi.runAllTimersAsync();
  expect(asked).toEqual([]);
  expect([search.hits.length, search.busy, search.active]).toEqual([0, false, false]);
});

test('a refusal ends the search and is told', async () => {
  const { search, refused } = made(() => Promise.reject(new BackendError('stopped')));
  search.type('x');
  await vi.runAllTimersAsync();
  expect(refused).toHaveLength(1);
  expect([search.busy, search.answered]).toEqual([false, true]);
});

test('a message that is taken back is no hit any more', async () => {
  const { search } = made(() => Promise.resolve({ hits: [hit('a'), hit('b')], more: null, searched_to: null }));
  search.type('x');
  await vi.runAllTimersAsync();
  search.change({ id: 'a', deleted: true } as MessageView);
  expect(ids(search)).toEqual(['b']);
});
