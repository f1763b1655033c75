//! The methods: their names, their parameters, and what each asks of the client.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sori_client::{
    Arrange, Client, Error, ExportFormat, ExportLanguage, ExportOptions, InviteOptions, Mute,
    NewMessage, Notices,
};
use zeroize::Zeroizing;

use super::protocol::Fault;

/// One call with its parameters.
#[derive(Debug, Deserialize)]
#[serde(tag = "method", content = "params", deny_unknown_fields)]
pub(super) enum Call {
    #[serde(rename = "account.create")]
    AccountCreate { name: String },
    #[serde(rename = "account.info")]
    AccountInfo {},
    #[serde(rename = "settings.get")]
    SettingsGet {},
    #[serde(rename = "settings.set")]
    SettingsSet {
        read_receipts: Option<bool>,
        log_mib: Option<u32>,
        log_days: Option<u32>,
        typing: Option<bool>,
    },
    #[serde(rename = "relay.set")]
    RelaySet { url: String },
    #[serde(rename = "relay.get")]
    RelayGet {},
    #[serde(rename = "connection.status")]
    ConnectionStatus {},
    #[serde(rename = "invite.create")]
    InviteCreate {
        group: Option<String>,
        uses: Option<u32>,
        expires: Option<u64>,
    },
    #[serde(rename = "invite.accept")]
    InviteAccept { url: String },
    #[serde(rename = "join.list")]
    JoinList {},
    #[serde(rename = "join.approve")]
    JoinApprove { id: String },
    #[serde(rename = "join.deny")]
    JoinDeny { id: String },
    #[serde(rename = "contact.list")]
    ContactList {},
    #[serde(rename = "contact.info")]
    ContactInfo { id: String },
    #[serde(rename = "contact.verify")]
    ContactVerify { id: String },
    #[serde(rename = "member.block")]
    MemberBlock { id: String, blocked: bool },
    #[serde(rename = "member.blocked")]
    MemberBlocked {},
    #[serde(rename = "group.create")]
    GroupCreate { name: String },
    #[serde(rename = "group.list")]
    GroupList {},
    #[serde(rename = "group.info")]
    GroupInfo { group: String },
    #[serde(rename = "group.add")]
    GroupAdd { group: String, contact: String },
    #[serde(rename = "group.remove")]
    GroupRemove { group: String, member: String },
    #[serde(rename = "group.rename")]
    GroupRename { group: String, name: String },
    #[serde(rename = "group.role")]
    GroupRole {
        group: String,
        member: String,
        role: String,
    },
    #[serde(rename = "group.policy")]
    GroupPolicy { group: String, policy: String },
    #[serde(rename = "group.timer")]
    GroupTimer { group: String, timer: u32 },
    #[serde(rename = "group.file_limit")]
    GroupFileLimit { group: String, bytes: Option<u32> },
    #[serde(rename = "group.avatar")]
    GroupAvatar {
        group: String,
        path: Option<PathBuf>,
    },
    #[serde(rename = "group.avatar_save")]
    GroupAvatarSave {
        group: String,
        path: PathBuf,
        replace: Option<bool>,
    },
    #[serde(rename = "group.mute")]
    GroupMute {
        group: String,
        muted: bool,
        seconds: Option<u32>,
    },
    #[serde(rename = "group.read_receipts")]
    GroupReadReceipts {
        group: String,
        read_receipts: Option<bool>,
    },
    #[serde(rename = "group.own")]
    GroupOwn {},
    #[serde(rename = "group.leave")]
    GroupLeave { group: String },
    #[serde(rename = "group.read")]
    GroupRead { group: String },
    #[serde(rename = "group.arrange")]
    GroupArrange {
        group: String,
        draft: Option<String>,
        pinned: Option<bool>,
        archived: Option<bool>,
        timer: Option<u32>,
    },
    #[serde(rename = "group.typing")]
    GroupTyping { group: String },
    #[serde(rename = "group.export")]
    GroupExport {
        group: String,
        file: PathBuf,
        format: Format,
        language: Option<Language>,
        replace: Option<bool>,
    },
    #[serde(rename = "message.send")]
    MessageSend {
        group: String,
        text: String,
        reply_to: Option<String>,
        timer: Option<u32>,
    },
    #[serde(rename = "message.send_file")]
    MessageSendFile {
        group: String,
        path: PathBuf,
        text: Option<String>,
        reply_to: Option<String>,
        timer: Option<u32>,
    },
    #[serde(rename = "file.fetch")]
    FileFetch { group: String, id: String },
    #[serde(rename = "file.stop")]
    FileStop { group: String, id: String },
    #[serde(rename = "file.save")]
    FileSave {
        group: String,
        id: String,
        path: PathBuf,
        replace: Option<bool>,
    },
    #[serde(rename = "message.react")]
    MessageReact {
        group: String,
        id: String,
        emoji: String,
    },
    #[serde(rename = "message.pin")]
    MessagePin {
        group: String,
        id: String,
        pinned: bool,
    },
    #[serde(rename = "message.pinned")]
    MessagePinned { group: String },
    #[serde(rename = "message.edit")]
    MessageEdit {
        group: String,
        id: String,
        text: String,
    },
    #[serde(rename = "message.delete")]
    MessageDelete { group: String, id: String },
    #[serde(rename = "message.resend")]
    MessageResend { group: String, id: String },
    #[serde(rename = "message.drop")]
    MessageDrop { group: String, id: String },
    #[serde(rename = "message.copies")]
    MessageCopies { group: String, id: String },
    #[serde(rename = "message.list")]
    MessageList {
        group: String,
        before: Option<String>,
        limit: Option<u32>,
        notices: Option<bool>,
    },
    #[serde(rename = "message.around")]
    MessageAround {
        group: String,
        id: String,
        before: Option<u32>,
        after: Option<u32>,
    },
    #[serde(rename = "message.unread")]
    MessageUnread { group: String },
    #[serde(rename = "message.history")]
    MessageHistory { group: String, id: String },
    #[serde(rename = "message.hide")]
    MessageHide { group: String, id: String },
    #[serde(rename = "message.search")]
    MessageSearch {
        text: String,
        group: Option<String>,
        limit: Option<u32>,
    },
    #[serde(rename = "message.search_more")]
    MessageSearchMore { search: String, limit: Option<u32> },
    #[serde(rename = "sync.status")]
    SyncStatus { group: String },
    #[serde(rename = "profile.backup")]
    ProfileBackup {
        file: PathBuf,
        passphrase: String,
        replace: Option<bool>,
    },
    #[serde(rename = "profile.info")]
    ProfileInfo {},
    #[serde(rename = "profile.rotate")]
    ProfileRotate {},
    #[serde(rename = "shutdown")]
    Shutdown {},
}

