import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { App } from '../src/lib/app.svelte';
import type { Arrange, Backend, Event, Wish } from '../src/lib/backend';
import { transcript } from '../src/lib/describe';
import { tables } from '../src/lib/words';
import { fakeBackend } from '../dev/fake-backend';

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', { title: '', documentElement: { dataset: {}, lang: '' }, hasFocus: () => true });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

interface Watched {
  app: App;
  arranged: [string, Arrange][];
  locked: () => number;
  wish: (wish: Wish) => void;
}

/** A window on made-up conversations, and what it asks for. */
function window(query = ''): Watched {
  const fake = fakeBackend(new URLSearchParams(query));
  const arranged: [string, Arrange][] = [];
  let locked = 0;
  let grant: (wish: Wish) => void = () => undefined;
  const backend: Backend = {
    ...fake,
    wishes: (onWish) => {
      grant = onWish;
      return Promise.resolve();
    },
    groupArrange: (group, change) => {
      arranged.push([group, change]);
      return fake.groupArrange(group, change);
    },
    profileLock: () => {
      locked += 1;
      return fake.profileLock();
    },
  };
  return { app: new App(backend), arranged, locked: () => locked, wish: (wish) => grant(wish) };
}

test('pinned conversations stand first, put away ones elsewhere', async () => {
  const { app } = window();
  await app.begin();
  const names = (): string[] => app.listed.map((group) => group.group);
  expect(names()).toEqual(['hike', 'seo', 'club', 'team']);
  await app.arrange('club', { pinned: true });
  await app.arrange('seo', { archived: true });
  expect(names()).toEqual(['club', 'hike', 'team']);
  expect(app.archived).toBe(1);
  app.archive = true;
  expect(names()).toEqual(['seo']);
  await app.arrange('seo', { archived: false });
  expect(app.archive).toBe(false);
});

test('the next conversation goes around, and past those that are read if wanted', async () => {
  const { app } = window();
  await app.begin();
  const after = async (by: number, unread = false): Promise<string | undefined> => {
    app.step(by, unread);
    await vi.runAllTimersAsync();
    return app.open?.group;
  };
  expect(await after(1)).toBe('hike');
  expect(await after(-1)).toBe('team');
  expect(await after(1)).toBe('hike');
  expect(await after(1, true)).toBe('seo');
  expect(await after(1, true)).toBe('club');
});

