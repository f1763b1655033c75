//! What the page may ask: thin, one function a command, each one call of the client.

mod conversations;
mod events;
mod invites;
mod people;
mod profile;

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
        people::group_add,
        conversations::group_create,
        conversations::group_info,
        people::group_leave,
        conversations::group_list,
        people::group_remove,
        conversations::group_rename,
        people::group_role,
        invites::invite_accept,
        invites::invite_create,
        invites::join_approve,
        invites::join_deny,
        invites::join_list,
        profile::keychain_available,
        conversations::mark_read,
        conversations::message_delete,
        conversations::message_edit,
        conversations::message_list,
        conversations::message_react,
        conversations::message_send,
        profile::profile_create,
        profile::profile_open,
        profile::relay_set,
        profile::settings_set,
        events::subscribe,
    ]
}