/// A kind of file.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Html,
    Json,
}

/// A language of Sori.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Language {
    En,
    Ko,
}

impl Call {
    /// The call that a method name and parameters make. A parameter the method does not have is
    /// refused: it is a mistake that would otherwise go unnoticed.
    pub(super) fn parse(method: &str, params: Value) -> Result<Self, Fault> {
        if !METHODS.contains(&method) {
            return Err(Fault::method_not_found());
        }
        if !params.is_object() {
            return Err(Fault::invalid_params(
                "parameters are given by name, in an object",
            ));
        }
        Self::deserialize(json!({ "method": method, "params": params }))
            .map_err(|error| Fault::invalid_params(error.to_string()))
    }

    /// Does it and gives the result object.
    #[expect(clippy::too_many_lines, reason = "one table, one line a method")]
    pub(super) async fn run(self, client: &Client) -> Result<Value, Error> {
        match self {
            Self::AccountCreate { name } => object(client.account_create(&name).await?),
            Self::AccountInfo {} => object(client.account_info().await?),
            Self::SettingsGet {} => object(client.settings().await?),
            Self::SettingsSet {
                read_receipts,
                log_mib,
                log_days,
                typing,
            } => {
                if let Some(told) = read_receipts {
                    client.settings_read_receipts(told).await?;
                }
                if let Some(mib) = log_mib {
                    client.settings_log(mib).await?;
                }
                if let Some(days) = log_days {
                    client.settings_log_days(days).await?;
                }
                if let Some(told) = typing {
                    client.settings_typing(told).await?;
                }
                done(())
            }
            Self::RelaySet { url } => done(client.relay_set(&url).await?),
            Self::RelayGet {} => Ok(json!({ "url": client.relay_get().await? })),
            Self::ConnectionStatus {} => object(client.connection().await?),
            Self::InviteCreate {
                group,
                uses,
                expires,
            } => {
                let options = InviteOptions {
                    group,
                    uses,
                    expires_s: expires,
                };
                Ok(json!({ "url": client.invite_create(options).await? }))
            }
            Self::InviteAccept { url } => Ok(json!({ "id": client.invite_accept(&url).await? })),
            Self::JoinList {} => Ok(json!({ "joins": client.join_list().await? })),
            Self::JoinApprove { id } => done(client.join_approve(&id).await?),
            Self::JoinDeny { id } => done(client.join_deny(&id).await?),
            Self::ContactList {} => Ok(json!({ "contacts": client.contact_list().await? })),
            Self::ContactInfo { id } => object(client.contact_info(&id).await?),
            Self::ContactVerify { id } => done(client.contact_verify(&id).await?),
            Self::MemberBlock { id, blocked } => done(client.member_block(&id, blocked).await?),
            Self::MemberBlocked {} => Ok(json!({ "blocked": client.blocked_list().await? })),
            Self::GroupCreate { name } => Ok(json!({ "group": client.group_create(&name).await? })),
            Self::GroupList {} => Ok(json!({ "groups": client.group_list().await? })),
            Self::GroupInfo { group } => object(client.group_info(&group).await?),
            Self::GroupAdd { group, contact } => done(client.group_add(&group, &contact).await?),
            Self::GroupRemove { group, member } => {
                done(client.group_remove(&group, &member).await?)
            }
            Self::GroupRename { group, name } => done(client.group_rename(&group, &name).await?),
            Self::GroupRole {
                group,
                member,
                role,
            } => done(client.group_role(&group, &member, &role).await?),
            Self::GroupPolicy { group, policy } => {
                done(client.group_policy(&group, &policy).await?)
            }
            Self::GroupTimer { group, timer } => {
                let seconds = Some(timer).filter(|seconds| *seconds > 0);
                done(client.group_timer(&group, seconds).await?)
            }
            Self::GroupFileLimit { group, bytes } => {
                done(client.group_file_limit(&group, bytes).await?)
            }
            Self::GroupAvatar { group, path } => {
                let picture = match path {
                    Some(path) => Some(Client::file_read(&path).await?.bytes),
                    None => None,
                };
                done(client.group_avatar_set(&group, picture).await?)
            }
            Self::GroupAvatarSave {
                group,
                path,
                replace,
            } => {
                let replace = replace.unwrap_or(false);
                let bytes = client.group_avatar_save(&group, &path, replace).await?;
                Ok(json!({ "bytes": bytes }))
            }
            Self::GroupMute {
                group,
                muted,
                seconds,
            } => {
                let mute = match (muted, seconds) {
                    (false, _) => Mute::Off,
                    (true, Some(seconds)) => Mute::For(seconds),
                    (true, None) => Mute::Always,
                };
                done(client.group_mute(&group, mute).await?)
            }
            Self::GroupReadReceipts {
                group,
                read_receipts,
            } => done(client.group_read_receipts(&group, read_receipts).await?),
            Self::GroupOwn {} => Ok(json!({ "group": client.group_own().await? })),
            Self::GroupTyping { group } => done(client.typing(&group).await?),
            Self::GroupLeave { group } => done(client.group_leave(&group).await?),
            Self::GroupRead { group } => done(client.mark_read(&group).await?),
            Self::GroupArrange {
                group,
                draft,
                pinned,
                archived,
                timer,
            } => {
                let change = Arrange {
                    draft,
                    pinned,
                    archived,
                    timer_s: timer,
                };
                object(client.group_arrange(&group, change).await?)
            }
            Self::GroupExport {
                group,
                file,
                format,
                language,
                replace,
            } => {
                let options = ExportOptions {
                    format: match format {
                        Format::Html => ExportFormat::Html,
                        Format::Json => ExportFormat::Json,
                    },
                    language: match language {
                        None | Some(Language::En) => ExportLanguage::English,
                        Some(Language::Ko) => ExportLanguage::Korean,
                    },
                    replace: replace == Some(true),
                };
                let export = client.group_export(&group, &file, options, |_progress| {});
                Ok(json!({ "lines": export.await? }))
            }
            Self::MessageSend {
                group,
                text,
                reply_to,
                timer,
            } => {
                let new = NewMessage {
                    text,
                    reply_to,
                    timer_s: timer,
                    ..NewMessage::default()
                };
                Ok(json!({ "id": client.message_post(&group, new).await? }))
            }
            Self::MessageSendFile {
                group,
                path,
                text,
                reply_to,
                timer,
            } => {
                let new = NewMessage {
                    text: text.unwrap_or_default(),
                    reply_to,
                    file: Some(Client::file_read(&path).await?),
                    timer_s: timer,
                };
                Ok(json!({ "id": client.message_post(&group, new).await? }))
            }
            Self::FileFetch { group, id } => done(client.file_fetch(&group, &id).await?),
            Self::FileStop { group, id } => done(client.file_stop(&group, &id).await?),
            Self::FileSave {
                group,
                id,
                path,
                replace,
            } => {
                let replace = replace.unwrap_or(false);
                Ok(json!({ "bytes": client.file_save(&group, &id, &path, replace).await? }))
            }
            Self::MessageReact { group, id, emoji } => {
                Ok(json!({ "id": client.message_react(&group, &id, &emoji).await? }))
            }
            Self::MessagePin { group, id, pinned } => {
                done(client.message_pin(&group, &id, pinned).await?)
            }
            Self::MessagePinned { group } => {
                Ok(json!({ "messages": client.message_pinned(&group).await? }))
            }
            Self::MessageEdit { group, id, text } => {
                Ok(json!({ "id": client.message_edit(&group, &id, &text).await? }))
            }
            Self::MessageDelete { group, id } => {
                Ok(json!({ "id": client.message_delete(&group, &id).await? }))
            }
            Self::MessageResend { group, id } => {
                client.message_resend(&group, &id).await?;
                Ok(json!({}))
            }
            Self::MessageDrop { group, id } => {
                client.message_drop(&group, &id).await?;
                Ok(json!({}))
            }
            Self::MessageCopies { group, id } => object(client.message_copies(&group, &id).await?),
            Self::MessageList {
                group,
                before,
                limit,
                notices,
            } => {
                let limit = limit.unwrap_or(LIMIT_DEFAULT);
                let notices = if notices == Some(true) {
                    Notices::Shown
                } else {
                    Notices::Left
                };
                let before = before.as_deref();
                Ok(
                    json!({ "messages": client.message_list_with(notices, &group, before, limit).await? }),
                )
            }
            Self::MessageAround {
                group,
                id,
                before,
                after,
            } => {
                let around = |count: Option<u32>| count.unwrap_or(LIMIT_DEFAULT);
                let sides = (around(before), around(after));
                object(client.message_around(&group, &id, sides).await?)
            }
            Self::MessageUnread { group } => {
                Ok(json!({ "id": client.message_unread(&group).await? }))
            }
            Self::MessageHistory { group, id } => {
                Ok(json!({ "states": client.message_history(&group, &id).await? }))
            }
            Self::MessageHide { group, id } => done(client.message_hide(&group, &id).await?),
            Self::MessageSearch { text, group, limit } => {
                let limit = limit.unwrap_or(LIMIT_DEFAULT);
                object(
                    client
                        .message_search(&text, group.as_deref(), limit)
                        .await?,
                )
            }
            Self::MessageSearchMore { search, limit } => {
                let limit = limit.unwrap_or(LIMIT_DEFAULT);
                object(client.message_search_more(&search, limit).await?)
            }
            Self::SyncStatus { group } => object(client.sync_status(&group).await?),
            Self::ProfileBackup {
                file,
                passphrase,
                replace,
            } => {
                let passphrase = Zeroizing::new(passphrase);
                let backup =
                    client.backup(&file, &passphrase, replace == Some(true), |_progress| {});
                Ok(json!({ "bytes": backup.await? }))
            }
            Self::ProfileInfo {} => object(client.profile_info().await?),
            Self::ProfileRotate {} => done(client.profile_rotate().await?),
            // Ends the service, so the service does it.
            Self::Shutdown {} => done(()),
        }
    }
}

