//! What the page may ask: thin, one function a command, each one call of the client.

mod attach;
mod avatar;
mod backup;
mod choices;
mod conversations;
mod desk;
mod desktop;
mod events;
mod export;
mod invites;
mod keeping;
mod people;
mod profile;
mod progress;
mod search;
mod voice;

use tauri::Wry;
use tauri::ipc::Invoke;

use crate::refusal::Refusal;

/// What every command answers.
type Answer<T> = Result<T, Refusal>;

/// The table of commands; [`crate`]'s tests compare it with the other places that name them.
#[expect(clippy::too_many_lines, reason = "a table, a line for each command")]
pub(crate) fn handler() -> impl Fn(Invoke<Wry>) -> bool + Send + Sync + 'static {
    tauri::generate_handler![
        profile::account_info,
        profile::app_start,
        people::blocked_list,
        choices::choices,
        choices::choices_set,
        desktop::clipboard_picture,
        profile::connection,
        people::contact_info,
        people::contact_list,
        people::contact_verify,
        desktop::desktop_info,
        desktop::desktop_show,
        export::documents_folder,
        attach::file_fetch,
        attach::file_forget,
        attach::file_forward,
        attach::file_preview,
        attach::file_save,
        attach::file_send,
        attach::file_stop,
        attach::files_choose,
        attach::files_paste,
        people::group_add,
        desk::group_arrange,
        avatar::group_avatar,
        avatar::group_avatar_set,
        conversations::group_create,
        export::group_export,
        people::group_file_limit,
        conversations::group_info,
        people::group_leave,
        conversations::group_list,
        conversations::group_mute,
        conversations::group_own,
        people::group_policy,
        conversations::group_read_receipts,
        people::group_remove,
        conversations::group_rename,
        people::group_role,
        people::group_timer,
        conversations::group_typing,
        invites::invite_accept,
        invites::invite_create,
        invites::join_approve,
        invites::join_deny,
        invites::join_list,
        profile::keychain_available,
        desktop::link_info,
        desktop::link_open,
        conversations::mark_read,
        people::member_block,
        desk::message_around,
        conversations::message_copies,
        conversations::message_delete,
        conversations::message_drop,
        conversations::message_edit,
        desk::message_hide,
        desk::message_history,
        conversations::message_list,
        conversations::message_pin,
        conversations::message_pinned,
        conversations::message_react,
        conversations::message_resend,
        search::message_search,
        search::message_search_more,
        conversations::message_send,
        desk::message_unread,
        attach::picture_draw,
        backup::profile_backup,
        profile::profile_create,
        keeping::profile_info,
        profile::profile_lock,
        profile::profile_open,
        backup::profile_restore,
        keeping::profile_rotate,
        profile::profile_wipe,
        desktop::qr_draw,
        profile::relay_set,
        profile::settings_set,
        events::subscribe,
        desk::sync_status,
        keeping::unlock_set,
        voice::voice_begin,
        voice::voice_forget,
        voice::voice_play,
        voice::voice_send,
        voice::voice_shape,
        voice::voice_stop,
        desktop::wishes,
    ]
}
