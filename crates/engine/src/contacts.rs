//! Contacts: the accounts this one has met, and what passes between two of them inside a group
//! that both are in.

use std::collections::BTreeMap;

use sori_mls::{
    AccountId, Conversation, Epoch, GroupId, Head, HybridPublic, Role, StateId, safety_number,
};
use zeroize::Zeroizing;

use crate::engine::Engine;
use crate::envelope::{AppBody, AppMessage, Private};
use crate::error::Error;
use crate::group::Group;
use crate::handshake::{Admission, COMMIT_ENVELOPES_MAX, clean_name};
use crate::record::{
    self, ChannelRecord, ContactRecord, Delivery, Notice, NoticeKind, SpareRecord, Standing, Wish,
};
use crate::session::Entry;
use crate::table;
use crate::time::Time;
use crate::view::{ContactView, Event};

/// Longest Welcome and commit that go out together, in bytes: a relay keeps 256 KiB for a joiner who reads slowly, and drops more.
const ADMISSION_AT_ONCE: usize = 192 * 1024;
/// What is sealed to a mailbox inside a group.
const MEMBER_INFO: &[u8] = b"sori for member 1";
/// KeyPackages of a contact that are kept.
const KEY_PACKAGES_MAX: usize = 8;
/// KeyPackages sent to a contact that has used one.
const KEY_PACKAGES_FRESH: usize = 2;
/// In place of an invite's pin and knock, where an admission comes inside a group.
const NO_INVITE: ([u8; 32], [u8; 16]) = ([0; 32], [0; 16]);

impl Engine {
    pub(crate) fn load_contacts(&mut self) -> Result<(), Error> {
        let contacts = self.scan::<ContactRecord>(table::CONTACT, &[])?;
        self.contacts = contacts.into_iter().map(|(_, c)| (c.account, c)).collect();
        Ok(())
    }

    /// Everybody this account has met by an invite.
    ///
    /// # Errors
    /// [`Error::NoAccount`].
    pub fn contact_list(&self, _now: Time) -> Result<Vec<ContactView>, Error> {
        let me = self.me()?.id;
        let view = |contact: &ContactRecord| ContactView {
            id: contact.account.to_string(),
            name: contact.name.clone(),
            verified: contact.verified,
            safety_number: safety_number(&me, &contact.account),
        };
        Ok(self.contacts.values().map(view).collect())
    }