fn done((): ()) -> Result<Value, Error> {
    Ok(json!({}))
}

fn object(view: impl Serialize) -> Result<Value, Error> {
    Ok(json!(view))
}

/// Messages listed if the caller does not say how many.
const LIMIT_DEFAULT: u32 = 50;

/// Every method there is, in the order of docs/rpc.md.
pub(super) const METHODS: [&str; 62] = [
    "account.create",
    "account.info",
    "settings.get",
    "settings.set",
    "relay.set",
    "relay.get",
    "connection.status",
    "invite.create",
    "invite.accept",
    "join.list",
    "join.approve",
    "join.deny",
    "contact.list",
    "contact.info",
    "contact.verify",
    "member.block",
    "member.blocked",
    "group.create",
    "group.list",
    "group.info",
    "group.add",
    "group.remove",
    "group.rename",
    "group.role",
    "group.policy",
    "group.timer",
    "group.file_limit",
    "group.avatar",
    "group.avatar_save",
    "group.mute",
    "group.read_receipts",
    "group.own",
    "group.leave",
    "group.read",
    "group.arrange",
    "group.typing",
    "group.export",
    "message.send",
    "message.send_file",
    "file.fetch",
    "file.stop",
    "file.save",
    "message.react",
    "message.pin",
    "message.pinned",
    "message.edit",
    "message.delete",
    "message.resend",
    "message.drop",
    "message.copies",
    "message.list",
    "message.around",
    "message.unread",
    "message.history",
    "message.hide",
    "message.search",
    "message.search_more",
    "sync.status",
    "profile.backup",
    "profile.info",
    "profile.rotate",
    "shutdown",
];

