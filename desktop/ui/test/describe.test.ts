import { expect, test } from 'vitest';
import type { FileView, MessageView, NoticeView } from '../src/lib/backend';
import { copiesWords, fileWords, isPicture, noticeWords, plainWords, previewWords } from '../src/lib/describe';
import { fullTime } from '../src/lib/format';
import { tables } from '../src/lib/words';

const { ko, en } = tables;
const own: MessageView = {
  id: 'm',
  sender: 'me',
  sender_name: '민지',
  mine: true,
  sent_at: 0,
  kind: 'text',
  text: '안녕하세요',
  state: 'sent',
  copies: 2,
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
};

test('the place of copies is said as it is', () => {
  expect(copiesWords({ ...own, state: 'waiting', copies: 1 }, ko)).toBe('이 기기에만 있어요');
  expect(copiesWords(own, ko)).toBe('5명 중 2명에게 있어요');
  expect(copiesWords({ ...own, state: 'delivered', copies: 5 }, ko)).toBe('모두에게 있어요');
  expect(copiesWords(own, en)).toBe('2 of 5 have it');
});

test('reading is told beside where copies are', () => {
  expect(copiesWords({ ...own, read: 1 }, ko)).toBe('5명 중 2명에게 있어요. 1명이 읽었어요');
  expect(copiesWords({ ...own, state: 'delivered', copies: 5, read: 4 }, en)).toBe('Everybody has it. Read by 4');
});

test('what a blocked person wrote is not shown in the list', () => {
  const hidden = { ...own, mine: false, sender_name: '서준', text: '', hidden: true };
  expect(previewWords(hidden, true, 'me', ko)).toBe('차단한 사람의 메시지를 숨겼어요');
});

test('alone in a group nothing waits for anybody', () => {
  expect(copiesWords({ ...own, state: 'waiting', copies: 1, members: 1 }, ko)).toBe('이 기기에 있어요');
});

test('the list says who spoke, except where it is plain', () => {
  const other = { ...own, mine: false, sender_name: '서준' };
  expect(previewWords(own, false, 'me', ko)).toBe('나: 안녕하세요');
  expect(previewWords(other, false, 'me', ko)).toBe('서준: 안녕하세요');
  expect(previewWords(other, true, 'me', ko)).toBe('안녕하세요');
  expect(previewWords({ ...own, deleted: true, text: '' }, false, 'me', ko)).toBe('나: 지운 메시지예요');
  expect(previewWords(null, false, 'me', ko)).toBe('아직 메시지가 없어요');
});

const lost = new Date(2026, 10, 21, 15, 7).getTime();

