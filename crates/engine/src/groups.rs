//! Groups: making them, looking at them, changing them, leaving them.

use std::collections::{BTreeMap, BTreeSet};

use sori_mls::{
    AccountId, Conversation, GroupData, GroupId, Head, JoinPolicy, Misuse, OrderKind, Refusal, Role,
};

use crate::account::checked_name;
use crate::arrange::checked_timer;
use crate::attachments::FILE_LEN_MAX;
use crate::engine::Engine;
use crate::envelope::{AppBody, AppMessage, ChannelMessage};
use crate::error::Error;
use crate::group::Group;
use crate::handshake::clean_name;
use crate::messages::parse_group;
use crate::record::{CursorRecord, GroupRecord, Notice, NoticeKind, PolicyRecord, Standing, Wish};
use crate::time::{DAY_MS, Time};
use crate::view::{GroupInfo, GroupView, MemberView};

/// How long an account listens that was put out of a group, in milliseconds.
const OUT_MS: u64 = DAY_MS;
/// Shortest wait before an order of somebody is realised or a lost commit is made again, in
/// milliseconds, and its random part: with luck one member does it before the others begin, and
/// all that there is has been heard.
const COMMIT_WAIT_MS: u64 = 300;
const COMMIT_SPREAD_MS: u64 = 3_000;
/// Longest wait for a catch-up to end before it is done, in milliseconds.
const COMMIT_LATEST_MS: u64 = 30_000;

impl Engine {
    /// Makes a group with this account as its owner and only member. Returns its id.
    ///
    /// # Errors
    /// [`Error::NoAccount`], [`Error::NoRelay`], [`Error::OutOfBounds`] for the name.
    pub fn group_create(&mut self, name: &str, now: Time) -> Result<String, Error> {
        let name = checked_name(name)?;
        self.atomically(|engine| {
            let id = engine.new_group(name, Conversation::Group, now)?;
            Ok(id.to_string())
        })
    }

    /// Makes a group or a conversation of two.
    pub(crate) fn new_group(
        &mut self,
        name: String,
        direct: Conversation,
        now: Time,
    ) -> Result<GroupId, Error> {
        let owner = self.me()?.id;
        let relay = self.relay.clone().ok_or(Error::NoRelay)?;
        let data = GroupData {
            name,
            owner,
            admins: Vec::new(),
            relays: vec![relay.to_string()],
            join_policy: JoinPolicy::Admins,
            direct,
            disappearing_seconds: None,
            avatar: None,
            spent_orders: Vec::new(),
            file_limit: None,
        };
        let id = GroupId::from_bytes(self.random());
        let head = self.core()?.create_group(id, data)?;
        let mut group = self.empty_group(id, &head);
        let channel = self.open_channel_of(&group, head.snapshot())?;
        self.enter(&mut group, head, channel, now)?;
        let notice = Notice {
            what: NoticeKind::Created,
            actor: Some(owner),
            subject: None,
            detail: self.group_data(&mut group)?.name,
        };
        self.add_own_notice(&mut group, notice, now)?;
        self.group_changed(&group);
        self.groups.insert(id, group);
        Ok(id)
    }

    pub(crate) fn empty_group(&mut self, id: GroupId, head: &Head) -> Group {
        Group::new(
            GroupRecord {
                number: self.next_group_number(),
                id,
                standing: Standing::Active,
                path: vec![head.snapshot().state()],
                states: BTreeMap::new(),
                next_snapshot: 0,
                seed: self.random(),
                next_commit: 0,
                intents: Vec::new(),
                next_intent: 0,
                names: BTreeMap::new(),
                roster: Vec::new(),
                orders: Vec::new(),
                leaving: false,
                inviter: None,
            },
            CursorRecord::default(),
        )
    }