#[cfg(test)]
mod tests {
    use super::super::notification::NOTIFICATIONS;
    use super::*;

    const DOC: &str = include_str!("../../../../docs/rpc.md");

    /// The example requests of the document, as they stand there.
    fn examples() -> Vec<Value> {
        let lines = DOC.lines().filter_map(|line| line.strip_prefix("--> "));
        lines
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }

    #[test]
    fn every_method_has_a_section_and_an_example_that_parses() {
        let examples = examples();
        for method in METHODS {
            assert!(
                DOC.contains(&format!("\n### {method}\n")),
                "docs/rpc.md has no section for {method}"
            );
            let example = examples.iter().find(|example| example["method"] == method);
            let example =
                example.unwrap_or_else(|| panic!("docs/rpc.md has no example for {method}"));
            let params = example.get("params").cloned().unwrap_or_else(|| json!({}));
            assert!(
                Call::parse(method, params).is_ok(),
                "the example for {method} is not a call"
            );
        }
    }

    #[test]
    fn every_section_is_a_method_or_a_notification_and_every_notification_has_one() {
        for name in DOC.lines().filter_map(|line| line.strip_prefix("### ")) {
            assert!(
                METHODS.contains(&name) || NOTIFICATIONS.contains(&name),
                "{name}"
            );
        }
        for name in NOTIFICATIONS {
            assert!(
                DOC.contains(&format!("\n### {name}\n")),
                "docs/rpc.md has no section for {name}"
            );
        }
    }

