//! What a front end can ask for: one method for each thing, typed, each one step of the engine.
#![expect(
    clippy::missing_errors_doc,
    reason = "all fail alike; the documentation of Client says it once"
)]

use sori_engine::view::{
    AccountView, ConnectionView, ContactView, CopiesView, GroupInfo, GroupView, JoinView,
    MessageView, PersonView, SearchView, SettingsView, SyncView,
};
use sori_engine::{InviteOptions, Mute, NewMessage, Notices};
use zeroize::Zeroizing;

use crate::client::Client;
use crate::error::Error;

/// Account, relay, connection.
impl Client {
    /// Makes the account of this profile, with a display name.
    pub async fn account_create(&self, name: &str) -> Result<AccountView, Error> {
        let name = name.to_owned();
        self.call(move |engine, now| engine.account_create(&name, now))
            .await
    }

    /// The account of this profile.
    pub async fn account_info(&self) -> Result<AccountView, Error> {
        self.call(|engine, now| engine.account_info(now)).await
    }

    /// Sets the profile's relay.
    pub async fn relay_set(&self, url: &str) -> Result<(), Error> {
        let url = url.to_owned();
        self.call(move |engine, now| engine.relay_set(&url, now))
            .await
    }

    /// The profile's relay as a URL, if it has one.
    pub async fn relay_get(&self) -> Result<Option<String>, Error> {
        self.call(|engine, _now| Ok(engine.relay().map(|relay| relay.to_string())))
            .await
    }

    /// How the connection to the profile's relay is.
    pub async fn connection(&self) -> Result<ConnectionView, Error> {
        self.call(|engine, _now| Ok(engine.connection())).await
    }
}

/// What the person has chosen for this device.
impl Client {
    /// The choices.
    pub async fn settings(&self) -> Result<SettingsView, Error> {
        self.call(|engine, _now| engine.settings()).await
    }

    /// Chooses whether members are told which of their messages were read here.
    pub async fn settings_read_receipts(&self, told: bool) -> Result<(), Error> {
        self.call(move |engine, now| engine.settings_read_receipts(told, now))
            .await
    }

    /// Chooses whether members are told that the person is writing, and are heard when they tell.
    pub async fn settings_typing(&self, told: bool) -> Result<(), Error> {
        self.call(move |engine, now| engine.settings_typing(told, now))
            .await
    }

    /// The person is writing in a conversation: members who are there are told, if that is wanted.
    pub async fn typing(&self, group: &str) -> Result<(), Error> {
        let group = group.to_owned();
        self.call(move |engine, now| engine.typing(&group, now))
            .await
    }

    /// Chooses how many MiB of logs are kept for members who are away; zero for no bound.
    pub async fn settings_log(&self, mib: u32) -> Result<(), Error> {
        self.call(move |engine, now| engine.settings_log(mib, now))
            .await
    }

    /// Chooses for how many days logs are kept for members who are away, 7 to 30.
    pub async fn settings_log_days(&self, days: u32) -> Result<(), Error> {
        self.call(move |engine, now| engine.settings_log_days(days, now))
            .await
    }

    /// Chooses for one conversation whether its members are told what was read; `None`: as everywhere.
    pub async fn group_read_receipts(&self, group: &str, told: Option<bool>) -> Result<(), Error> {
        let group = group.to_owned();
        self.call(move |engine, now| engine.group_read_receipts(&group, told, now))
            .await
    }

    /// Mutes a conversation, or lets it be heard again.
    pub async fn group_mute(&self, group: &str, mute: Mute) -> Result<(), Error> {
        let group = group.to_owned();
        self.call(move |engine, now| engine.group_mute(&group, mute, now))
            .await
    }

    /// Hides the messages of an account on this device, or shows them again.
    pub async fn member_block(&self, id: &str, blocked: bool) -> Result<(), Error> {
        let id = id.to_owned();
        self.call(move |engine, now| engine.member_block(&id, blocked, now))
            .await
    }

    /// Everybody whose messages are hidden here.
    pub async fn blocked_list(&self) -> Result<Vec<PersonView>, Error> {
        self.call(|engine, _now| engine.blocked_list()).await
    }
}

/// Invites and joins.
impl Client {
    /// Makes an invite: a link to hand to people.
    pub async fn invite_create(&self, options: InviteOptions) -> Result<String, Error> {
        self.call(move |engine, now| engine.invite_create(options, now))
            .await
    }

    /// Follows an invite: starts a join and gives its id.
    pub async fn invite_accept(&self, url: &str) -> Result<String, Error> {
        let url = url.to_owned();
        self.call(move |engine, now| engine.invite_accept(&url, now))
            .await
    }

    /// All joins that are not over.
    pub async fn join_list(&self) -> Result<Vec<JoinView>, Error> {
        self.call(|engine, now| engine.join_list(now)).await
    }

    /// Lets somebody in.
    pub async fn join_approve(&self, id: &str) -> Result<(), Error> {
        let id = id.to_owned();
        self.call(move |engine, now| engine.join_approve(&id, now))
            .await
    }