    /// Notes that the person has compared the safety number with the contact's.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn contact_verify(&mut self, id: &str, _now: Time) -> Result<(), Error> {
        let account: AccountId = id.parse().map_err(|_| Error::NotFound("contact"))?;
        self.atomically(|engine| {
            let contact = engine
                .contacts
                .get_mut(&account)
                .ok_or(Error::NotFound("contact"))?;
            contact.verified = true;
            let contact = contact.clone();
            engine.save_contact(contact)
        })
    }

    pub(crate) fn save_contact(&mut self, contact: ContactRecord) -> Result<(), Error> {
        self.put(table::CONTACT, &table::one(contact.number), &contact)?;
        self.contacts.insert(contact.account, contact);
        self.event(Event::ContactsChanged);
        Ok(())
    }

    /// Notes an account that an invite has brought, or news about it.
    pub(crate) fn meet(
        &mut self,
        account: AccountId,
        name: &str,
        mailbox: Vec<u8>,
        key_packages: Vec<Vec<u8>>,
    ) -> Result<(), Error> {
        let last = self
            .contacts
            .values()
            .map(|contact| contact.number)
            .max()
            .unwrap_or(0);
        let known = self.contacts.get(&account).cloned();
        let mut contact = known.unwrap_or_else(|| ContactRecord {
            number: last.saturating_add(1),
            account,
            name: String::new(),
            verified: false,
            mailbox: Vec::new(),
            key_packages: Vec::new(),
            given: self.about_today(),
        });
        name.clone_into(&mut contact.name);
        contact.mailbox = mailbox;
        self.add_key_packages(&mut contact, key_packages)?;
        self.save_contact(contact)
    }

    fn add_key_packages(
        &self,
        contact: &mut ContactRecord,
        fresh: Vec<Vec<u8>>,
    ) -> Result<(), Error> {
        for package in fresh {
            let known = (contact.key_packages.iter()).any(|spare| spare.bytes == package);
            let of_contact = self
                .core()?
                .inspect_key_package(&package)
                .is_ok_and(|info| info.account == contact.account);
            if of_contact && !known && contact.key_packages.len() < KEY_PACKAGES_MAX {
                contact.key_packages.push(SpareRecord {
                    bytes: package,
                    since: self.about_today(),
                });
            }
        }
        Ok(())
    }

    /// Adds a contact to a group. It need not be online: the Welcome waits inside a group that
    /// both share.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::AlreadyMember`], [`Error::NotAllowed`],
    /// [`Error::NoKeyPackage`], [`Error::NotMember`].
    pub fn group_add(&mut self, group: &str, contact: &str, now: Time) -> Result<(), Error> {
        let account: AccountId = contact.parse().map_err(|_| Error::NotFound("contact"))?;
        self.wish_in(group, now, |engine, _| {
            if !engine.contacts.contains_key(&account) {
                return Err(Error::NotFound("contact"));
            }
            if engine.shared_group(&account)?.is_none() {
                return Err(Error::NoKeyPackage);
            }
            let package = engine.spare_key_package(&account)?;
            Ok(Wish::Add {
                account,
                key_packages: vec![package],
                deliver: Delivery::Contact,
            })
        })
    }

    /// A group that an account shares with this one; a conversation of two if there is one.
    pub(crate) fn shared_group(&mut self, account: &AccountId) -> Result<Option<GroupId>, Error> {
        let ids: Vec<GroupId> = self.groups.keys().copied().collect();
        let mut shared = None;
        for id in ids {
            let found = self.with_group(id, |engine, group| {
                let active = group.record.standing == Standing::Active;
                if !active || !engine.accounts(group)?.contains(account) {
                    return Ok(None);
                }
                Ok(Some(engine.group_data(group)?.direct))
            })?;
            match found {
                Some(Conversation::Direct) => return Ok(Some(id)),
                Some(Conversation::Group) => shared = Some(id),
                None => {}
            }
        }
        Ok(shared)
    }

    /// Hands a Welcome to the account that a commit of ours added.
    pub(crate) fn deliver_welcome(
        &mut self,
        group: &Group,
        (state, entries): (&StateId, (u32, u64, u64)),
        wish: &Wish,
        welcome: Vec<u8>,
        now: Time,
    ) -> Result<(), Error> {
        let Wish::Add {
            account, deliver, ..
        } = wish
        else {
            return Ok(());
        };
        let room = ADMISSION_AT_ONCE.saturating_sub(welcome.len());
        let commit = self.commit_entries(entries, room)?;
        let mut admission = self.admission(group, state, (welcome, commit))?;
        match deliver {
            Delivery::Contact => {
                self.sign_admission(&mut admission, NO_INVITE)?;
                let encoded = admission
                    .encode()
                    .map_err(|_| Error::Internal("admission"))?;
                self.send_private(account, &Private::Admission(encoded.to_vec()), now)
            }
            Delivery::Join { join } => self.admit(*join, admission, now),
            Delivery::Way => Ok(()),
        }
    }

    /// The envelopes of a commit as the log holds them: all, or none if one is gone or they are too many, or longer than there is
    /// room for.
    fn commit_entries(
        &self,
        (channel, first, last): (u32, u64, u64),
        room: usize,
    ) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        for sequence in (first..=last).take(COMMIT_ENVELOPES_MAX.saturating_add(1)) {
            let Some(entry) = self.entry_at(channel, sequence)? else {
                return Ok(Vec::new());
            };
            entries.push(entry);
        }
        let len: usize = entries.iter().map(|entry| entry.sealed.len()).sum();
        if entries.len() > COMMIT_ENVELOPES_MAX || len > room {
            entries.clear();
        }
        Ok(entries)
    }

    fn admission(
        &mut self,
        group: &Group,
        state: &StateId,
        (welcome, commit): (Vec<u8>, Vec<Entry>),
    ) -> Result<Admission, Error> {
        let channel = group.channel_of(state)?;
        let channel = self
            .channels
            .get(&channel)
            .ok_or(Error::Internal("channel"))?;
        let channel_secret = Zeroizing::new(channel.record.secret);
        let (_, key_packages) = self.new_key_packages(KEY_PACKAGES_FRESH)?;
        let me = self.me()?;
        let mut names: BTreeMap<AccountId, String> = group.record.names.clone();
        names.insert(me.id, me.record.name.clone());
        Ok(Admission {
            group: *group.record.id.as_bytes(),
            welcome,
            channel_secret,
            inviter_account: *me.id.as_bytes(),
            inviter_name: me.record.name.clone(),
            inviter_mailbox: me.mailbox.public().as_bytes().to_vec(),
            key_packages,
            names: names
                .into_iter()
                .map(|(id, name)| (*id.as_bytes(), name))
                .collect(),
            clock: group.cursor.clock,
            commit,
            signature: Vec::new(),
        })
    }

    pub(crate) fn sign_admission(
        &self,
        admission: &mut Admission,
        (pin, knock): ([u8; 32], [u8; 16]),
    ) -> Result<(), Error> {
        let bytes = admission.signed_bytes(&pin, &knock);
        admission.signature = self.me()?.key.sign(Admission::LABEL, &bytes).to_vec();
        Ok(())
    }

    /// Sends something to one account inside a group that both share.
    pub(crate) fn send_private(
        &mut self,
        to: &AccountId,
        private: &Private,
        now: Time,
    ) -> Result<(), Error> {
        let mailbox = self.contacts.get(to).map(|contact| contact.mailbox.clone());
        let mailbox = HybridPublic::from_bytes(&mailbox.ok_or(Error::NotFound("contact"))?)?;
        let encoded = record::encode(private)?;
        let sealed = self
            .core()?
            .hybrid_seal(&mailbox, MEMBER_INFO, to.as_bytes(), &encoded)?;
        let id = self.shared_group(to)?.ok_or(Error::NoKeyPackage)?;
        self.with_group(id, |engine, group| {
            engine.renew_keys(group, now)?;
            let app = AppMessage {
                clock: group.tick(now),
                sent_at: now.unix_ms(),
                body: AppBody::ForMember { to: *to, sealed },
            };
            engine.send_app(group, &app, None, now)
        })
    }

    /// Something that a member sealed to one member: to us, or not ours to read.
    ///
    /// It came in the group with the id `within`. False if it is for us and cannot be read.
    pub(crate) fn take_private(
        &mut self,
        within: GroupId,
        sender: AccountId,
        to: AccountId,
        sealed: &[u8],
    ) -> Result<bool, Error> {
        let me = self.me()?;
        if me.id != to || self.is_blocked(&sender) {
            return Ok(true);
        }
        let Ok(plain) = me.mailbox.open(MEMBER_INFO, to.as_bytes(), sealed) else {
            return Ok(false);
        };
        let Some(private) = Private::decode(&plain) else {
            return Ok(false);
        };
        let Some(mut contact) = self.contacts.get(&sender).cloned() else {
            return Ok(true);
        };
        match private {
            Private::KeyPackages(packages) => {
                self.add_key_packages(&mut contact, packages)?;
                self.save_contact(contact)?;
            }
            Private::KeyPackagesAnew(packages) => {
                contact.key_packages.clear();
                self.add_key_packages(&mut contact, packages)?;
                self.save_contact(contact)?;
            }
            Private::Admission(bytes) => {
                let Some(admission) = Admission::decode(&bytes) else {
                    return Ok(false);
                };
                if admission.inviter_account == *sender.as_bytes() {
                    // Entered once the group that it came in is back in its place.
                    self.admissions.push((admission, sender, within));
                }
            }
        }
        Ok(true)
    }

    /// Enters the groups that contacts have added this account to.
    pub(crate) fn enter_admitted(&mut self, now: Time) -> Result<(), Error> {
        for (admission, from, within) in std::mem::take(&mut self.admissions) {
            let entered = self.atomically(|engine| engine.enter_by_contact(&admission, from, now));
            match entered {
                Err(error) if error.is_fatal() => return Err(error),
                // What came twice needs no word.
                Ok(()) | Err(Error::AlreadyMember) => {}
                Err(error) => {
                    self.tolerate(|engine| engine.not_admitted(within, from, &error, now))?;
                }
            }
        }
        Ok(())
    }

    /// Tells the person that somebody meant to add this account to a group and that it failed, once a
    /// day. If that is because a KeyPackage here is gone, the other one gets new ones.
    fn not_admitted(
        &mut self,
        within: GroupId,
        from: AccountId,
        error: &Error,
        now: Time,
    ) -> Result<(), Error> {
        let first = self.with_group(within, |engine, group| {
            engine.note_not_admitted(group, from, now)
        })?;
        let gone = sori_mls::Error::NeedsState(sori_mls::NeedsState::NoKeyPackage);
        if first && matches!(error, Error::Mls(error) if *error == gone) {
            let (_, packages) = self.new_key_packages(KEY_PACKAGES_FRESH)?;
            return self.send_private(&from, &Private::KeyPackagesAnew(packages), now);
        }
        Ok(())
    }

    /// Enters the group that a contact has added this account to, and sends fresh KeyPackages.
    fn enter_by_contact(
        &mut self,
        admission: &Admission,
        from: AccountId,
        now: Time,
    ) -> Result<(), Error> {
        self.enter_group(admission, NO_INVITE, now)?;
        let (_, packages) = self.new_key_packages(KEY_PACKAGES_FRESH)?;
        self.send_private(&from, &Private::KeyPackages(packages), now)
    }

    /// Enters the group that an admission leads to.
    pub(crate) fn enter_group(
        &mut self,
        admission: &Admission,
        (pin, knock): ([u8; 32], [u8; 16]),
        now: Time,
    ) -> Result<GroupId, Error> {
        let inviter = AccountId::from_bytes(admission.inviter_account);
        let signature =
            <&[u8; 64]>::try_from(admission.signature.as_slice()).map_err(|_| Error::JoinClosed)?;
        let bytes = admission.signed_bytes(&pin, &knock);
        sori_mls::verify_account_signature(&inviter, Admission::LABEL, &bytes, signature)?;
        let privates: Vec<&[u8]> = self
            .key_packages
            .values()
            .map(|package| package.private.as_slice())
            .collect();
        let (head, reference) = self.core()?.join(&admission.welcome, &privates)?;
        let id = head.snapshot().group_id();
        if *id.as_bytes() != admission.group {
            return Err(Error::JoinClosed);
        }
        self.spend_key_package(&reference)?;
        let mut group = self.entered(id, &head, &inviter)?;
        group.record.inviter = Some(inviter);
        group.observe(admission.clock, now);
        for (account, name) in &admission.names {
            if let Some(name) = clean_name(name) {
                group
                    .record
                    .names
                    .insert(AccountId::from_bytes(*account), name);
            }
        }
        let channel = self.open_channel(ChannelRecord {
            group: id,
            secret: *admission.channel_secret,
            superseded: None,
            lost: false,
            joiners: false,
            pruned: crate::time::Day(0),
            undecided: false,
        })?;
        self.enter(&mut group, head, channel, now)?;
        // The way it was let in on may lose: until somebody is seen on it, this device asks.
        let state = group.head_state()?;
        group.resync.anchor = Some(state);
        group.resync.entered = Some(state);
        group.resync.let_in = true;
        self.save_resync(&group)?;
        let me = self.me()?.id;
        let notice = Notice {
            what: NoticeKind::Joined,
            actor: Some(me),
            subject: Some(inviter),
            detail: String::new(),
        };
        self.add_own_notice(&mut group, notice, now)?;
        self.send_profile(&mut group, now)?;
        self.save_group(&group)?;
        self.group_changed(&group);
        self.groups.insert(id, group);
        let packages = admission.key_packages.clone();
        self.meet(
            inviter,
            &admission.inviter_name,
            admission.inviter_mailbox.clone(),
            packages,
        )?;
        for Entry { day, sealed } in &admission.commit {
            if self.is_logged_day(channel, *day, now) {
                self.tolerate(|engine| engine.accept_frame(channel, *day, sealed, now))?;
            }
        }
        // What follows on this state may have come before the Welcome.
        self.with_group(id, |engine, group| engine.settle(group, now))?;
        Ok(id)
    }

    /// The group to enter: a new one, or one that this account was in before, begun anew at the
    /// state of the Welcome with its history kept.
    ///
    /// What was there stays readable: messages of states before may still be on their way.
    fn entered(&mut self, id: GroupId, head: &Head, inviter: &AccountId) -> Result<Group, Error> {
        let fresh = self.empty_group(id, head);
        let Some(mut old) = self.groups.remove(&id) else {
            return Ok(fresh);
        };
        if !self.may_replace(&mut old, (inviter, head.snapshot().epoch()))? {
            self.groups.insert(id, old);
            return Err(Error::AlreadyMember);
        }
        old.record.standing = Standing::Active;
        old.record.path = fresh.record.path;
        old.record.intents.clear();
        old.record.leaving = false;
        old.head = None;
        self.forget_resync(&mut old)?;
        Ok(old)
    }

    /// Whether a Welcome of this account's may take the place of what this device knows of a
    /// group. Anybody can make a group with any id; so as long as we are in, it takes whoever let
    /// us in (our commit may have lost) or somebody who could remove and add us as well.
    ///
    /// Who has found back by itself meanwhile, to a state that is not before the Welcome's, stays there: the others go on
    /// from its own commit, which it could not hear of as somebody's else.
    fn may_replace(
        &self,
        group: &mut Group,
        (inviter, epoch): (&AccountId, Epoch),
    ) -> Result<bool, Error> {
        if group.record.standing.is_out() {
            return Ok(true);
        }
        let me = self.me()?.id;
        let data = self.group_data(group)?;
        let in_group = self.accounts(group)?.contains(inviter);
        if group.record.standing == Standing::Lost {
            return Ok(in_group);
        }
        if group.came_back() && !group.resync.let_in {
            self.ensure_head(group)?;
            let head = group.head.as_ref().ok_or(Error::Internal("head"))?;
            if head.snapshot().epoch() >= epoch {
                return Ok(false);
            }
        }
        let let_us_in = group.record.inviter == Some(*inviter);
        let may_admit = data.role_of(inviter) != Role::Member;
        Ok(in_group && data.role_of(&me) == Role::Member && (let_us_in || may_admit))
    }
}
