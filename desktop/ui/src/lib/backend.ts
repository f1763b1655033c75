/**
 * What the window asks of the engine, and what the engine tells the window.
 *
 * Everything above this file is written against `Backend`; only `tauri-backend.ts` knows how the engine is
 * reached. The shapes are those of the Rust views, so names keep their `snake_case`.
 */

export type Language = 'ko' | 'en';
export type Theme = 'system' | 'light' | 'dark';
export type Role = 'owner' | 'admin' | 'member';
export type Policy = 'admins' | 'members';
export type Protection = 'passphrase' | 'keychain' | 'both';

/** What a notification of the system says: nothing at all, that there is something, who, or who and what. */
export type Notify = 'off' | 'hidden' | 'who' | 'all';

export interface Settings {
  language: Language;
  theme: Theme;
  notify: Notify;
  /** Minutes without a key or the mouse after which the profile is closed; 0 for never. */
  lock_after_min: number;
  /** Whether closing the window leaves Sori running, where there is a tray to find it in. */
  close_to_tray: boolean;
  autostart: boolean;
  /** Per cent. */
  zoom: number;
  send_with: 'enter' | 'ctrl_enter';
  /** Whether times go from 0 to 24 in every language. */
  whole_day: boolean;
  /** How wide the list is, in pixels; 0 as long as nobody has moved its edge. */
  list_width: number;
}

/** What the window has to know before anything is unlocked. It holds no name and no count. */
export interface StartView {
  profile: 'absent' | 'locked' | 'open';
  unlock: Protection | null;
  relay: string | null;
  /** The folder of the profile. */
  folder: string;
  version: string;
  sandboxed: boolean;
  settings: Settings;
}

export interface AccountView {
  name: string;
  account: string;
  relay: string | null;
}

export interface ConnectionView {
  state: 'none' | 'offline' | 'connecting' | 'connected';
  relay: string | null;
  /** Why there is no connection, as far as that is known. */
  trouble: 'closed' | 'lookup' | 'machine' | 'no_access' | 'protocol' | 'unreachable' | 'wrong_key' | null;
}

export interface ContactView {
  id: string;
  name: string;
  verified: boolean;
  /** Sixty digits in groups of five, the same on both sides. */
  safety_number: string;
}

export type JoinState = 'knocking' | 'waiting' | 'approved' | 'done' | 'denied' | 'expired';

/** Somebody who wants to come in (`incoming`), or our own wish to come in somewhere (`outgoing`). */
export interface JoinView {
  id: string;
  name: string;
  code: string;
  direction: 'incoming' | 'outgoing';
  state: JoinState;
  group: string | null;
}

export interface ReactionView {
  emoji: string;
  senders: string[];
  mine: boolean;
}

/** A notice in parts, so that it can be said in the language of the window. */
export interface NoticeView {
  what: string;
  actor: string;
  object: string;
  detail: string;
}

/** A file that a message carries, and how it stands here. Name and media type are what its sender says. */
export interface FileView {
  name: string;
  media_type: string;
  /** Bytes. */
  size: number;
  have: number;
  state: 'fetching' | 'here' | 'stopped' | 'waiting';
}

/** How a message is sent: what it answers, and after how many seconds it disappears by itself. */
export interface How {
  replyTo: string | null;
  timerS: number | null;
}

/** What the microphone has heard so far; loudness is from 0 to 100. */
export interface Heard {
  ms: number;
  loudness: number;
  /** Whether it is as long as it can be. */
  full: boolean;
}

/** A voice message, as it is drawn: how loud each part of it is, from 0 to 100. */
export interface Shape {
  ms: number;
  bars: number[];
}

export interface Played {
  ms: number;
  over: boolean;
}

/** A file that the person has chosen to send; the page knows it by its number alone. */
export interface ChosenView {
  number: number;
  /** Empty for what was pasted. */
  name: string;
  size: number;
  picture: boolean;
  too_long: boolean;
}