test.each<[Partial<NoticeView>, string, string]>([
  [{ what: 'created', object: '등산' }, '민지 님이 그룹을 만들었어요', '민지 created the group'],
  [{ what: 'added', object: '서준' }, '민지 님이 서준 님을 초대했어요', '민지 invited 서준'],
  [{ what: 'joined', object: '서준' }, '민지 님이 들어왔어요', '민지 joined'],
  [{ what: 'removed', object: '서준' }, '민지 님이 서준 님을 내보냈어요', '민지 removed 서준'],
  [{ what: 'left' }, '민지 님이 나갔어요', '민지 left'],
  [{ what: 'renamed', object: '등산' }, '민지 님이 그룹 이름을 ‘등산’으로 바꿨어요', '민지 renamed the group to “등산”'],
  [{ what: 'role', object: '서준', detail: 'admin' }, '민지 님이 서준 님의 역할을 관리자로 바꿨어요', '민지 made 서준 admin'],
  [{ what: 'added_meanwhile', object: '서준' }, '그사이 서준 님이 들어왔어요', '서준 joined in the meantime'],
  [
    { what: 'rejoined' },
    '민지 님의 기기가 열쇠를 잃었다가 다시 들어왔어요. 같은 기기이고 안전 번호도 그대로예요',
    '민지’s device had lost its keys and is back. It is the same device, and the safety number is unchanged',
  ],
  [
    { what: 'back', actor: '', detail: String(lost) },
    `다시 들어왔어요. ${fullTime(lost, 'ko')} 이후의 메시지는 이 기기에 없을 수 있으니, 필요하면 대화 상대에게 다시 보내 달라고 해 주세요`,
    `Back in. Messages since ${fullTime(lost, 'en')} may be missing on this device; ask the others to send again what you need`,
  ],
  [{ what: 'policy', detail: 'members' }, '민지 님이 모두가 다른 사람을 들일 수 있게 했어요', '민지 chose that everybody may let others in'],
  [
    { what: 'unreadable', detail: '2' },
    '민지 님이 보낸 것 중 여기서 읽을 수 없는 것이 2개 있어요. 다시 보내 달라고 하거나 소리를 새 버전으로 바꿔 주세요',
    '민지 sent 2 things that cannot be read here. Ask for it again, or install a newer version of Sori',
  ],
  [
    { what: 'undelivered', object: '서준', detail: '1' },
    '서준 님이 가져가지 않은 내 메시지 1개를 더 이상 보관하지 않아요. 아직 필요하면 다시 보내 주세요',
    '1 message of yours is no longer kept for 서준, who never came for it. Send again what still matters',
  ],
  [
    { what: 'undelivered', detail: '3' },
    '받지 못한 사람이 있는 내 메시지 3개를 더 이상 보관하지 않아요. 아직 필요하면 다시 보내 주세요',
    '3 messages of yours are no longer kept for members who never came for them. Send again what still matters',
  ],
  [
    { what: 'not_admitted' },
    '민지 님이 그룹에 추가하려 했지만 되지 않았어요. 다시 해 달라고 하거나 초대를 받아 주세요',
    '민지 tried to add you to a group, and it did not work. Ask 민지 to try again, or for an invite',
  ],
  [
    { what: 'halted' },
    '이 프로필의 다른 사본이 쓰이고 있고 여기서 다르게 결정했어요. 그래서 이 기기는 이 대화에서 더 이상 말하지 않아요',
    'Another copy of this profile is in use and has decided otherwise here, so this device says nothing more in this conversation',
  ],
  [
    { what: 'equivocated', object: '서준' },
    '서준 님이 서로 어긋나는 두 가지에 서명했어요. 속이고 있거나, 누군가 그 기기의 사본을 쓰고 있어요. 증거는 보관했어요. 직접 물어보고, 의심스러우면 관리자에게 내보내 달라고 해 주세요',
    '서준 has signed two things that exclude each other. Either 서준 cheats, or somebody else uses a copy of that device. The proof is kept. Ask 서준, and have an admin remove 서준 if in doubt',
  ],
  [{ what: 'something new' }, '그룹에 변경이 있었어요', 'The group changed'],
])('the notice %o', (parts, korean, english) => {
  const message: MessageView = {
    ...own,
    mine: false,
    kind: 'notice',
    notice: { what: '', actor: '민지', object: '', detail: '', ...parts },
  };
  expect(noticeWords(message, 'somebody else', ko)).toBe(korean);
  expect(noticeWords(message, 'somebody else', en)).toBe(english);
});

test('what one did oneself is said without a name', () => {
  const message: MessageView = {
    ...own,
    kind: 'notice',
    notice: { what: 'added', actor: '민지', object: '서준', detail: '' },
  };
  expect(noticeWords(message, 'me', ko)).toBe('서준 님을 초대했어요');
  expect(noticeWords(message, 'me', en)).toBe('You invited 서준');
});

test('a file says how it stands, and a message with one names it', () => {
  const file: FileView = { name: '지도.pdf', media_type: 'application/pdf', size: 2_400_000, have: 600_000, state: 'fetching' };
  expect(fileWords(file, ko)).toBe('2.4 MB 중 600 KB 받음');
  expect(fileWords(file, en)).toBe('600 KB of 2.4 MB');
  expect(fileWords({ ...file, state: 'here' }, ko)).toBe('2.4 MB');
  expect(fileWords({ ...file, state: 'waiting' }, en)).toMatch(/^Nobody who has it is online/);
  expect(plainWords({ ...own, text: '', file }, 'me', ko)).toBe('파일: 지도.pdf');
  const picture = { ...file, media_type: 'image/png' };
  expect(isPicture(file)).toBe(false);
  expect(isPicture(picture)).toBe(true);
  expect(plainWords({ ...own, text: '**여기요**', file: picture }, 'me', ko)).toBe('사진 여기요');
});