    /// Begins to take part in a group at a state: as its creator or as a joiner.
    pub(crate) fn enter(
        &mut self,
        group: &mut Group,
        mut head: Head,
        channel: u32,
        now: Time,
    ) -> Result<(), Error> {
        self.save_snapshot(group, head.snapshot_mut(), channel, now)?;
        group.head = Some(head);
        self.follow_head(group)?;
        self.follow_channels(group, &BTreeSet::new(), now)?;
        self.save_group(group)?;
        self.save_cursor(group)
    }

    /// The conversation list, the one with the newest message first.
    ///
    /// # Errors
    /// Trouble with the store.
    pub fn group_list(&mut self, now: Time) -> Result<Vec<GroupView>, Error> {
        let ids: Vec<GroupId> = self.groups.keys().copied().collect();
        let mut views = Vec::new();
        for id in ids {
            let view = self.with_group(id, |engine, group| {
                let clock = group.cursor.clock;
                Ok((clock, engine.group_view(group, now)?))
            });
            views.push(view?);
        }
        views.sort_by_key(|(clock, _)| std::cmp::Reverse(*clock));
        Ok(views.into_iter().map(|(_, view)| view).collect())
    }

    fn group_view(&self, group: &mut Group, now: Time) -> Result<GroupView, Error> {
        let data = self.group_data(group)?;
        let mut last = None;
        for line in self.lines_before(group, None, 1)? {
            if let Some(record) = self.message_record(group, line.sequence)? {
                last = Some(self.message_view(group, &record)?);
            }
        }
        let attention = self.attention(group, now)?;
        Ok(GroupView {
            group: group.record.id.to_string(),
            name: self.shown_name(group, &data)?,
            avatar: self.avatar_name(&group.record.id),
            unread: group.cursor.unread,
            direct: data.direct == Conversation::Direct,
            members: u32::try_from(self.accounts(group)?.len()).unwrap_or(u32::MAX),
            active: group.record.standing == Standing::Active,
            standing: group.record.standing.name().to_owned(),
            muted: attention.muted,
            muted_until: attention.muted_until,
            named: attention.named,
            own: self.is_own(group)?,
            last,
            arrangement: self.arrangement_view(group)?,
        })
    }