    /// Does not let somebody in.
    pub async fn join_deny(&self, id: &str) -> Result<(), Error> {
        let id = id.to_owned();
        self.call(move |engine, now| engine.join_deny(&id, now))
            .await
    }
}

/// Contacts.
impl Client {
    /// Everybody this account has met.
    pub async fn contact_list(&self) -> Result<Vec<ContactView>, Error> {
        self.call(|engine, now| engine.contact_list(now)).await
    }

    /// One contact, with the safety number.
    pub async fn contact_info(&self, id: &str) -> Result<ContactView, Error> {
        let found = self
            .contact_list()
            .await?
            .into_iter()
            .find(|contact| contact.id == id);
        found.ok_or(Error::Engine(sori_engine::Error::NotFound("contact")))
    }

    /// Notes that the person has compared safety numbers with a contact.
    pub async fn contact_verify(&self, id: &str) -> Result<(), Error> {
        let id = id.to_owned();
        self.call(move |engine, now| engine.contact_verify(&id, now))
            .await
    }
}

/// Groups.
impl Client {
    /// Makes a group with this account as its owner; gives its id.
    pub async fn group_create(&self, name: &str) -> Result<String, Error> {
        let name = name.to_owned();
        self.call(move |engine, now| engine.group_create(&name, now))
            .await
    }

    /// All conversations, the latest first.
    pub async fn group_list(&self) -> Result<Vec<GroupView>, Error> {
        self.call(|engine, now| engine.group_list(now)).await
    }

    /// One conversation with its members.
    pub async fn group_info(&self, group: &str) -> Result<GroupInfo, Error> {
        let group = group.to_owned();
        self.call(move |engine, now| engine.group_info(&group, now))
            .await
    }

    /// Adds a contact to a group.
    pub async fn group_add(&self, group: &str, contact: &str) -> Result<(), Error> {
        let (group, contact) = (group.to_owned(), contact.to_owned());
        self.call(move |engine, now| engine.group_add(&group, &contact, now))
            .await
    }

    /// Removes a member from a group.
    pub async fn group_remove(&self, group: &str, member: &str) -> Result<(), Error> {
        let (group, member) = (group.to_owned(), member.to_owned());
        self.call(move |engine, now| engine.group_remove(&group, &member, now))
            .await
    }

    /// Gives a group another name.
    pub async fn group_rename(&self, group: &str, name: &str) -> Result<(), Error> {
        let (group, name) = (group.to_owned(), name.to_owned());
        self.call(move |engine, now| engine.group_rename(&group, &name, now))
            .await
    }

    /// Gives a member a role: `owner`, `admin` or `member`.
    pub async fn group_role(&self, group: &str, member: &str, role: &str) -> Result<(), Error> {
        let (group, member, role) = (group.to_owned(), member.to_owned(), role.to_owned());
        self.call(move |engine, now| engine.group_role(&group, &member, &role, now))
            .await
    }

    /// Chooses who may let others into a group: `admins` or `members`.
    pub async fn group_policy(&self, group: &str, policy: &str) -> Result<(), Error> {
        let (group, policy) = (group.to_owned(), policy.to_owned());
        self.call(move |engine, now| engine.group_policy(&group, &policy, now))
            .await
    }

    /// The conversation with oneself; it is made if there is none.
    pub async fn group_own(&self) -> Result<String, Error> {
        self.call(|engine, now| engine.group_own(now)).await
    }

    /// Chooses after how many seconds what anybody writes in a group disappears; `None` for never.
    pub async fn group_timer(&self, group: &str, seconds: Option<u32>) -> Result<(), Error> {
        let group = group.to_owned();
        self.call(move |engine, now| engine.group_timer(&group, seconds, now))
            .await
    }

    /// Chooses how long files may be in a group, in bytes; `None` for as long as files can be.
    pub async fn group_file_limit(&self, group: &str, limit: Option<u32>) -> Result<(), Error> {
        let group = group.to_owned();
        self.call(move |engine, now| engine.group_file_limit(&group, limit, now))
            .await
    }

    /// Gives a group a picture, or takes it away: a PNG, JPEG or WebP of at most 61,440 bytes, which goes as it is.
    pub async fn group_avatar_set(
        &self,
        group: &str,
        picture: Option<Zeroizing<Vec<u8>>>,
    ) -> Result<(), Error> {
        let group = group.to_owned();
        self.call(move |engine, now| {
            let picture = picture.as_ref().map(|bytes| bytes.as_slice());
            engine.group_avatar_set(&group, picture, now)
        })
        .await
    }

    /// The picture of a group; `None` where there is none, or not yet on this device.
    pub async fn group_avatar(&self, group: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let group = group.to_owned();
        self.call(move |engine, now| engine.group_avatar(&group, now))
            .await
    }

    /// Leaves a group.
    pub async fn group_leave(&self, group: &str) -> Result<(), Error> {
        let group = group.to_owned();
        self.call(move |engine, now| engine.group_leave(&group, now))
            .await
    }

    /// How a group's log stands.
    pub async fn sync_status(&self, group: &str) -> Result<SyncView, Error> {
        let group = group.to_owned();
        self.call(move |engine, now| engine.sync_status(&group, now))
            .await
    }
}

