//! Joins: following an invite, and the list of joins in both directions (protocol §7).

use sori_mls::{AccountId, HybridPublic};
use sori_wire::{RelayUrl, Topic, TopicSeed};

use crate::chunk::Assembler;
use crate::engine::Engine;
use crate::error::Error;
use crate::handshake::{self, Admission, InviteMessage, JoinRequest};
use crate::invite_link::InviteLink;
use crate::invites::{KEY_PACKAGES_FOR_ADD, held_record, invite_frames, invite_message};
use crate::network::{Carried, Purpose, Wanted};
use crate::record::{JoinRecord, Side, StateOfJoin};
use crate::seal::SealKey;
use crate::table;
use crate::time::Time;
use crate::view::{Direction, Event, JoinView};

/// KeyPackages that a joiner hands over: one to be added with, one in case that commit loses, the
/// others so that the inviter can add it to other groups.
const KEY_PACKAGES: usize = 4;
/// First wait before a message is sent again, in milliseconds; each next one is half as long
/// again, up to the longest.
const RETRY_FIRST_MS: u64 = 2_000;
const RETRY_MAX_MS: u64 = 30_000;
/// How long a joiner listens after it is in, in case the commit that added it loses.
const LINGER_MS: u64 = 600_000;
/// How long joins that are over stay in the list.
const OVER_MS: u64 = 86_400_000;

/// A join in memory.
pub(crate) struct Join {
    pub(crate) record: JoinRecord,
    follow: Option<Follow>,
}

/// What a joiner needs to follow an invite.
struct Follow {
    link: InviteLink,
    seed: TopicSeed,
    topic: Topic,
    seal: SealKey,
    incoming: Assembler,
    retry_at: Option<Time>,
    retry_ms: u64,
}

impl Join {
    pub(crate) fn of(record: JoinRecord) -> Result<Self, Error> {
        let follow = match &record.side {
            Side::Inviter { .. } => None,
            Side::Joiner { link, .. } => {
                let link: InviteLink = link.parse().map_err(|_| Error::Internal("stored link"))?;
                let seed = link.topic_seed();
                Some(Follow {
                    topic: seed.topic(),
                    seal: link.seal_key(),
                    seed,
                    link,
                    incoming: Assembler::default(),
                    retry_at: None,
                    retry_ms: RETRY_FIRST_MS,
                })
            }
        };
        Ok(Self { record, follow })
    }

    /// The invite of ours that it came by.
    pub(crate) fn invite(&self) -> Option<u32> {
        match &self.record.side {
            Side::Inviter { invite, .. } => Some(*invite),
            Side::Joiner { .. } => None,
        }
    }

    fn is_open(&self) -> bool {
        matches!(
            self.record.state,
            StateOfJoin::Knocking | StateOfJoin::Waiting | StateOfJoin::Approved
        )
    }

    fn relays(&self) -> Vec<RelayUrl> {
        self.follow
            .as_ref()
            .map(|follow| follow.link.relays().to_vec())
            .unwrap_or_default()
    }
}

impl Engine {
    pub(crate) fn load_joins(&mut self) -> Result<(), Error> {
        self.joins = std::collections::BTreeMap::new();
        for (number, record) in self.scan::<JoinRecord>(table::JOIN, &[])? {
            let number = u32::try_from(number).map_err(|_| Error::Internal("join number"))?;
            self.joins.insert(number, Join::of(record)?);
        }
        Ok(())
    }

    pub(crate) fn add_join(&mut self, join: Join) -> Result<u32, Error> {
        let number = self
            .joins
            .keys()
            .last()
            .map_or(1, |last| last.saturating_add(1));
        self.put(table::JOIN, &table::one(number), &join.record)?;
        self.joins.insert(number, join);
        self.topics_stale = true;
        Ok(number)
    }

    pub(crate) fn save_join(&mut self, number: u32, record: JoinRecord) -> Result<(), Error> {
        self.put(table::JOIN, &table::one(number), &record)?;
        let shown = record.state != StateOfJoin::Knocking || self.is_outgoing(number);
        let view = join_view(&record);
        if let Some(join) = self.joins.get_mut(&number) {
            join.record = record;
        }
        self.topics_stale = true;
        if shown {
            self.event(Event::JoinChanged { join: view });
        }
        Ok(())
    }

    fn is_outgoing(&self, number: u32) -> bool {
        self.joins
            .get(&number)
            .is_some_and(|join| join.follow.is_some())
    }