    /// A group in detail.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn group_info(&mut self, group: &str, now: Time) -> Result<GroupInfo, Error> {
        let id = parse_group(group)?;
        self.with_group(id, |engine, group| {
            let me = engine.me()?.id;
            let data = engine.group_data(group)?;
            let mut members = Vec::new();
            for account in engine.accounts(group)? {
                let contact = engine.contacts.get(&account);
                members.push(MemberView {
                    id: account.to_string(),
                    name: engine.name_of(group, &account),
                    role: data.role_of(&account).as_str().to_owned(),
                    me: account == me,
                    verified: contact.is_some_and(|contact| contact.verified),
                    blocked: engine.is_blocked(&account),
                });
            }
            let chosen = engine.prefs.of(&group.record.id);
            let attention = engine.attention(group, now)?;
            let head = group.head.as_ref().map(Head::snapshot);
            Ok(GroupInfo {
                group: group.record.id.to_string(),
                epoch: head.map_or(0, |head| head.epoch().0),
                state_hash: head.map_or_else(String::new, |head| head.state().to_string()),
                direct: data.direct == Conversation::Direct,
                active: group.record.standing == Standing::Active,
                standing: group.record.standing.name().to_owned(),
                role: data.role_of(&me).as_str().to_owned(),
                policy: policy_name(data.join_policy).to_owned(),
                timer_s: data.disappearing_seconds,
                file_limit: data.file_limit,
                avatar: engine.avatar_name(&group.record.id),
                muted: attention.muted,
                muted_until: attention.muted_until,
                read_receipts: chosen.read_receipts,
                members,
                name: engine.shown_name(group, &data)?,
            })
        })
    }

    /// The accounts in the group at its head, or as they were last known: the owner first, then admins, then
    /// members.
    pub(crate) fn accounts(&self, group: &mut Group) -> Result<Vec<AccountId>, Error> {
        let data = self.group_data(group)?;
        let mut accounts: Vec<AccountId> = match &group.head {
            Some(head) => (head.snapshot().members().iter())
                .map(|member| member.account)
                .collect(),
            None => group.known_members().to_vec(),
        };
        accounts.sort_unstable_by_key(|account| (data.rank_of(account), *account));
        accounts.dedup();
        Ok(accounts)
    }

    /// The group's name; for a conversation of two, the other's.
    fn shown_name(&self, group: &mut Group, data: &GroupData) -> Result<String, Error> {
        if data.direct == Conversation::Group {
            return Ok(data.name.clone());
        }
        let me = self.me()?.id;
        let current = self.accounts(group)?;
        let other = current
            .iter()
            .chain(&group.record.roster)
            .find(|account| **account != me);
        Ok(other
            .map(|account| self.name_of(group, account))
            .unwrap_or_default())
    }

    /// Gives a group another name.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotMember`], [`Error::NotAllowed`], [`Error::OutOfBounds`].
    pub fn group_rename(&mut self, group: &str, name: &str, now: Time) -> Result<(), Error> {
        let name = checked_name(name)?;
        self.wish_in(group, now, |_, _| Ok(Wish::Rename { name }))
    }

    /// Removes a member.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group or member, [`Error::NotMember`], [`Error::NotAllowed`].
    pub fn group_remove(&mut self, group: &str, member: &str, now: Time) -> Result<(), Error> {
        self.wish_in(group, now, |engine, group| {
            let account = engine.other_member(group, member)?;
            engine.give_order(group, OrderKind::Remove, account, now)
        })
    }

    /// Gives a member another role: `owner` (hands over), `admin` or `member`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotMember`], [`Error::NotAllowed`], [`Error::OutOfBounds`]
    /// for the role.
    pub fn group_role(
        &mut self,
        group: &str,
        member: &str,
        role: &str,
        now: Time,
    ) -> Result<(), Error> {
        let role: Role = role.parse().map_err(|_| Error::OutOfBounds {
            what: "a role",
            bounds: "owner, admin or member",
        })?;
        self.wish_in(group, now, |engine, group| {
            let account = engine.other_member(group, member)?;
            let before = engine.group_data(group)?.role_of(&account);
            match (before, role) {
                (Role::Owner | Role::Admin, Role::Member) => {
                    engine.give_order(group, OrderKind::Demote, account, now)
                }
                _ => Ok(Wish::SetRole {
                    account,
                    role: role.into(),
                }),
            }
        })
    }

    /// Chooses who may let others in: `admins` (and the owner) or every one of the `members`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotMember`], [`Error::NotAllowed`], [`Error::OutOfBounds`]
    /// for the policy.
    pub fn group_policy(&mut self, group: &str, policy: &str, now: Time) -> Result<(), Error> {
        let policy = match policy {
            "admins" => PolicyRecord::Admins,
            "members" => PolicyRecord::Members,
            _ => {
                return Err(Error::OutOfBounds {
                    what: "a rule for letting others in",
                    bounds: "admins or members",
                });
            }
        };
        self.wish_in(group, now, |_, _| Ok(Wish::SetPolicy { policy }))
    }

    /// Chooses after how many seconds what anybody writes disappears, a minute to a year; `None` for never.
    ///
    /// # Errors
    /// As [`group_policy`](Self::group_policy).
    pub fn group_timer(
        &mut self,
        group: &str,
        seconds: Option<u32>,
        now: Time,
    ) -> Result<(), Error> {
        let seconds = checked_timer(seconds)?;
        self.wish_in(group, now, |_, _| Ok(Wish::SetTimer { seconds }))
    }

    /// Chooses how long files may be that are sent from now on, in bytes: zero for no files, `None` for as long as files
    /// can be.
    ///
    /// # Errors
    /// As [`group_policy`](Self::group_policy).
    pub fn group_file_limit(
        &mut self,
        group: &str,
        limit: Option<u32>,
        now: Time,
    ) -> Result<(), Error> {
        if limit.is_some_and(|limit| u64::from(limit) > FILE_LEN_MAX) {
            return Err(Error::OutOfBounds {
                what: "the longest file",
                bounds: "between nothing and 16 MiB",
            });
        }
        self.wish_in(group, now, |_, _| Ok(Wish::SetFileLimit { limit }))
    }

    fn other_member(&self, group: &mut Group, member: &str) -> Result<AccountId, Error> {
        let account: AccountId = member.parse().map_err(|_| Error::NotFound("member"))?;
        if !self.accounts(group)?.contains(&account) {
            return Err(Error::NotFound("member"));
        }
        Ok(account)
    }

    pub(crate) fn wish_in(
        &mut self,
        group: &str,
        now: Time,
        wish: impl FnOnce(&mut Self, &mut Group) -> Result<Wish, Error>,
    ) -> Result<(), Error> {
        let id = parse_group(group)?;
        self.atomically(|engine| {
            engine.with_group(id, |engine, group| {
                let wish = wish(engine, group).map_err(refused)?;
                engine.wish(group, wish, now).map_err(refused)
            })
        })
    }

    /// Leaves a group. The others take this account out as soon as one of them hears of it; from
    /// now on nothing can be sent there.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotMember`], [`Error::OwnerCannotLeave`].
    pub fn group_leave(&mut self, group: &str, now: Time) -> Result<(), Error> {
        let id = parse_group(group)?;
        self.atomically(|engine| engine.with_group(id, |engine, group| engine.leave(group, now)))
    }

    fn leave(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        group.check_active()?;
        let me = self.me()?.id;
        let data = self.group_data(group)?;
        if self.accounts(group)?.len() == 1 {
            group.record.standing = Standing::Out;
            self.topics_stale = true;
        } else if data.owner == me && data.direct == Conversation::Group {
            return Err(Error::OwnerCannotLeave);
        } else {
            let head = group.head.as_ref().ok_or(Error::Internal("head"))?;
            let order = self.core()?.leave_order(head.snapshot());
            let order = order.map_err(|error| refused(error.into()))?.encode()?;
            let channel = group.channel()?;
            group.record.standing = Standing::Leaving;
            group.record.leaving = true;
            self.send_envelope(channel, &ChannelMessage::Order { order }, None, now)?;
        }
        let notice = Notice {
            what: NoticeKind::Left,
            actor: Some(me),
            subject: Some(me),
            detail: String::new(),
        };
        self.add_own_notice(group, notice, now)?;
        self.save_group(group)?;
        self.group_changed(group);
        Ok(())
    }

    /// Whether this account is out of a group for good: nobody else was in it, or what put it out
    /// is old. Until then it listens, for the commit that put it out may lose yet, and somebody
    /// may want what it wrote before it knew.
    pub(crate) fn is_over(&self, group: &mut Group, now: Time) -> Result<bool, Error> {
        if !group.record.standing.is_out() {
            return Ok(false);
        }
        if group.is_stateless() {
            return Ok(true);
        }
        self.ensure_head(group)?;
        let head = group.head.as_ref().ok_or(Error::Internal("head"))?;
        let was_put_out = head.snapshot().me().is_none();
        let since = group.record.states.get(&group.head_state()?);
        Ok(!was_put_out || since.is_none_or(|state| now.since_ms(state.since) > OUT_MS))
    }

    pub(crate) fn plan_commits(&mut self, group: &mut Group, now: Time) {
        let wait = COMMIT_WAIT_MS.saturating_add(self.below(COMMIT_SPREAD_MS));
        if group.commits_at.is_none() {
            group.commits_at = Some(now.plus_ms(wait));
        }
        if group.commits_by.is_none() {
            group.commits_by = Some(now.plus_ms(COMMIT_LATEST_MS));
        }
    }

    /// Plans what was open when the profile was closed.
    pub(crate) fn plan_open_commits(&mut self, now: Time) {
        let at = now.plus_ms(COMMIT_WAIT_MS.saturating_add(self.below(COMMIT_SPREAD_MS)));
        for group in self.groups.values_mut() {
            let lost = group.record.intents.iter().any(|i| group.is_lost(i));
            group.plan_open_ballots(now);
            if lost || !group.record.orders.is_empty() || group.has_own_strays() {
                group.commits_at = Some(at);
                group.commits_by = Some(now.plus_ms(COMMIT_LATEST_MS));
            }
        }
    }

    pub(crate) fn commits_next_timeout(&self) -> Option<Time> {
        self.groups
            .values()
            .filter_map(|group| group.commits_at)
            .min()
    }

    /// Commits again what was lost, and realises leave orders that nobody has realised yet.
    pub(crate) fn commits_timeout(&mut self, now: Time) -> Result<(), Error> {
        let due: Vec<GroupId> = self
            .groups
            .iter()
            .filter(|(_, group)| group.commits_at.is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.tolerate(|engine| {
                engine.with_group(id, |engine, group| {
                    let late = group.commits_by.is_none_or(|by| by <= now);
                    if !late && engine.is_catching_up(group) {
                        group.commits_at = Some(now.plus_ms(COMMIT_WAIT_MS));
                        return Ok(());
                    }
                    group.commits_at = None;
                    group.commits_by = None;
                    engine.recommit_lost(group, now)?;
                    if group.record.intents.iter().any(|i| group.is_lost(i)) {
                        group.commits_at = Some(now.plus_ms(COMMIT_LATEST_MS));
                    }
                    let active = group.record.standing == Standing::Active;
                    if active && !engine.open_orders(group)?.is_empty() {
                        engine.wish(group, Wish::Realise, now)?;
                    }
                    engine.resend_strays(group, now)
                })
            })?;
        }
        Ok(())
    }

    pub(crate) fn is_catching_up(&self, group: &Group) -> bool {
        self.channels.iter().any(|(number, channel)| {
            channel.record.group == group.record.id && self.sessions.is_busy(*number)
        })
    }

    /// Tells a group this account's name.
    pub(crate) fn send_profile(&mut self, group: &mut Group, now: Time) -> Result<(), Error> {
        self.renew_keys(group, now)?;
        let name = self.me()?.record.name.clone();
        let app = AppMessage {
            clock: group.tick(now),
            sent_at: now.unix_ms(),
            body: AppBody::Profile { name },
        };
        self.send_app(group, &app, None, now)
    }

    /// A member told its name.
    pub(crate) fn take_profile(
        &mut self,
        group: &mut Group,
        sender: AccountId,
        name: &str,
    ) -> Result<(), Error> {
        let Some(name) = clean_name(name) else {
            return Ok(());
        };
        if group.record.names.get(&sender) == Some(&name) {
            return Ok(());
        }
        group.record.names.insert(sender, name);
        self.save_group(group)?;
        self.group_changed(group);
        Ok(())
    }
}

/// The stable name of a rule for letting others in, for front ends.
pub(crate) const fn policy_name(policy: JoinPolicy) -> &'static str {
    match policy {
        JoinPolicy::Admins => "admins",
        JoinPolicy::Members => "members",
    }
}

/// What the group's rules refused, in words for a person.
pub(crate) fn refused(error: Error) -> Error {
    if let Error::Mls(sori_mls::Error::Misuse(Misuse::RemovesSelf)) = &error {
        return Error::NotAllowed;
    }
    let Error::Mls(sori_mls::Error::Refused(rule)) = &error else {
        return error;
    };
    if matches!(rule, Refusal::NotAllowed | Refusal::Outranked) {
        return Error::NotAllowed;
    }
    if matches!(rule, Refusal::OwnerLeaves) {
        return Error::OwnerCannotLeave;
    }
    error
}
