import type {
  Backend,
  ConnectionView,
  ContactView,
  Event,
  FileView,
  GroupInfo,
  GroupView,
  JoinView,
  MessageView,
  Origin,
  PersonView,
  Settings,
  StartView,
} from '../src/lib/backend';
import { BackendError } from '../src/lib/backend';

/*
 * Made-up conversations in memory, for looking at screens while working on them. `?start=absent|locked|open` chooses
 * the first screen, `lang=ko|en`, `theme=light|dark`, `state=connected|offline|connecting|none`, `empty`,
 * `opening=slow` or a code of an error.
 */

const ME = 'kP2vXo9dN5rT8wYb3uHc7qJf1mLs6eGzA4iQxV0tBnE';
const PEOPLE: Record<string, string> = {
  [ME]: '민지',
  seo: '서준',
  haru: '하루',
  yuna: '유나',
  dohyun: '김도현',
};
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A conversation that nobody has arranged. */
const plainly = { avatar: null, muted: false, muted_until: null, named: false, own: false, draft: '', pinned: false, archived: false, timer_s: null };

let count = 0;
function message(sender: string, text: string, ago: number, more: Partial<MessageView> = {}): MessageView {
  count += 1;
  const mine = sender === ME;
  return {
    id: `message-${count}`,
    sender,
    sender_name: PEOPLE[sender] ?? '',
    mine,
    sent_at: Date.now() - ago,
    kind: 'text',
    text,
    state: mine ? 'delivered' : 'received',
    copies: 5,
    members: 5,
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

const notice = (ago: number, sender: string, what: string, object = ''): MessageView =>
  message(sender, '', ago, {
    mine: false,
    kind: 'notice',
    notice: { what, actor: PEOPLE[sender] ?? '', object, detail: '' },
  });

const file = (name: string, media_type: string, have: number, state: FileView['state']): Partial<MessageView> => ({
  file: { name, media_type, size: 2_400_000, have, state },
});

/** A made-up landscape. */
function view(width: number, height: number): ImageData {
  const dots = new ImageData(width, height);
  for (let at = 0; at < width * height; at += 1) {
    const [x, y] = [(at % width) / width, Math.floor(at / width) / height];
    const hill = y > 0.55 + 0.12 * Math.sin(x * 7) + 0.06 * Math.sin(x * 19);
    dots.data.set(hill ? [60, 110 + 60 * y, 80, 255] : [120 + 80 * y, 170 + 50 * y, 225, 255], at * 4);
  }
  return dots;
}

function hiking(): MessageView[] {
  const plan = message('seo', '이번 토요일 북한산 어때요? 아침 8시에 우이역에서 만나요.', 26 * HOUR);
  const bring = message(ME, '좋아요! 김밥은 제가 싸 갈게요', 25.9 * HOUR, {
    reactions: [{ emoji: '👍', senders: ['seo', 'haru'], mine: false }],
  });
  return [
    notice(49 * HOUR, ME, 'created', '등산'),
    notice(48.9 * HOUR, ME, 'added', '서준'),
    notice(48.8 * HOUR, ME, 'added', '하루'),
    plan,
    bring,
    message('haru', '저는 따뜻한 차 가져갈게요', 25.8 * HOUR),
    message('haru', '몇 명이나 가는 거예요?', 25.79 * HOUR),
    notice(3 * HOUR, 'seo', 'renamed', '주말 등산'),
    message('dohyun', '비 온다는데 우산 챙겨야 할까요?', 2 * HOUR),
    message('yuna', '오전에는 안 온대요', 1.95 * HOUR, { in_reply_to: null, edited: true }),
    message('yuna', '🙌', 1.94 * HOUR),
    message(ME, '그럼 예정대로 8시에 봐요.\n늦으면 먼저 올라갈게요!', 40 * MINUTE, {
      in_reply_to: plan.id,
      reactions: [
        { emoji: '👍', senders: [ME, 'seo'], mine: true },
        { emoji: '😂', senders: ['yuna'], mine: false },
      ],
    }),
    message('seo', '', 30 * MINUTE, { deleted: true }),
    message('seo', '네, 토요일에 봐요', 29 * MINUTE),
    message('haru', '지난번 사진이에요', 20 * MINUTE, file('북한산.jpg', 'image/jpeg', 2_400_000, 'here')),
    message('haru', '', 19 * MINUTE, file('등산 지도.pdf', 'application/pdf', 900_000, 'fetching')),
    message('yuna', '', 18 * MINUTE, file('준비물.xlsx', '', 0, 'waiting')),
    message('haru', '', 17 * MINUTE, file('voice.wav', 'audio/wav', 2_400_000, 'here')),
    message(ME, '', 17 * MINUTE, file('시간표.pdf', 'application/pdf', 2_400_000, 'here')),
    message(ME, '도시락 통은 각자 가져와 주세요', 2 * MINUTE, { state: 'sent', copies: 2 }),
    message(ME, '혹시 못 오는 사람 있으면 미리 알려 주세요', 1 * MINUTE, { state: 'waiting', copies: 1 }),
  ];
}

export function fakeBackend(query: URLSearchParams): Backend {
  const settings: Settings = {
    language: query.get('lang') === 'en' ? 'en' : 'ko',
    theme: query.get('theme') === 'dark' ? 'dark' : 'light',
    notify: 'hidden',
    lock_after_min: 0,
    close_to_tray: true,
    autostart: false,
    zoom: 100,
    send_with: 'enter',
    whole_day: false,
    list_width: 0,
  };
  let hearing: ReturnType<typeof setInterval> | undefined;
  let heard = 0;
  let profile = (query.get('start') ?? 'open') as StartView['profile'];
  let connection: ConnectionView = {
    state: (query.get('state') ?? 'connected') as ConnectionView['state'],
    relay: 'relay://relay.example:4433/#0sTqv5mG7xq',
    trouble: query.get('trouble') as ConnectionView['trouble'],
  };
  let listen: (event: Event) => void = () => undefined;
  const contacts: ContactView[] = ['seo', 'haru', 'yuna'].map((id) => ({
    id,
    name: PEOPLE[id] ?? '',
    verified: id === 'seo',
    safety_number: '31415 92653 58979 32384 62643 38327 95028 84197 16939 93751 05820 97494',
  }));
  const joins: JoinView[] = query.has('request')
    ? [{ id: 'join-1', name: '지우', code: '482 913', direction: 'incoming', state: 'waiting', group: 'hike' }]
    : [];
  const messages = new Map<string, MessageView[]>([
    ['hike', hiking()],
    ['seo', [message('seo', '사진 잘 받았어요. 고마워요!', 5 * HOUR, { members: 2 })]],
    ['club', [message('yuna', '다음 책은 무엇으로 할까요?', 30 * HOUR), message('dohyun', '짧은 걸로 해요…', 29 * HOUR)]],
    ['team', [message(ME, '회의록 올렸어요', 72 * HOUR)]],
  ]);
  const groups: GroupView[] = [
    { group: 'hike', name: '주말 등산', unread: 0, direct: false, members: 5, active: true, standing: 'active', last: null, ...plainly },
    { group: 'seo', name: '서준', unread: 1, direct: true, members: 2, active: true, standing: 'active', last: null, ...plainly },
    { group: 'club', name: '책 읽는 저녁', unread: 12, direct: false, members: 8, active: true, standing: 'active', last: null, ...plainly, named: true },
    { group: 'team', name: '디자인팀', unread: 0, direct: false, members: 4, active: true, standing: 'active', last: null, ...plainly },
  ];
  if (query.has('empty')) groups.length = 0;

  const info = (group: string): GroupInfo => {
    const found = groups.find((known) => known.group === group);
    if (found === undefined) throw new BackendError('not_found');
    const ids = found.direct ? [ME, group] : [ME, 'seo', 'haru', 'yuna', 'dohyun'].slice(0, found.members);
    return {
      group,
      name: found.name,
      epoch: 7,
      state_hash: '00'.repeat(32),
      direct: found.direct,
      active: true,
      standing: 'active',
      role: 'owner',
      policy: 'admins',
      timer_s: null,
      file_limit: 4 * 1024 * 1024,
      muted: found.muted,
      muted_until: found.muted_until,
      avatar: null,
      read_receipts: null,
      members: ids.map((id) => ({
        id,
        name: PEOPLE[id] ?? '',
        role: id === ME ? 'owner' : id === 'seo' ? 'admin' : 'member',
        me: id === ME,
        verified: id === 'seo',
        blocked: blocked.has(id),
      })),
    };
  };
  const change = (group: string, id: string, to: (message: MessageView) => MessageView): void => {
    const list = messages.get(group) ?? [];
    const at = list.findIndex((known) => known.id === id);
    const old = list[at];
    if (old === undefined) return;
    list[at] = to(old);
    listen({ event: 'message_changed', group, message: list[at] });
  };
  const done = Promise.resolve();
  const blocked = new Set<string>();
  const person = (id: string, read: boolean): PersonView => ({ id, name: PEOPLE[id] ?? '', read });
  let choices = { read_receipts: false, typing: false, log_mib: 0, log_days: 30 };

  return {
    appStart: () =>
      Promise.resolve({
        profile,
        unlock: profile === 'locked' ? 'passphrase' : null,
        relay: connection.relay,
        folder: '/home/minji/.local/share/sori/default',
        version: '0.1.0',
        sandboxed: true,
        settings,
      }),
    keychainAvailable: () => Promise.resolve(false),
    settingsSet: () => done,
    profileCreate: () => new Promise((resolve) => setTimeout(resolve, 500)),
    profileOpen: async (passphrase, onProgress) => {
      if (passphrase === 'wrong') throw new BackendError('wrong_passphrase');
      const trouble = query.get('opening');
      if (trouble !== null && trouble !== 'slow') throw new BackendError(trouble);
      for (let at = 0; trouble === 'slow' && at <= 20; at += 1) {
        onProgress({ phase: 'rewriting', done: at * 500, total: 10_000 });
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      profile = 'open';
      return (query.get('origin') ?? 'here') as Origin;
    },
    profileRestore: async ({ passphrase }, onProgress) => {
      if (passphrase === 'wrong') throw new BackendError('backup_passphrase');
      for (const phase of ['reading', 'sorting'] as const) {
        for (let at = 0; at <= 8; at += 1) {
          onProgress({ phase, done: at, total: 8 });
          await new Promise((resolve) => setTimeout(resolve, 250));
        }
      }
    },
    subscribe: (onEvent) => {
      listen = onEvent;
      return done;
    },
    accountInfo: () => Promise.resolve({ name: '민지', account: ME, relay: connection.relay }),
    connection: () => Promise.resolve(connection),
    relaySet: (url) => {
      connection = { ...connection, relay: url };
      return done;
    },
    profileInfo: () =>
      Promise.resolve({ backend: 'sled', size: 48_300_000, unlock: 'passphrase', keys_locked: true, copies_noticed: true, rotated_at: Math.floor((Date.now() - 3 * 24 * HOUR) / 1_000) }),
    profileRotate: () => done,
    unlockSet: () => new Promise((resolve) => setTimeout(resolve, 500)),
    profileBackup: async ({ file }, onProgress) => {
      for (let at = 0; at <= 10; at += 1) {
        onProgress({ phase: 'backing_up', done: at * 100, total: 1_000 });
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      return { file, bytes: 3_400_000 };
    },
    documentsFolder: () => Promise.resolve('/home/minji/문서'),
    inviteCreate: () => {
      const size = 45;
      let path = '';
      for (let y = 0; y < size; y += 1)
        for (let x = 0; x < size; x += 1) if ((x * 7 + y * 13 + ((x * y) % 5)) % 3 === 0) path += `M${x} ${y}h1v1h-1z`;
      return Promise.resolve({ url: `sori:invite#${'q7Zk2'.repeat(60)}`, qr: { size, path } });
    },
    inviteAccept: () => {
      joins.push({ id: 'join-2', name: '서준', code: '482 913', direction: 'outgoing', state: 'waiting', group: null });
      return Promise.resolve('join-2');
    },
    joinList: () => Promise.resolve([...joins]),
    joinApprove: () => {
      joins.length = 0;
      return done;
    },
    joinDeny: () => {
      joins.length = 0;
      return done;
    },
    contactList: () => Promise.resolve(contacts),
    contactInfo: (id) => {
      const found = contacts.find((contact) => contact.id === id);
      return found === undefined ? Promise.reject(new BackendError('not_found')) : Promise.resolve(found);
    },
    contactVerify: () => done,
    groupCreate: (name) => {
      const group = `group-${groups.length}`;
      groups.push({ group, name, unread: 0, direct: false, members: 1, active: true, standing: 'active', last: null, ...plainly });
      messages.set(group, [notice(0, ME, 'created', name)]);
      return Promise.resolve(group);
    },
    groupList: () => Promise.resolve(groups.map((group) => ({ ...group, last: messages.get(group.group)?.at(-1) ?? null }))),
    groupInfo: (group) => Promise.resolve(info(group)),
    groupAdd: () => done,
    groupRemove: () => Promise.reject(new BackendError('not_allowed')),
    groupRename: () => done,
    groupRole: () => done,
    groupLeave: () => done,
    groupPolicy: () => done,
    groupTimer: () => done,
    groupFileLimit: () => done,
    groupOwn: () => Promise.resolve('team'),
    groupMute: (group, muted, seconds) => {
      const found = groups.find((known) => known.group === group);
      if (found !== undefined) [found.muted, found.muted_until] = [muted, seconds === null ? null : Date.now() + seconds * 1_000];
      return done;
    },
    groupReadReceipts: () => done,
    memberBlock: (id, on) => {
      if (on) blocked.add(id);
      else blocked.delete(id);
      return done;
    },
    blockedList: () => Promise.resolve([...blocked].map((id) => person(id, false))),
    choices: () => Promise.resolve(choices),
    choicesSet: (change) => {
      choices = { ...choices, ...change };
      return done;
    },
    groupTyping: () => done,
    groupAvatar: () => Promise.reject(new BackendError('not_found')),
    groupAvatarSet: () => done,
    groupExport: async ({ group, file }, onProgress) => {
      const total = 1_200;
      for (let at = 0; at <= total; at += 200) {
        onProgress({ phase: 'exporting', done: at, total });
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      return { file, lines: messages.get(group)?.length ?? 0 };
    },
    messageList: (group, before, limit) => {
      const all = messages.get(group) ?? [];
      const list = all.map((one) => (blocked.has(one.sender) && one.kind !== 'notice' ? { ...one, hidden: true, text: '', reactions: [] } : one));
      const end = before === null ? list.length : list.findIndex((known) => known.id === before);
      return Promise.resolve(list.slice(Math.max(0, end - limit), end).toReversed());
    },
    messageSend: (group, text, how) => {
      const sent = message(ME, text, 0, { in_reply_to: how.replyTo, state: 'waiting', copies: 1 });
      messages.get(group)?.push(sent);
      listen({ event: 'message_new', group, message: sent });
      setTimeout(() => change(group, sent.id, (old) => ({ ...old, state: 'sent', copies: 3 })), 700);
      return Promise.resolve(sent.id);
    },
    filesChoose: () =>
      Promise.resolve([
        { number: (count += 1), name: '산행 사진 1.jpg', size: 3_120_000, picture: true, too_long: false },
        { number: (count += 1), name: '회의록.pdf', size: 482_000, picture: false, too_long: false },
      ]),
    filesPaste: () => Promise.resolve([{ number: (count += 1), name: '', size: 92_000, picture: true, too_long: false }]),
    fileForget: () => done,
    filePreview: () => Promise.resolve(view(240, 160)),
    fileSend: (group, _number, text) => {
      const file = { name: '산행 사진 1.jpg', media_type: 'image/jpeg', size: 3_120_000, have: 3_120_000, state: 'here' as const };
      const sent = message(ME, text, 0, { state: 'waiting', copies: 1, file });
      messages.get(group)?.push(sent);
      listen({ event: 'message_new', group, message: sent });
      return Promise.resolve(sent.id);
    },
    fileFetch: () => done,
    fileStop: () => done,
    voiceBegin: (onHeard) => {
      hearing = setInterval(() => {
        heard += 100;
        onHeard({ ms: heard, loudness: Math.round(50 + 40 * Math.sin(heard / 300)), full: false });
      }, 100);
      heard = 0;
      return done;
    },
    voiceSend: () => {
      clearInterval(hearing);
      return Promise.resolve('message-0');
    },
    voiceForget: () => {
      clearInterval(hearing);
      return done;
    },
    voiceShape: () => Promise.resolve({ ms: 23_400, bars: Array.from({ length: 48 }, (_, n) => Math.round(40 + 35 * Math.sin(n / 2) * Math.cos(n / 5))) }),
    voicePlay: () => done,
    voiceStop: () => done,
    fileForward: () => Promise.resolve('message-0'),
    fileSave: (_group, id) => Promise.resolve(`/home/minji/문서/${id}`),
    pictureDraw: (_group, _id, side) => Promise.resolve(view(side, Math.round((side * 2) / 3))),
    messageReact: (group, id, emoji) => {
      change(group, id, (old) => ({ ...old, reactions: [
          ...old.reactions.filter((reaction) => !reaction.mine),
          ...(emoji === '' ? [] : [{ emoji, senders: [ME], mine: true }]),
        ],
      }));
      return done;
    },
    messagePin: () => done,
    messagePinned: (group) => Promise.resolve(group === 'hike' ? (messages.get(group) ?? []).slice(3, 5) : []),
    messageEdit: (group, id, text) => {
      change(group, id, (old) => ({ ...old, text, edited: true }));
      return done;
    },
    messageDelete: (group, id) => {
      change(group, id, (old) => ({ ...old, text: '', deleted: true }));
      return done;
    },
    messageResend: (group, id) => {
      change(group, id, (old) => ({ ...old, state: 'sent' }));
      return done;
    },
    messageDrop: (group, id) => {
      change(group, id, (old) => ({ ...old, state: 'waiting' }));
      return done;
    },
    messageCopies: () =>
      Promise.resolve({ copies: 3, members: 5, holders: [person('seo', true), person('haru', false)], missing: [person('yuna', false), person('dohyun', false)] }),
    messageSearch: (text) => {
      const hits = [...messages].flatMap(([group, list]) =>
        list
          .filter((known) => known.text.includes(text))
          .map((known) => ({ group, message: known, parts: known.text.split(new RegExp(`(${text})`)).map((part) => ({ text: part, found: part === text })) })),
      );
      return Promise.resolve({ hits: hits.toSorted((a, b) => b.message.sent_at - a.message.sent_at), more: null, searched_to: null });
    },
    messageSearchMore: () => Promise.reject(new BackendError('not_found')),
    messageAround: (group, id, before, after) => {
      const list = messages.get(group) ?? [];
      const at = list.findIndex((known) => known.id === id);
      if (at < 0) return Promise.reject(new BackendError('not_found'));
      const [from, to] = [Math.max(0, at - before), Math.min(list.length, at + after + 1)];
      return Promise.resolve({ messages: list.slice(from, to).toReversed(), earlier: from > 0, later: to < list.length });
    },
    messageUnread: (group) => {
      const unread = groups.find((known) => known.group === group)?.unread ?? 0;
      const theirs = (messages.get(group) ?? []).filter((known) => !known.mine && known.kind !== 'notice');
      return Promise.resolve(theirs.at(-unread)?.id ?? null);
    },
    messageHistory: (group, id) => {
      const known = messages.get(group)?.find((message) => message.id === id);
      const now = known?.sent_at ?? 0;
      return Promise.resolve([
        { sent_at: now, text: null },
        { sent_at: now + 90_000, text: known?.text ?? '' },
      ]);
    },
    messageHide: (group, id) => {
      messages.set(group, (messages.get(group) ?? []).filter((known) => known.id !== id));
      listen({ event: 'message_gone', group, id });
      return done;
    },
    groupArrange: (group, changes) => {
      const found = groups.find((known) => known.group === group);
      if (found !== undefined) Object.assign(found, changes, 'timer_s' in changes ? { timer_s: changes.timer_s || null } : {});
      return done;
    },
    syncStatus: (group) =>
      Promise.resolve({ group, attached: connection.state === 'connected', envelopes: 214, pending: 0, unsent: 1, catching_up: false, peers: 2 }),
    profileLock: () => {
      profile = 'locked';
      return done;
    },
    profileWipe: () => {
      profile = 'absent';
      return done;
    },
    wishes: () => done,
    desktopInfo: () => Promise.resolve({ tray: true, notifications: true }),
    desktopShow: () => done,
    linkOpen: () => done,
    linkInfo: (url) => Promise.resolve({ url, host: new URL(url).hostname, unusual: url.includes('xn--') }),
    clipboardPicture: () => Promise.reject(new BackendError('no_picture')),
    qrDraw: () => Promise.resolve({ size: 21, path: 'M0 0h7v1h-7z' }),
    markRead: (group) => {
      const found = groups.find((known) => known.group === group);
      if (found !== undefined) found.unread = 0;
      return done;
    },
  };
}
