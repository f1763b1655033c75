import type { MessageView, NoticeView, Role } from './backend';
import { oneLine } from './format';
import type { Words } from './words';

/** A role in words. */
export function roleWords(role: Role, words: Words): string {
  return { owner: words.role_owner, admin: words.role_admin, member: words.role_member }[role];
}

const isRole = (text: string): text is Role => text === 'owner' || text === 'admin' || text === 'member';

/** A notice as one sentence. */
export function noticeWords(notice: NoticeView | null, mine: boolean, words: Words): string {
  if (notice === null) return words.notice_other;
  const { actor, object, detail } = notice;
  const role = isRole(detail) ? roleWords(detail, words) : detail;
  switch (notice.what) {
    case 'created':
      return mine || actor === '' ? words.notice_created_me : words.notice_created(actor);
    case 'added':
      return actor === '' || object === '' ? words.notice_added_plain(object || actor) : words.notice_added(actor, object);
    case 'joined':
      return object === '' && actor === '' ? words.notice_joined_me : words.notice_joined(object || actor);
    case 'removed':
      return actor === '' ? words.notice_removed_plain(object) : words.notice_removed(actor, object);
    case 'left':
      return words.notice_left(object || actor);
    case 'renamed':
      return actor === '' ? words.notice_renamed_plain(object) : words.notice_renamed(actor, object);
    case 'role':
      return words.notice_role(object, role);
    case 'superseded':
      return words.notice_superseded;
    case 'undecryptable':
      return words.notice_undecryptable;
    default:
      return words.notice_other;
  }
}

/** Where copies of an own message are, in words that are true. */
export function copiesWords(message: MessageView, words: Words): string {
  if (message.members <= 1) return words.copies_only_me;
  if (message.state === 'waiting') return words.copies_here;
  if (message.state === 'delivered') return words.copies_all;
  return words.copies_some(message.copies, message.members);
}

/** What a message says, on one line and without markup. */
export function plainWords(message: MessageView, words: Words): string {
  if (message.kind === 'notice') return noticeWords(message.notice, message.mine, words);
  if (message.deleted) return words.message_deleted;
  if (message.kind === 'unknown') return message.text === '' ? words.message_unknown : oneLine(message.text);
  return oneLine(message.text);
}

/** The second line of a conversation in the list. */
export function previewWords(message: MessageView | null, direct: boolean, words: Words): string {
  if (message === null) return words.preview_none;
  const plain = plainWords(message, words);
  if (message.kind === 'notice') return plain;
  if (message.mine) return words.preview_mine(plain);
  return direct ? plain : words.preview_by(message.sender_name || words.someone, plain);
}
