import type { FileView, MessageView, Role } from './backend';
import { byteWords, megabytes } from './files';
import { fullTime, oneLine } from './format';
import { plain } from './markup';
import { timerWords } from './timer';
import { tables, type Words } from './words';

/** A role in words. */
export function roleWords(role: Role, words: Words): string {
  return { owner: words.role_owner, admin: words.role_admin, member: words.role_member }[role];
}

const isRole = (text: string): text is Role => text === 'owner' || text === 'admin' || text === 'member';

/** A notice as one sentence. `me` is the own account id; what it did itself is said without a name. */
export function noticeWords(message: MessageView, me: string | null, words: Words): string {
  const { notice } = message;
  if (notice === null) return words.notice_other;
  const { what, actor, object, detail } = notice;
  const own = message.sender === me;
  const who = own ? words.notice_by_me : words.notice_by(actor || words.someone);
  const did = (deed: string): string => (who === '' ? deed : `${who} ${deed}`);
  switch (what) {
    case 'created':
      return did(words.notice_created);
    case 'added':
      return did(words.notice_added(object || words.someone));
    case 'joined':
      return did(own ? words.notice_joined_me : words.notice_joined);
    case 'removed':
      return did(words.notice_removed(object || words.someone));
    case 'left':
      return did(own ? words.notice_left_me : words.notice_left);
    case 'renamed':
      return did(words.notice_renamed(object));
    case 'role':
      return did(words.notice_role(object || words.someone, isRole(detail) ? roleWords(detail, words) : detail));
    case 'withdrawn':
      return words.notice_withdrawn;
    case 'lost':
      return words.notice_lost;
    case 'back':
      return words.notice_back(fullTime(Number(detail), words === tables.ko ? 'ko' : 'en'));
    case 'rejoined':
      return words.notice_rejoined(actor || words.someone);
    case 'added_meanwhile':
      return words.notice_added_meanwhile(object || words.someone);
    case 'gone_meanwhile':
      return words.notice_gone_meanwhile(object || words.someone);
    case 'out_meanwhile':
      return words.notice_out_meanwhile;
    case 'held':
      return words.notice_held;
    case 'elsewhere':
      return words.notice_elsewhere;
    case 'policy':
      return did(detail === 'members' ? words.notice_policy_members : words.notice_policy_admins);
    case 'timer':
      return did(detail === '' ? words.notice_timer_off : words.notice_timer(timerWords(Number(detail), words)));
    case 'file_limit':
      return did(detail === '0' ? words.notice_file_limit_none : words.notice_file_limit(megabytes(detail === '' ? null : Number(detail))));
    case 'avatar':
      return did(detail === '' ? words.notice_picture_none : words.notice_picture);
    case 'unreadable':
      return words.notice_unreadable(actor || words.someone, Number(detail));
    case 'undelivered':
      return object === '' ? words.notice_undelivered_several(Number(detail)) : words.notice_undelivered(object, Number(detail));
    case 'halted':
      return words.notice_halted;
    case 'equivocated':
      return words.notice_equivocated(object || words.someone);
    case 'not_admitted':
      return words.notice_not_admitted(actor || words.someone);
    default:
      return words.notice_other;
  }
}

/** Where copies of an own message are, in words that are true. */
export function copiesWords(message: MessageView, words: Words): string {
  if (message.members <= 1) return words.copies_only_me;
  if (message.state === 'held') return words.copies_held;
  if (message.read > 0) return words.copies_read(copiesHeld(message, words), message.read);
  return copiesHeld(message, words);
}

function copiesHeld(message: MessageView, words: Words): string {
  if (message.state === 'waiting') return words.copies_here;
  if (message.state === 'delivered') return words.copies_all;
  return words.copies_some(message.copies, message.members);
}

const PICTURES = ['image/png', 'image/jpeg', 'image/webp', 'image/gif'];

/** Whether a file can be shown as a picture, as far as its sender says. */
export const isPicture = (file: FileView): boolean => PICTURES.includes(file.media_type);

/** Whether a file is a voice message, as far as its sender says. */
export const isVoice = (file: FileView): boolean => file.media_type === 'audio/wav' && file.name === 'voice.wav';

/** The reaction that pins a message for everybody. */
export const PIN = '📌';

/** Whether a message has the own pin. */
export const isPinnedByMe = (message: MessageView): boolean => message.reactions.some(({ emoji, mine }) => emoji === PIN && mine);

/** Whether all of a message can be given to somebody else. */
export const isForwardable = (message: MessageView): boolean =>
  message.kind === 'text' && !message.deleted && !message.hidden && (message.file === null || message.file.state === 'here');

/** Messages as they are copied: who said what, each on lines of its own; of one message what it says. */
export function transcript(messages: readonly MessageView[], me: string | null, words: Words): string {
  const said = (message: MessageView): string =>
    message.file === null && message.kind === 'text' && !message.deleted && !message.hidden ? plain(message.text) : plainWords(message, me, words);
  const [only] = messages;
  if (only !== undefined && messages.length === 1) return said(only);
  return messages.map((message) => `${message.mine ? words.me : message.sender_name || words.someone}: ${said(message)}`).join('\n');
}

/** How a file stands, in words. */
export function fileWords(file: FileView, words: Words): string {
  const size = byteWords(file.size);
  switch (file.state) {
    case 'fetching':
      return words.file_fetching(byteWords(file.have), size);
    case 'waiting':
      return words.file_waiting;
    case 'stopped':
      return words.file_stopped(size);
    case 'here':
      return size;
  }
}

/** What a message says, on one line and without markup. */
export function plainWords(message: MessageView, me: string | null, words: Words): string {
  if (message.kind === 'notice') return noticeWords(message, me, words);
  if (message.hidden) return words.message_hidden;
  if (message.deleted) return words.message_deleted;
  if (message.kind === 'unknown') return message.text === '' ? words.message_unknown : oneLine(message.text);
  if (message.file !== null) {
    const what = isPicture(message.file) ? words.picture : isVoice(message.file) ? words.voice : words.file_named(message.file.name);
    return oneLine(`${what} ${plain(message.text)}`);
  }
  return oneLine(plain(message.text));
}

/** The second line of a conversation in the list. */
export function previewWords(message: MessageView | null, direct: boolean, me: string | null, words: Words): string {
  if (message === null) return words.preview_none;
  const plain = plainWords(message, me, words);
  if (message.kind === 'notice') return plain;
  if (message.mine) return words.preview_mine(plain);
  return direct ? plain : words.preview_by(message.sender_name || words.someone, plain);
}
