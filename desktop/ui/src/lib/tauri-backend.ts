import { Channel, invoke } from '@tauri-apps/api/core';
import { type Backend, BackendError, type Event, type ProgressView, type Wish } from './backend';

const isRefusal = (value: unknown): value is { code: string; detail?: string } =>
  typeof value === 'object' && value !== null && 'code' in value && typeof value.code === 'string';

async function call<T>(command: string, args: Record<string, unknown> = {}): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (error) {
    if (isRefusal(error)) throw new BackendError(error.code, error.detail ?? '');
    throw new BackendError('internal', String(error));
  }
}

function channel<T>(onmessage: (told: T) => void): Channel<T> {
  const made = new Channel<T>();
  made.onmessage = onmessage;
  return made;
}

/** Width and height (32 bits each, big endian), then four bytes for each dot. */
function dots(bytes: ArrayBuffer): ImageData {
  const head = new DataView(bytes);
  return new ImageData(new Uint8ClampedArray(bytes, 8), head.getUint32(0), head.getUint32(4));
}

/** The engine behind the Tauri bridge. The one file that knows command names. */
export const tauriBackend: Backend = {
  appStart: () => call('app_start'),
  keychainAvailable: () => call('keychain_available'),
  settingsSet: (settings) => call('settings_set', { settings }),
  profileCreate: (profile) => call('profile_create', { profile }),
  profileOpen: (passphrase, onProgress) => call('profile_open', { passphrase, progress: channel(onProgress) }),
  profileRestore: (what, onProgress) => call('profile_restore', { restoring: what, progress: channel(onProgress) }),
  profileLock: () => call('profile_lock'),
  profileWipe: () => call('profile_wipe'),
  wishes: (onWish) => {
    const channel = new Channel<Wish>();
    channel.onmessage = onWish;
    return call('wishes', { channel });
  },
  desktopInfo: () => call('desktop_info'),
  desktopShow: (unread, group) => call('desktop_show', { unread, group }),
  linkOpen: (url) => call('link_open', { url }),
  linkInfo: (url) => call('link_info', { url }),
  clipboardPicture: async () => {
    const picture: ArrayBuffer = await call('clipboard_picture');
    return new Blob([picture], { type: 'image/png' });
  },
  qrDraw: (text) => call('qr_draw', { text }),
  subscribe: (onEvent) => {
    const channel = new Channel<Event>();
    channel.onmessage = onEvent;
    return call('subscribe', { channel });
  },

  accountInfo: () => call('account_info'),
  connection: () => call('connection'),
  relaySet: (url) => call('relay_set', { url }),

  profileInfo: () => call('profile_info'),
  profileRotate: () => call('profile_rotate'),
  unlockSet: (present, protection, passphrase) => call('unlock_set', { present, protection, passphrase }),
  profileBackup: (what, onProgress) => call('profile_backup', { backup: what, progress: channel(onProgress) }),
  documentsFolder: () => call('documents_folder'),

  inviteCreate: (options) => call('invite_create', { options }),
  inviteAccept: (url) => call('invite_accept', { url }),
  joinList: () => call('join_list'),
  joinApprove: (id) => call('join_approve', { id }),
  joinDeny: (id) => call('join_deny', { id }),

  contactList: () => call('contact_list'),
  contactInfo: (id) => call('contact_info', { id }),
  contactVerify: (id) => call('contact_verify', { id }),

  groupCreate: (name) => call('group_create', { name }),
  groupList: () => call('group_list'),
  groupInfo: (group) => call('group_info', { group }),
  groupAdd: (group, contact) => call('group_add', { group, contact }),
  groupRemove: (group, member) => call('group_remove', { group, member }),
  groupRename: (group, name) => call('group_rename', { group, name }),
  groupRole: (group, member, role) => call('group_role', { group, member, role }),
  groupLeave: (group) => call('group_leave', { group }),
  groupPolicy: (group, policy) => call('group_policy', { group, policy }),
  groupTimer: (group, seconds) => call('group_timer', { group, seconds }),
  groupFileLimit: (group, bytes) => call('group_file_limit', { group, bytes }),
  groupAvatar: async (group, side) => dots(await call('group_avatar', { group, side })),
  groupAvatarSet: (group, number) => call('group_avatar_set', { group, number }),
  groupMute: (group, muted, seconds) => call('group_mute', { group, muted, seconds }),
  groupOwn: () => call('group_own'),
  groupReadReceipts: (group, told) => call('group_read_receipts', { group, told }),
  memberBlock: (id, blocked) => call('member_block', { id, blocked }),
  blockedList: () => call('blocked_list'),
  choices: () => call('choices'),
  choicesSet: (change) => call('choices_set', { change }),
  groupTyping: (group) => call('group_typing', { group }),
  groupExport: (what, onProgress) => call('group_export', { export: what, progress: channel(onProgress) }),

  groupArrange: (group, change) => call('group_arrange', { group, change }),
  syncStatus: (group) => call('sync_status', { group }),

  messageAround: (group, id, before, after) => call('message_around', { group, id, before, after }),
  messageUnread: (group) => call('message_unread', { group }),
  messageHistory: (group, id) => call('message_history', { group, id }),
  messageHide: (group, id) => call('message_hide', { group, id }),
  messageList: (group, before, limit) => call('message_list', { group, before, limit }),
  messageSend: (group, text, how) => call('message_send', { group, text, ...how }),
  messageReact: (group, id, emoji) => call('message_react', { group, id, emoji }),
  messagePin: (group, id, pinned) => call('message_pin', { group, id, pinned }),
  messagePinned: (group) => call('message_pinned', { group }),
  messageEdit: (group, id, text) => call('message_edit', { group, id, text }),
  messageDelete: (group, id) => call('message_delete', { group, id }),
  filesChoose: () => call('files_choose'),
  filesPaste: () => call('files_paste'),
  fileForget: (number) => call('file_forget', { number }),
  filePreview: async (number) => dots(await call('file_preview', { number })),
  fileSend: (group, number, text, asItIs, how) =>
    call('file_send', { group, message: { number, text, asItIs, ...how } }),
  fileFetch: (group, id) => call('file_fetch', { group, id }),
  fileStop: (group, id) => call('file_stop', { group, id }),
  fileForward: (group, id, to) => call('file_forward', { group, id, to }),
  fileSave: (group, id) => call('file_save', { group, id }),
  voiceBegin: (onHeard) => call('voice_begin', { channel: channel(onHeard) }),
  voiceSend: (group, how) => call('voice_send', { group, ...how }),
  voiceForget: () => call('voice_forget'),
  voiceShape: (group, id) => call('voice_shape', { group, id }),
  voicePlay: (group, id, fromMs, onPlayed) => call('voice_play', { group, id, fromMs, channel: channel(onPlayed) }),
  voiceStop: () => call('voice_stop'),
  pictureDraw: async (group, id, side) => dots(await call('picture_draw', { group, id, side })),
  messageResend: (group, id) => call('message_resend', { group, id }),
  messageDrop: (group, id) => call('message_drop', { group, id }),
  messageCopies: (group, id) => call('message_copies', { group, id }),
  messageSearch: (text, limit) => call('message_search', { text, limit }),
  messageSearchMore: (search, limit) => call('message_search_more', { search, limit }),
  markRead: (group) => call('mark_read', { group }),
};