/// Messages.
impl Client {
    /// Writes a message; gives its id. It is kept until everybody has it.
    pub async fn message_send(
        &self,
        group: &str,
        text: &str,
        reply_to: Option<&str>,
    ) -> Result<String, Error> {
        let (group, text, reply_to) = (
            group.to_owned(),
            text.to_owned(),
            reply_to.map(str::to_owned),
        );
        self.call(move |engine, now| engine.message_send(&group, &text, reply_to.as_deref(), now))
            .await
    }

    /// Writes a message that may carry a file, answer another one, and disappear by itself; gives its id.
    pub async fn message_post(&self, group: &str, new: NewMessage) -> Result<String, Error> {
        let group = group.to_owned();
        self.call(move |engine, now| engine.message_post(&group, &new, now))
            .await
    }

    /// Pins a message for all who are in the conversation, or takes the own pin from it.
    pub async fn message_pin(&self, group: &str, id: &str, pinned: bool) -> Result<(), Error> {
        let (group, id) = (group.to_owned(), id.to_owned());
        self.call(move |engine, now| engine.message_pin(&group, &id, pinned, now))
            .await
    }

    /// The pinned messages of a conversation, the one that was pinned last first.
    pub async fn message_pinned(&self, group: &str) -> Result<Vec<MessageView>, Error> {
        let group = group.to_owned();
        self.call(move |engine, now| engine.message_pinned(&group, now))
            .await
    }

    /// Reacts to a message with an emoji; an empty one takes the reaction back. Gives the
    /// reaction's id.
    pub async fn message_react(&self, group: &str, id: &str, emoji: &str) -> Result<String, Error> {
        let (group, id, emoji) = (group.to_owned(), id.to_owned(), emoji.to_owned());
        self.call(move |engine, now| engine.message_react(&group, &id, &emoji, now))
            .await
    }

    /// Changes the text of an own message; gives the edit's id.
    pub async fn message_edit(&self, group: &str, id: &str, text: &str) -> Result<String, Error> {
        let (group, id, text) = (group.to_owned(), id.to_owned(), text.to_owned());
        self.call(move |engine, now| engine.message_edit(&group, &id, &text, now))
            .await
    }

    /// Deletes an own message for everybody; gives the deletion's id.
    pub async fn message_delete(&self, group: &str, id: &str) -> Result<String, Error> {
        let (group, id) = (group.to_owned(), id.to_owned());
        self.call(move |engine, now| engine.message_delete(&group, &id, now))
            .await
    }

    /// Sends an own message that waits for a decision (state `held`) to whoever is in the group now.
    pub async fn message_resend(&self, group: &str, id: &str) -> Result<(), Error> {
        let (group, id) = (group.to_owned(), id.to_owned());
        self.call(move |engine, now| engine.message_resend(&group, &id, now))
            .await
    }

    /// Gives up sending an own message that waits for a decision.
    pub async fn message_drop(&self, group: &str, id: &str) -> Result<(), Error> {
        let (group, id) = (group.to_owned(), id.to_owned());
        self.call(move |engine, now| engine.message_drop(&group, &id, now))
            .await
    }

    /// Messages and notices of a group, newest first, in the order all members agree on: at most
    /// `limit` (and at most 1000) of those before the line `before`, or the newest.
    pub async fn message_list(
        &self,
        group: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<MessageView>, Error> {
        self.message_list_with(Notices::Shown, group, before, limit)
            .await
    }

    /// The same, with or without notices.
    pub async fn message_list_with(
        &self,
        notices: Notices,
        group: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<MessageView>, Error> {
        let (group, before) = (group.to_owned(), before.map(str::to_owned));
        self.call(move |engine, now| {
            engine.message_list(&group, before.as_deref(), limit, notices, now)
        })
        .await
    }

    /// Messages with a text, newest first, in one group or in all: words that all have to be there, parts of
    /// words, initial consonants, words in quotation marks. At most `limit` (and at most 200); an answer may
    /// hold fewer, even none, and then tells the name under which the search goes on.
    pub async fn message_search(
        &self,
        text: &str,
        group: Option<&str>,
        limit: u32,
    ) -> Result<SearchView, Error> {
        let (text, group) = (text.to_owned(), group.map(str::to_owned));
        self.call(move |engine, now| engine.message_search(&text, group.as_deref(), limit, now))
            .await
    }

    /// Goes on with a search by the name that its last answer told.
    pub async fn message_search_more(&self, search: &str, limit: u32) -> Result<SearchView, Error> {
        let search = search.to_owned();
        self.call(move |engine, now| engine.message_search_more(&search, limit, now))
            .await
    }

    /// Who is known to have an own message, and who is not.
    pub async fn message_copies(&self, group: &str, id: &str) -> Result<CopiesView, Error> {
        let (group, id) = (group.to_owned(), id.to_owned());
        self.call(move |engine, now| engine.message_copies(&group, &id, now))
            .await
    }

    /// Marks everything in a group as read.
    pub async fn mark_read(&self, group: &str) -> Result<(), Error> {
        let group = group.to_owned();
        self.call(move |engine, now| engine.mark_read(&group, now))
            .await
    }
}
