// The gate between the page and the engine. Every call passes here, in a frame that the page cannot reach into, before
// it is sealed and handed on. A call that is not one of these, or is far too large, is marked; the engine's side knows
// no command of that name and refuses it. Throwing here instead would leave the caller waiting for ever.
(() => {
  'use strict';

  // The longest thing a person can say is a message; this is far above one.
  const ARGUMENTS_LEN_MAX = 256 * 1024;
  const REFUSED = 'refused';

  const commands = new Set([
    'account_info',
    'app_start',
    'blocked_list',
    'choices',
    'choices_set',
    'clipboard_picture',
    'connection',
    'contact_info',
    'contact_list',
    'contact_verify',
    'desktop_info',
    'desktop_show',
    'documents_folder',
    'file_fetch',
    'file_forget',
    'file_forward',
    'file_preview',
    'file_save',
    'file_send',
    'file_stop',
    'files_choose',
    'files_paste',
    'group_add',
    'group_arrange',
    'group_avatar',
    'group_avatar_set',
    'group_create',
    'group_export',
    'group_file_limit',
    'group_info',
    'group_leave',
    'group_list',
    'group_mute',
    'group_own',
    'group_policy',
    'group_read_receipts',
    'group_remove',
    'group_rename',
    'group_role',
    'group_timer',
    'group_typing',
    'invite_accept',
    'invite_create',
    'join_approve',
    'join_deny',
    'join_list',
    'keychain_available',
    'link_info',
    'link_open',
    'mark_read',
    'member_block',
    'message_around',
    'message_copies',
    'message_delete',
    'message_drop',
    'message_edit',
    'message_hide',
    'message_history',
    'message_list',
    'message_pin',
    'message_pinned',
    'message_react',
    'message_resend',
    'message_search',
    'message_search_more',
    'message_send',
    'message_unread',
    'picture_draw',
    'profile_backup',
    'profile_create',
    'profile_info',
    'profile_lock',
    'profile_open',
    'profile_restore',
    'profile_rotate',
    'profile_wipe',
    'qr_draw',
    'relay_set',
    'settings_set',
    'subscribe',
    'sync_status',
    'unlock_set',
    'voice_begin',
    'voice_forget',
    'voice_play',
    'voice_send',
    'voice_shape',
    'voice_stop',
    'wishes',
  ]);

  // How Tauri's own channel fetches an event that is too long to be handed over directly.
  const fetchEvent = 'plugin:__TAURI_CHANNEL__|fetch';

  const isPlain = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

  const isSmall = (value) => {
    try {
      return JSON.stringify(value ?? null).length <= ARGUMENTS_LEN_MAX;
    } catch {
      return false;
    }
  };

  window.__TAURI_ISOLATION_HOOK__ = (call) => {
    const fine = isPlain(call) && (commands.has(call.cmd) || call.cmd === fetchEvent) && isPlain(call.payload ?? {}) && isSmall(call.payload);
    return fine ? call : { ...call, cmd: REFUSED, payload: {} };
  };
})();