export interface MessageView {
  id: string;
  sender: string;
  sender_name: string;
  mine: boolean;
  /** Milliseconds since 1970. */
  sent_at: number;
  kind: 'text' | 'notice' | 'unknown';
  text: string;
  /** `held`: own, waits for a decision; `superseded`: of others, of a state of the group that has lost. */
  state: 'waiting' | 'sent' | 'delivered' | 'received' | 'held' | 'superseded';
  copies: number;
  members: number;
  /** Own messages: how many others have said that they read it. */
  read: number;
  /** Hidden because its sender is blocked here; then there is no text. */
  hidden: boolean;
  edited: boolean;
  deleted: boolean;
  /** When it disappears from every device, in milliseconds since 1970. */
  expires_at: number | null;
  in_reply_to: string | null;
  reactions: ReactionView[];
  notice: NoticeView | null;
  file: FileView | null;
}

export interface PersonView {
  id: string;
  name: string;
  read: boolean;
}

/** Who of those for whom a message was written is known to have it, and who is not. */
export interface CopiesView {
  copies: number;
  members: number;
  holders: PersonView[];
  missing: PersonView[];
}

/**
 * How this device stands in a group; `rejoining`: it has lost the group's keys and is getting new ones; `halted`: another
 * copy of it has decided otherwise, so it says nothing more.
 */
export type Standing = 'active' | 'leaving' | 'out' | 'rejoining' | 'halted';

export interface GroupView {
  group: string;
  name: string;
  /** Names its picture, if that is here. */
  avatar: string | null;
  unread: number;
  direct: boolean;
  members: number;
  /** Whether this account is still in. */
  active: boolean;
  standing: Standing;
  muted: boolean;
  /** When that ends by itself, in milliseconds since 1970. */
  muted_until: number | null;
  /** Whether an unread message names this account. */
  named: boolean;
  /** Whether it is the conversation with oneself. */
  own: boolean;
  last: MessageView | null;
  /** What was written and not sent. */
  draft: string;
  /** Whether it stands before the others. */
  pinned: boolean;
  /** Whether it is put away, until somebody says something. */
  archived: boolean;
  /** Seconds after which what is written here disappears. */
  timer_s: number | null;
}

/** What is to change of how a conversation is arranged on this device. `timer_s` 0 is for never. */
export type Arrange = Partial<Pick<GroupView, 'draft' | 'pinned' | 'archived'>> & { timer_s?: number };

/** A piece of a conversation, newest first. */
export interface WindowView {
  messages: MessageView[];
  earlier: boolean;
  later: boolean;
}

/** One state of a text that was edited; only the latest has its text. */
export interface EditView {
  sent_at: number;
  text: string | null;
}

/** How a group's log stands. */
export interface SyncView {
  group: string;
  attached: boolean;
  envelopes: number;
  pending: number;
  unsent: number;
  catching_up: boolean;
  peers: number;
}

/** What there is at hand of the system. */
export interface DesktopView {
  /** Whether there is a tray that shows icons. */
  tray: boolean;
  /** Whether the system takes notifications. */
  notifications: boolean;
}

export interface MemberView {
  id: string;
  name: string;
  role: Role;
  me: boolean;
  verified: boolean;
  blocked: boolean;
}

export interface GroupInfo {
  group: string;
  name: string;
  epoch: number;
  state_hash: string;
  direct: boolean;
  active: boolean;
  standing: Standing;
  role: Role;
  /** Who may let others in. */
  policy: Policy;
  /** What anybody writes here disappears after so many seconds. */
  timer_s: number | null;
  /** Bytes; 0 for no files, null for as long as files can be. */
  file_limit: number | null;
  /** Names its picture, if that is here. */
  avatar: string | null;
  muted: boolean;
  muted_until: number | null;
  /** Whether its members are told what was read here; null as everywhere. */
  read_receipts: boolean | null;
  members: MemberView[];
}