    /// Follows an invite. Returns the id of the join; the inviter's window shows the same code.
    ///
    /// # Errors
    /// [`Error::InvalidInvite`], [`Error::InviteExpired`], [`Error::OwnInvite`],
    /// [`Error::NoAccount`].
    pub fn invite_accept(&mut self, url: &str, now: Time) -> Result<String, Error> {
        let link: InviteLink = url.parse().map_err(|_| Error::InvalidInvite)?;
        if link.expires() <= now {
            return Err(Error::InviteExpired);
        }
        if self
            .invites
            .values()
            .any(|invite| invite.record.pin == *link.pin())
        {
            return Err(Error::OwnInvite);
        }
        let text = link.to_string();
        let same = |join: &&Join| {
            join.is_open()
                && matches!(&join.record.side, Side::Joiner { link, .. } if *link == text)
        };
        if let Some(join) = self.joins.values().find(same) {
            return Ok(join_view(&join.record).id);
        }
        self.atomically(|engine| {
            if engine.relay.is_none()
                && let Some(relay) = link.relays().first()
            {
                engine.relay_set(&relay.to_string(), now)?;
            }
            let knock = engine.random();
            let (key_packages, request) = engine.join_request(link.pin(), &knock)?;
            let record = JoinRecord {
                knock,
                name: String::new(),
                code: String::new(),
                state: StateOfJoin::Knocking,
                group: None,
                since: now,
                side: Side::Joiner {
                    link: text,
                    request,
                    key_packages,
                    sealed: None,
                    inviter: None,
                    nonce: None,
                },
            };
            let view = join_view(&record);
            engine.add_join(Join::of(record)?)?;
            Ok(view.id)
        })
    }

    fn join_request(
        &mut self,
        pin: &[u8; 32],
        knock: &[u8; 16],
    ) -> Result<(Vec<u32>, Vec<u8>), Error> {
        let (numbers, key_packages) = self.new_key_packages(KEY_PACKAGES)?;
        let salt = self.random();
        let me = self.me()?;
        let mut request = JoinRequest {
            salt,
            name: me.record.name.clone(),
            account: *me.id.as_bytes(),
            mailbox: me.mailbox.public().as_bytes().to_vec(),
            key_packages,
            signature: Vec::new(),
        };
        let bytes = request.signed_bytes(pin, knock);
        request.signature = me.key.sign(JoinRequest::LABEL, &bytes).to_vec();
        let encoded = request
            .encode()
            .map_err(|_| Error::Internal("join request"))?;
        Ok((numbers, encoded.to_vec()))
    }

    /// Joins that wait for somebody: requests to be answered here, and invites followed from
    /// here that have not led anywhere yet.
    ///
    /// # Errors
    /// None; the signature leaves room.
    pub fn join_list(&self, _now: Time) -> Result<Vec<JoinView>, Error> {
        let shown = |join: &&Join| match (&join.follow, join.record.state) {
            (None, state) => state == StateOfJoin::Waiting,
            (Some(_), state) => state != StateOfJoin::Done,
        };
        Ok(self
            .joins
            .values()
            .filter(shown)
            .map(|join| join_view(&join.record))
            .collect())
    }

    pub(crate) fn join_number(&self, id: &str) -> Result<u32, Error> {
        self.joins
            .iter()
            .find(|(_, join)| join_view(&join.record).id == id)
            .map(|(number, _)| *number)
            .ok_or(Error::NotFound("request"))
    }

    /// Joins by invites of others that are not over.
    pub(crate) fn open_outgoing_joins(&self) -> Vec<u32> {
        let is_open = |(_, join): &(&u32, &Join)| join.is_open() && join.follow.is_some();
        let open = self.joins.iter().filter(is_open);
        open.map(|(number, _)| *number).collect()
    }