    #[test]
    fn unknown_methods_and_wrong_parameters_are_told_apart() {
        let code = |method, params| format!("{:?}", Call::parse(method, params).unwrap_err());
        assert!(code("nonsense", json!({})).contains("-32601"));
        for (method, params) in [
            ("account.create", json!({})),
            ("account.create", json!({ "name": 7 })),
            ("account.create", json!(["Alice"])),
            ("account.info", json!({ "surplus": 1 })),
            ("account.create", json!({ "name": "Alice", "surplus": 1 })),
            ("message.list", json!({ "group": "x", "limit": -1 })),
            ("message.list", json!(null)),
        ] {
            assert!(
                code(method, params.clone()).contains("-32602"),
                "{method} {params}"
            );
        }
    }

    #[test]
    fn optional_parameters_may_be_absent_or_null() {
        assert!(Call::parse("invite.create", json!({})).is_ok());
        assert!(Call::parse("invite.create", json!({ "group": null, "uses": 3 })).is_ok());
        assert!(Call::parse("message.send", json!({ "group": "g", "text": "t" })).is_ok());
    }

    #[test]
    fn every_error_name_stands_in_the_document() {
        use sori_client::EngineError;
        let engine = [
            EngineError::AccountExists,
            EngineError::AlreadyMember,
            EngineError::Internal(""),
            EngineError::InvalidInvite,
            EngineError::InvalidRelay,
            EngineError::InviteExpired,
            EngineError::JoinClosed,
            EngineError::NoAccount,
            EngineError::NoKeyPackage,
            EngineError::NoRelay,
            EngineError::NotAllowed,
            EngineError::NotFound(""),
            EngineError::NotMember,
            EngineError::NotSender,
            EngineError::OutOfBounds {
                what: "",
                bounds: "",
            },
            EngineError::OwnInvite,
            EngineError::OwnerCannotLeave,
        ];
        let errors = engine
            .into_iter()
            .map(Error::Engine)
            .chain([Error::Stopped]);
        for name in errors.map(|error| error.name()) {
            assert!(
                DOC.contains(&format!("| `{name}` |")),
                "docs/rpc.md does not explain {name}"
            );
        }
    }
}
