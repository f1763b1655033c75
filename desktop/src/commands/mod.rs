//! What the page may ask: thin, one function a command, each one call of the client.

mod backup;
mod conversations;
mod events;
mod export;
mod invites;
mod keeping;
mod people;
mod profile;
mod progress;
mod search;

use tauri::Wry;
use tauri::ipc::Invoke;

use crate::refusal::Refusal;

/// What every command answers.
type Answer<T> = Result<T, Refusal>;

/// The table of commands; [`crate`]'s tests compare it with the other places that name them.
pub(crate) fn handler() -> impl Fn(Invoke<Wry>) -> bool + Send + Sync + 'static {
    tauri::generate_handler![
        profile::account_info,
        profile::app_start,
        profile::connection,
        people::contact_info,
        people::contact_list,
        people::contact_verify,
        export::documents_folder,
        people::group_add,
        conversations::group_create,
        export::group_export,
        conversations::group_info,
        people::group_leave,
        conversations::group_list,
        people::group_remove,
        conversations::group_rename,
        conversations::group_mute,
        conversations::group_read_receipts,
        conversations::message_copies,
        conversations::read_receipts,
        conversations::read_receipts_set,
        people::blocked_list,
        people::group_policy,
        people::member_block,
        people::group_role,
        invites::invite_accept,
        invites::invite_create,
        invites::join_approve,
        invites::join_deny,
        invites::join_list,
        profile::keychain_available,
        conversations::mark_read,
        conversations::message_delete,
        conversations::message_drop,
        conversations::message_resend,
        conversations::message_edit,
        conversations::message_list,
        conversations::message_react,
        search::message_search,
        search::message_search_more,
        conversations::message_send,
        backup::profile_backup,
        profile::profile_create,
        keeping::profile_info,
        profile::profile_open,
        backup::profile_restore,
        keeping::profile_rotate,
        profile::relay_set,
        profile::settings_set,
        events::subscribe,
        keeping::unlock_set,
    ]
}