/** A QR code as the window draws it: `path` is SVG path data of unit squares on a `size` by `size` field. */
export interface QrView {
  size: number;
  path: string;
}

export interface InviteView {
  url: string;
  qr: QrView | null;
}

/** An address taken apart. */
export interface LinkView {
  /** The whole address as it is handed on. */
  url: string;
  /** The host, in Punycode where it is not plain letters. */
  host: string;
  /** Whether the host has letters that could be mistaken for others. */
  unusual: boolean;
}

export interface InviteOptions {
  group: string | null;
  uses: number;
  expires_s: number;
}

/** How the profile is kept. */
export interface ProfileInfo {
  backend: 'redb' | 'sled' | '';
  /** Bytes on the disk. */
  size: number;
  unlock: Protection | '';
  /** Whether the system keeps all keys out of swap. */
  keys_locked: boolean;
  /** When the master key was last replaced, in seconds since 1970. */
  rotated_at: number | null;
  /** Whether it would be noticed that the folder is an older copy. */
  copies_noticed: boolean;
}

/** How far something is that takes a while; `total` is null until it is known. */
export interface ProgressView {
  phase: 'backing_up' | 'exporting' | 'reading' | 'rewriting' | 'sorting';
  done: number;
  total: number | null;
}

/** Where an opened profile comes from; in all cases but `here` the device gets the keys of its groups anew. */
export type Origin = 'elsewhere' | 'here' | 'older_copy' | 'repaired';

export interface Backup {
  file: string;
  passphrase: string;
  replace: boolean;
}

/** A backup to make the profile of, and what shall unlock that. */
export interface Restoring {
  file: string;
  passphrase: string;
  protection: Protection;
  unlock: string | null;
}

export type ExportFormat = 'html' | 'json';

export interface Export {
  group: string;
  file: string;
  format: ExportFormat;
  replace: boolean;
}

/** A piece of a text, and whether it is what was looked for. */
export interface PartView {
  text: string;
  found: boolean;
}

export interface HitView {
  group: string;
  message: MessageView;
  parts: PartView[];
}

/** Some of what was found; `more` goes on with the search. */
export interface SearchView {
  hits: HitView[];
  more: string | null;
  searched_to: number | null;
}

export interface NewProfile {
  name: string;
  protection: Protection;
  passphrase: string | null;
  relay: string | null;
}

export type Event =
  | { event: 'message_new'; group: string; message: MessageView }
  | { event: 'message_changed'; group: string; message: MessageView }
  | { event: 'message_gone'; group: string; id: string }
  | { event: 'group_changed'; group: string }
  /** A member is writing now; said again every few seconds. */
  | { event: 'typing'; group: string; member: string }
  | { event: 'join_requested'; join: JoinView }
  | { event: 'join_changed'; join: JoinView }
  | { event: 'contacts_changed' }
  | { event: 'connection_changed'; connection: ConnectionView }
  /** Events were lost on the way: whatever is shown has to be read again. */
  | { event: 'resync' }
  /** The messenger has ended; nothing that is asked from now on happens. */
  | { event: 'stopped'; refusal: { code: string; detail: string } };

/** What the person has chosen for this device, kept in the profile. */
export interface Choices {
  /** Whether members are told which of their messages were read here. */
  read_receipts: boolean;
  /** Whether members are told that the person is writing, and this window of them. */
  typing: boolean;
  /** Most MiB that are kept for members who are away; zero for no bound. */
  log_mib: number;
  /** For how many days, 7 to 30. */
  log_days: number;
}

/** What the system asks of the window. */
export type Wish =
  /** Files are dragged over the window, or not any more; then they may be dropped. */
  | { wish: 'dragging'; over: boolean }
  | { wish: 'files'; files: ChosenView[] }
  /** A link was given to this or to another start of the program. It proposes; nothing happens without an answer. */
  | { wish: 'link'; url: string }
  /** A notification was pressed. */
  | { wish: 'show'; group: string; message: string }
  /** "Lock" in the tray's menu, or the computer goes to sleep. */
  | { wish: 'lock' };