test('a draft is kept a moment after the last key, and before one goes elsewhere', async () => {
  const { app, arranged } = window();
  await app.begin();
  await app.select('hike');
  for (const text of ['ㄱ', '가', '가나']) app.draft('hike', text);
  expect(arranged).toEqual([]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(arranged).toEqual([['hike', { draft: '가나' }]]);
  app.draft('hike', '가나다');
  await app.select('seo');
  expect(arranged.at(-1)).toEqual(['hike', { draft: '가나다' }]);
  expect(app.drafts.get('hike')).toBe('가나다');
});

test('locking keeps what was begun and forgets everything that was shown', async () => {
  const { app, arranged, locked } = window();
  await app.begin();
  // The made-up profile is unlocked by a passphrase as soon as it is locked.
  app.start = { ...app.start!, unlock: 'passphrase' };
  await app.select('hike');
  app.draft('hike', '쓰던 말');
  await app.lock();
  expect(arranged.at(-1)).toEqual(['hike', { draft: '쓰던 말' }]);
  expect(locked()).toBe(1);
  expect(app.phase).toBe('unlock');
  expect([app.groups, app.open, app.account, app.drafts.size, app.dialog]).toEqual([[], null, null, 0, null]);
  expect(document.title).toBe('Sori');
});

test('a profile that the keychain opens alone is not locked: anybody could open it again', async () => {
  const { app, locked } = window();
  await app.begin();
  app.start = { ...app.start!, unlock: 'keychain' };
  await app.lock();
  expect(locked()).toBe(0);
  expect(app.phase).toBe('main');
});

test('a link waits until the profile is open, and proposes only', async () => {
  const { app, wish } = window('start=locked');
  await app.begin();
  wish({ wish: 'link', url: 'sori:invite#x' });
  expect(app.dialog).toBe(null);
  await app.unlock('any', () => undefined);
  expect(app.dialog).toEqual({ name: 'join', id: null, url: 'sori:invite#x' });
  expect(app.outgoing).toEqual([]);
});

test('files are chosen for the open conversation and left with it', async () => {
  const { app, wish } = window();
  const forgotten: (number | null)[] = [];
  app.backend.fileForget = (number) => {
    forgotten.push(number);
    return Promise.resolve();
  };
  await app.begin();
  const file = { number: 1, name: 'a.pdf', size: 10, picture: false, too_long: false };
  // Dropped where nothing takes them.
  wish({ wish: 'files', files: [file] });
  expect(app.chosen).toEqual([]);
  expect(forgotten).toEqual([null]);
  await app.select('hike');
  wish({ wish: 'dragging', over: true });
  expect(app.dragging).toBe(true);
  wish({ wish: 'files', files: [file, { ...file, number: 2 }] });
  expect(app.dragging).toBe(false);
  app.leave(1);
  expect(app.chosen.map((one) => one.number)).toEqual([2]);
  app.asTheyAre = true;
  await app.select('seo');
  expect(app.chosen).toEqual([]);
  expect(app.asTheyAre).toBe(false);
  expect(forgotten).toEqual([null, 1, null]);
});

test('what is told of the connection is not undone by an older answer', async () => {
  const fake = fakeBackend(new URLSearchParams(''));
  const now = await fake.connection();
  let tell: (event: Event) => void = () => undefined;
  const app = new App({
    ...fake,
    subscribe: (onEvent) => {
      tell = onEvent;
      return fake.subscribe(onEvent);
    },
    // It was asked for before the connection stood, and is answered after that was told.
    connection: () => {
      tell({ event: 'connection_changed', connection: { ...now, state: 'connected' } });
      return Promise.resolve({ ...now, state: 'connecting' });
    },
  });
  await app.begin();
  expect(app.connection?.state).toBe('connected');
});

test('rows keep their places while the pointer moves over the list, and new ones come first', async () => {
  const { app } = window();
  await app.begin();
  const names = (): string[] => app.listed.map((group) => group.group);
  const before = names();
  app.hold();
  const [first] = app.groups;
  if (first === undefined) throw new Error('no group');
  app.groups = [{ ...first, group: 'new' }, ...app.groups.toReversed()];
  expect(names()).toEqual(['new', ...before]);
  vi.advanceTimersByTime(1_500);
  app.hold();
  vi.advanceTimersByTime(1_500);
  expect(names()).toEqual(['new', ...before]);
  vi.advanceTimersByTime(500);
  expect(names()).toEqual(['new', ...before.toReversed()]);
});

test('a conversation that is muted for a time is heard again by itself', async () => {
  const { app } = window();
  await app.begin();
  await app.backend.groupMute('club', true, 3_600);
  await app.refreshList();
  const asked = vi.spyOn(app.backend, 'groupList');
  vi.advanceTimersByTime(3_599_000);
  expect(asked).not.toHaveBeenCalled();
  vi.advanceTimersByTime(3_000);
  expect(asked).toHaveBeenCalledTimes(1);
});

test('several messages are copied with who said them, one as it is', async () => {
  const { app } = window();
  await app.begin();
  const list = (await app.backend.messageList('hike', null, 80)).toReversed().filter((message) => message.kind === 'text' && message.text.startsWith('저는'));
  const [only] = list;
  if (only === undefined) throw new Error('no message');
  expect(transcript([only], app.me, tables.ko)).toBe('저는 따뜻한 차 가져갈게요');
  expect(transcript([only, { ...only, mine: true, text: '**네**' }], app.me, tables.ko)).toBe('하루: 저는 따뜻한 차 가져갈게요\n나: 네');
});