    pub(crate) fn join_topics(&self) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        for (number, join) in &self.joins {
            let Some(follow) = &join.follow else { continue };
            if !join.is_open() && join.record.state != StateOfJoin::Done {
                continue;
            }
            wanted.extend(join.relays().into_iter().map(|relay| Wanted {
                relay,
                topic: follow.topic,
                seed: follow.seed.clone(),
                purpose: Purpose::Join(*number),
            }));
        }
        wanted
    }

    pub(crate) fn joins_next_timeout(&self) -> Option<Time> {
        self.joins
            .values()
            .flat_map(|join| {
                let retry = join.follow.as_ref().and_then(|follow| follow.retry_at);
                [retry.filter(|_| join.is_open()), Some(join.ends())]
            })
            .flatten()
            .min()
    }

    pub(crate) fn joins_timeout(&mut self, now: Time) -> Result<(), Error> {
        let numbers: Vec<u32> = self.joins.keys().copied().collect();
        for number in numbers {
            let Some(join) = self.joins.get(&number) else {
                continue;
            };
            let retry = join.follow.as_ref().and_then(|follow| follow.retry_at);
            if join.ends() <= now {
                self.end_join(number, now)?;
            } else if join.is_open() && retry.is_some_and(|at| at <= now) {
                self.join_speak(number, now)?;
            }
        }
        Ok(())
    }

    /// A join that got nowhere is shown as expired for a while; one that is over is forgotten.
    fn end_join(&mut self, number: u32, now: Time) -> Result<(), Error> {
        let mut record = held_record(&self.joins, number)?;
        let open = self.joins.get(&number).is_some_and(Join::is_open);
        if open && self.is_outgoing(number) {
            record.state = StateOfJoin::Expired;
            record.since = now;
            return self.save_join(number, record);
        }
        if let Side::Joiner { key_packages, .. } = &record.side {
            // Once we are in, the inviter keeps the spare ones to add us to other groups.
            let over = match record.state {
                StateOfJoin::Done => KEY_PACKAGES_FOR_ADD,
                StateOfJoin::Knocking
                | StateOfJoin::Waiting
                | StateOfJoin::Approved
                | StateOfJoin::Denied
                | StateOfJoin::Expired => key_packages.len(),
            };
            for package in key_packages.iter().take(over) {
                self.key_packages.remove(package);
                self.delete(table::KEY_PACKAGE, &table::one(*package))?;
            }
        }
        self.joins.remove(&number);
        self.admitted_anew(number);
        self.delete(table::JOIN, &table::one(number))?;
        self.topics_stale = true;
        Ok(())
    }

    /// We are listening on the topic of an invite that we follow.
    pub(crate) fn join_attached(&mut self, number: u32, now: Time) -> Result<(), Error> {
        if let Some(follow) = self
            .joins
            .get_mut(&number)
            .and_then(|join| join.follow.as_mut())
        {
            follow.retry_ms = RETRY_FIRST_MS;
        }
        self.join_speak(number, now)
    }

    /// Says what the inviter has to hear next, and plans to say it again.
    fn join_speak(&mut self, number: u32, now: Time) -> Result<(), Error> {
        let Some(join) = self.joins.get_mut(&number) else {
            return Ok(());
        };
        let knock = join.record.knock;
        if let Some(follow) = &mut join.follow {
            follow.retry_at = Some(now.plus_ms(follow.retry_ms));
            follow.retry_ms = (follow.retry_ms.saturating_mul(3) / 2).min(RETRY_MAX_MS);
        }
        let Side::Joiner {
            request, sealed, ..
        } = &join.record.side
        else {
            return Ok(());
        };
        let message = match (join.record.state, sealed) {
            (StateOfJoin::Done, _) => InviteMessage::Welcomed { knock },
            (_, Some(sealed)) if join.is_open() => InviteMessage::Request {
                knock,
                sealed: sealed.clone(),
            },
            (_, None) if join.is_open() => InviteMessage::Knock {
                knock,
                commitment: handshake::commitment(request),
            },
            _ => return Ok(()),
        };
        self.join_send(number, &message)
    }

    fn join_send(&mut self, number: u32, message: &InviteMessage) -> Result<(), Error> {
        let object = self.random();
        let follow = self
            .joins
            .get(&number)
            .and_then(|join| join.follow.as_ref());
        let Some(follow) = follow else { return Ok(()) };
        let frames = invite_frames(&follow.seal, message, object, &mut self.rng)?;
        let topic = follow.topic;
        for frame in frames {
            self.network
                .publish(topic, &frame, Carried::Transient, &mut self.effects);
        }
        Ok(())
    }

    /// A frame on the topic of an invite that we follow.
    pub(crate) fn join_frame(&mut self, number: u32, frame: &[u8], now: Time) -> Result<(), Error> {
        let Some(join) = self.joins.get_mut(&number) else {
            return Ok(());
        };
        let ours = join.record.knock;
        let Some(follow) = &mut join.follow else {
            return Ok(());
        };
        let Some(message) = invite_message(&follow.seal, &mut follow.incoming, frame) else {
            return Ok(());
        };
        match message {
            InviteMessage::Here => self.join_speak(number, now),
            InviteMessage::Key {
                knock,
                public,
                account,
                name,
                nonce,
            } if knock == ours => self.take_key(number, &public, &account, &name, nonce, now),
            InviteMessage::Admitted { knock, sealed } if knock == ours => {
                self.take_admission(number, &sealed, now)?;
                self.hear_again(number);
                Ok(())
            }
            InviteMessage::Denied { knock } if knock == ours => {
                self.close_join(number, StateOfJoin::Denied, now)
            }
            InviteMessage::Gone { knock } if knock == ours => {
                self.close_join(number, StateOfJoin::Expired, now)
            }
            InviteMessage::Admitted { .. }
            | InviteMessage::Denied { .. }
            | InviteMessage::Gone { .. }
            | InviteMessage::Key { .. }
            | InviteMessage::Knock { .. }
            | InviteMessage::Received { .. }
            | InviteMessage::Request { .. }
            | InviteMessage::Welcomed { .. } => Ok(()),
        }
    }

    /// The inviter's key: checked against the link's pin, then the request is revealed to it
    /// (protocol §7.2.3).
    #[expect(clippy::too_many_arguments, reason = "the fields of one message")]
    fn take_key(
        &mut self,
        number: u32,
        public: &[u8],
        account: &[u8; 32],
        name: &str,
        nonce: [u8; 16],
        now: Time,
    ) -> Result<(), Error> {
        let Some(join) = self.joins.get(&number) else {
            return Ok(());
        };
        let Some(follow) = &join.follow else {
            return Ok(());
        };
        let pin = *follow.link.pin();
        if handshake::pin(public, account) != pin || join.record.state != StateOfJoin::Knocking {
            return Ok(());
        }
        let mut record = join.record.clone();
        let Side::Joiner {
            request,
            sealed,
            inviter,
            nonce: known,
            ..
        } = &mut record.side
        else {
            return Ok(());
        };
        let to = HybridPublic::from_bytes(public)?;
        *sealed =
            Some(
                self.core()?
                    .hybrid_seal(&to, handshake::REQUEST_INFO, &record.knock, request)?,
            );
        *inviter = Some(AccountId::from_bytes(*account));
        *known = Some(nonce);
        record.code = handshake::code(&pin, &nonce, request);
        record.name = handshake::clean_name(name).unwrap_or_default();
        record.state = StateOfJoin::Waiting;
        self.save_join(number, record)?;
        self.join_speak(number, now)
    }

    /// What came whole and did not let us in is taken whole once more, although it is cut into the same chunks.
    fn hear_again(&mut self, number: u32) {
        let join = self.joins.get_mut(&number).filter(|join| join.is_open());
        if let Some(follow) = join.and_then(|join| join.follow.as_mut()) {
            follow.incoming = Assembler::default();
        }
    }

    fn take_admission(&mut self, number: u32, sealed: &[u8], now: Time) -> Result<(), Error> {
        let Some(join) = self.joins.get(&number) else {
            return Ok(());
        };
        let Some(follow) = &join.follow else {
            return Ok(());
        };
        let (pin, knock) = (*follow.link.pin(), join.record.knock);
        let Side::Joiner { inviter, .. } = &join.record.side else {
            return Ok(());
        };
        let inviter = *inviter;
        let opened = self
            .me()?
            .mailbox
            .open(handshake::ADMISSION_INFO, &knock, sealed);
        let Some(admission) = opened.ok().and_then(|bytes| Admission::decode(&bytes)) else {
            return Ok(());
        };
        if inviter.map(|account| *account.as_bytes()) != Some(admission.inviter_account) {
            return Ok(());
        }
        match self.atomically(|engine| engine.enter_group(&admission, (pin, knock), now)) {
            Ok(group) => {
                let mut record = held_record(&self.joins, number)?;
                record.state = StateOfJoin::Done;
                record.group = Some(group);
                record.since = now;
                self.save_join(number, record)?;
            }
            Err(error) if error.is_fatal() => return Err(error),
            // The same Welcome once more: its KeyPackage is used, and we are in.
            Err(_) => {}
        }
        if self
            .joins
            .get(&number)
            .is_some_and(|join| join.record.state == StateOfJoin::Done)
        {
            self.join_send(number, &InviteMessage::Welcomed { knock })?;
        }
        Ok(())
    }

    pub(crate) fn close_join(
        &mut self,
        number: u32,
        state: StateOfJoin,
        now: Time,
    ) -> Result<(), Error> {
        let mut record = held_record(&self.joins, number)?;
        if !self.joins.get(&number).is_some_and(Join::is_open) {
            return Ok(());
        }
        record.state = state;
        record.since = now;
        self.save_join(number, record)
    }
}

impl Join {
    /// When it is given up, or forgotten once it is over.
    fn ends(&self) -> Time {
        match (&self.follow, self.record.state) {
            (Some(follow), _) if self.is_open() => follow.link.expires(),
            (Some(_), StateOfJoin::Done) => self.record.since.plus_ms(LINGER_MS),
            (Some(_), _) | (None, StateOfJoin::Denied | StateOfJoin::Knocking) => {
                self.record.since.plus_ms(OVER_MS)
            }
            (None, _) => self.record.since.plus_ms(OVER_MS.saturating_mul(30)),
        }
    }
}

/// A join as front ends see it.
pub(crate) fn join_view(record: &JoinRecord) -> JoinView {
    let direction = match record.side {
        Side::Inviter { .. } => Direction::Incoming,
        Side::Joiner { .. } => Direction::Outgoing,
    };
    // A join has the form of a group id: 16 random bytes as 22 characters.
    let id = sori_mls::GroupId::from_bytes(record.knock).to_string();
    JoinView {
        id,
        name: record.name.clone(),
        code: record.code.clone(),
        direction,
        state: record.state.into(),
        group: record.group.map(|group| group.to_string()),
    }
}