/** A refusal by the engine. `code` is stable and chooses the words; `detail` is for people who report a fault. */
export class BackendError extends Error {
  readonly code: string;
  readonly detail: string;

  constructor(code: string, detail = '') {
    super(detail === '' ? code : `${code}: ${detail}`);
    this.name = 'BackendError';
    this.code = code;
    this.detail = detail;
  }
}

export interface Backend {
  appStart(): Promise<StartView>;
  keychainAvailable(): Promise<boolean>;
  settingsSet(settings: Settings): Promise<void>;
  profileCreate(profile: NewProfile): Promise<void>;
  profileOpen(passphrase: string | null, onProgress: (at: ProgressView) => void): Promise<Origin>;
  profileRestore(what: Restoring, onProgress: (at: ProgressView) => void): Promise<void>;
  /** Saves and closes the profile; the page forgets what it showed. */
  profileLock(): Promise<void>;
  /** Destroys the profile, open or not. */
  profileWipe(): Promise<void>;
  /** What the system asks of the window, from now on. */
  wishes(onWish: (wish: Wish) => void): Promise<void>;
  desktopInfo(): Promise<DesktopView>;
  /** Tells the tray and the notifications what is unread and what is being looked at. */
  desktopShow(unread: number, group: string | null): Promise<void>;
  /** Opens a web or mail address in the program of the system for it, after it was shown whole. */
  linkOpen(url: string): Promise<void>;
  /** What a link really leads to: its host as the network knows it. */
  linkInfo(url: string): Promise<LinkView>;
  /** The picture that was copied. */
  clipboardPicture(): Promise<Blob>;
  /** A text as a QR code; `null` if it is too long for one. */
  qrDraw(text: string): Promise<QrView | null>;
  subscribe(onEvent: (event: Event) => void): Promise<void>;

  accountInfo(): Promise<AccountView>;
  connection(): Promise<ConnectionView>;
  relaySet(url: string): Promise<void>;

  profileInfo(): Promise<ProfileInfo>;
  profileRotate(): Promise<void>;
  /** `present` is the passphrase that unlocks the profile now, if one does. */
  unlockSet(present: string | null, protection: Protection, passphrase: string | null): Promise<void>;
  profileBackup(what: Backup, onProgress: (at: ProgressView) => void): Promise<{ file: string; bytes: number }>;
  /** Where a person would look for a file first. */
  documentsFolder(): Promise<string>;

  inviteCreate(options: InviteOptions): Promise<InviteView>;
  inviteAccept(url: string): Promise<string>;
  joinList(): Promise<JoinView[]>;
  joinApprove(id: string): Promise<void>;
  joinDeny(id: string): Promise<void>;

  contactList(): Promise<ContactView[]>;
  contactInfo(id: string): Promise<ContactView>;
  contactVerify(id: string): Promise<void>;

  groupCreate(name: string): Promise<string>;
  groupList(): Promise<GroupView[]>;
  groupInfo(group: string): Promise<GroupInfo>;
  groupAdd(group: string, contact: string): Promise<void>;
  groupRemove(group: string, member: string): Promise<void>;
  groupRename(group: string, name: string): Promise<void>;
  groupRole(group: string, member: string, role: Role): Promise<void>;
  groupLeave(group: string): Promise<void>;
  groupPolicy(group: string, policy: Policy): Promise<void>;
  groupTimer(group: string, seconds: number | null): Promise<void>;
  groupFileLimit(group: string, bytes: number | null): Promise<void>;
  /** The picture of a group. */
  groupAvatar(group: string, side: number): Promise<ImageData>;
  /** Gives it the middle of a picture that was chosen; null for none. */
  groupAvatarSet(group: string, number: number | null): Promise<void>;
  /** `seconds`: for how long; null until it is heard again. */
  groupMute(group: string, muted: boolean, seconds: number | null): Promise<void>;
  /** The conversation with oneself; it is made if there is none. */
  groupOwn(): Promise<string>;
  /** Null: as everywhere. */
  groupReadReceipts(group: string, told: boolean | null): Promise<void>;
  memberBlock(id: string, blocked: boolean): Promise<void>;
  blockedList(): Promise<PersonView[]>;
  choices(): Promise<Choices>;
  /** What is left out stays. */
  choicesSet(change: Partial<Choices>): Promise<void>;
  /** The person is writing there. */
  groupTyping(group: string): Promise<void>;
  groupExport(what: Export, onProgress: (at: ProgressView) => void): Promise<{ file: string; lines: number }>;

  groupArrange(group: string, change: Arrange): Promise<void>;
  syncStatus(group: string): Promise<SyncView>;

  messageAround(group: string, id: string, before: number, after: number): Promise<WindowView>;
  messageUnread(group: string): Promise<string | null>;
  messageHistory(group: string, id: string): Promise<EditView[]>;
  messageHide(group: string, id: string): Promise<void>;
  messageList(group: string, before: string | null, limit: number): Promise<MessageView[]>;
  messageSend(group: string, text: string, how: How): Promise<string>;
  /** An empty emoji takes the own reaction back. */
  messageReact(group: string, id: string, emoji: string): Promise<void>;
  /** Pins a message for everybody, or takes the own pin from it. */
  messagePin(group: string, id: string, pinned: boolean): Promise<void>;
  /** The one that was pinned last first. */
  messagePinned(group: string): Promise<MessageView[]>;
  messageEdit(group: string, id: string, text: string): Promise<void>;
  messageDelete(group: string, id: string): Promise<void>;

  /** The person picks files in the system's dialog. */
  filesChoose(): Promise<ChosenView[]>;
  /** The files, or the picture, that were copied. */
  filesPaste(): Promise<ChosenView[]>;
  /** Lets go of a chosen file, or of all. */
  fileForget(number: number | null): Promise<void>;
  /** A chosen picture, small. */
  filePreview(number: number): Promise<ImageData>;
  /** `asItIs`: with all that is in it; else a picture is made anew, without what a camera wrote into it. */
  fileSend(group: string, number: number, text: string, asItIs: boolean, how: How): Promise<string>;
  fileFetch(group: string, id: string): Promise<void>;
  fileStop(group: string, id: string): Promise<void>;
  fileForward(group: string, id: string, to: string): Promise<string>;
  /** Writes a file where the person says; null if they thought better of it. */
  fileSave(group: string, id: string): Promise<string | null>;
  /** Opens the microphone; nothing is heard before. Tells ten times a second what it hears. */
  voiceBegin(onHeard: (heard: Heard) => void): Promise<void>;
  /** Closes it and sends what it heard. */
  voiceSend(group: string, how: How): Promise<string>;
  /** Closes it and forgets what it heard. */
  voiceForget(): Promise<void>;
  voiceShape(group: string, id: string): Promise<Shape>;
  voicePlay(group: string, id: string, fromMs: number, onPlayed: (played: Played) => void): Promise<void>;
  voiceStop(): Promise<void>;
  /** The picture of a message, with no side longer than `side` dots. */
  pictureDraw(group: string, id: string, side: number): Promise<ImageData>;

  messageResend(group: string, id: string): Promise<void>;
  messageDrop(group: string, id: string): Promise<void>;
  messageCopies(group: string, id: string): Promise<CopiesView>;
  messageSearch(text: string, limit: number): Promise<SearchView>;
  messageSearchMore(search: string, limit: number): Promise<SearchView>;
  markRead(group: string): Promise<void>;
}
