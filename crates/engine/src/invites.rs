//! Invites, from the inviter's side (protocol §7).

use sori_mls::{AccountId, Conversation, GroupId, JoinPolicy, Role};
use sori_wire::{Topic, TopicSeed};
use zeroize::Zeroizing;

use crate::chunk::{self, Assembler, Chunk};
use crate::engine::Engine;
use crate::error::Error;
use crate::groups::refused;
use crate::handshake::{self, Admission, InviteMessage, JoinRequest};
use crate::invite_link::{InviteKind, InviteLink};
use crate::joins::{Join, join_view};
use crate::messages::parse_group;
use crate::network::{Carried, Purpose, Wanted};
use crate::record::{Delivery, InviteRecord, JoinRecord, Side, StateOfJoin, Wish};
use crate::seal::SealKey;
use crate::table;
use crate::time::Time;
use crate::view::Event;

/// Associated data of the frames on an invite's topic.
const INVITE_AAD: &[u8] = b"sori invite frame 1";
/// How long an invite is good if nothing else is asked for, in seconds: seven days.
const EXPIRES_DEFAULT_S: u64 = 7 * 86_400;
/// Longest that an invite can be good, in seconds: 90 days, as long as a KeyPackage lives.
const EXPIRES_MAX_S: u64 = 84 * 86_400;
/// Most invites open at once, each a topic to listen on.
const INVITES_MAX: usize = 64;
/// Most invites that are used up and still listened on, to say so to who comes too late and to let somebody in once more
/// whose commit lost (protocol §7.3.3). Those made first are forgotten first.
const USED_UP_MAX: usize = 128;
/// Most knocks and requests on one invite that nobody has answered. Somebody with the link gains
/// this many rows.
const KNOCKS_MAX: usize = 64;
/// KeyPackages of a joiner that stay with the wish to add it, in case its commit loses.
pub(crate) const KEY_PACKAGES_FOR_ADD: usize = 2;

/// What kind of invite to make.
#[derive(Clone, Debug, Default)]
pub struct InviteOptions {
    /// Id of the group it leads to; none for a conversation of two.
    pub group: Option<String>,
    /// How many may use it. Without a number: one for a conversation, any number for a group.
    pub uses: Option<u32>,
    /// After how many seconds it expires, 60 to 7,257,600 (84 days); seven days if not given.
    pub expires_s: Option<u64>,
}

/// An invite of ours with what is derived from it.
pub(crate) struct Invite {
    pub(crate) record: InviteRecord,
    seed: TopicSeed,
    topic: Topic,
    seal: SealKey,
    incoming: Assembler,
}

impl Engine {
    pub(crate) fn load_invites(&mut self) -> Result<(), Error> {
        self.invites = std::collections::BTreeMap::new();
        for (number, record) in self.scan::<InviteRecord>(table::INVITE, &[])? {
            let number = u32::try_from(number).map_err(|_| Error::Internal("invite number"))?;
            self.invites.insert(number, Invite::of(record)?);
        }
        Ok(())
    }

    /// Makes an invite: a link to be given to somebody by another way.
    ///
    /// # Errors
    /// [`Error::NoAccount`], [`Error::NoRelay`], [`Error::NotFound`] and [`Error::NotAllowed`] for
    /// the group, [`Error::OutOfBounds`] for the numbers and for more than 64 open invites.
    pub fn invite_create(&mut self, options: InviteOptions, now: Time) -> Result<String, Error> {
        let expires_s = options.expires_s.unwrap_or(EXPIRES_DEFAULT_S);
        if !(60..=EXPIRES_MAX_S).contains(&expires_s) {
            return Err(Error::OutOfBounds {
                what: "an expiry",
                bounds: "60 to 7257600 seconds",
            });
        }
        if options.uses == Some(0) {
            return Err(Error::OutOfBounds {
                what: "uses",
                bounds: "at least 1",
            });
        }
        let used_up = self.invites_used_up();
        if self.invites.len().saturating_sub(used_up.len()) >= INVITES_MAX {
            return Err(Error::OutOfBounds {
                what: "open invites",
                bounds: "at most 64",
            });
        }
        let group = options.group.as_deref().map(parse_group).transpose()?;
        self.atomically(|engine| {
            let me = engine.me()?.id;
            let relay = engine.relay.clone().ok_or(Error::NoRelay)?;
            if let Some(id) = group {
                engine.check_may_admit(id)?;
            }
            let hybrid: [u8; 32] = engine.random();
            let public = engine.core()?.hybrid_key(&hybrid)?;
            let record = InviteRecord {
                seed: engine.random(),
                hybrid,
                pin: handshake::pin(public.public().as_bytes(), me.as_bytes()),
                group,
                relay,
                uses_left: match group {
                    None => Some(options.uses.unwrap_or(1)),
                    Some(_) => options.uses,
                },
                expires: now.plus_ms(expires_s.saturating_mul(1000)),
            };
            let link = link_of(&record)?.to_string();
            let number = engine.next_invite();
            engine.put(table::INVITE, &table::one(number), &record)?;
            engine.invites.insert(number, Invite::of(record)?);
            engine.topics_stale = true;
            let too_many = used_up.len().saturating_sub(USED_UP_MAX);
            for number in used_up.into_iter().take(too_many) {
                engine.forget_invite(number)?;
            }
            Ok(link)
        })
    }

    /// A number that no invite has, nor had when somebody asked by it: the question outlives the invite.
    fn next_invite(&self) -> u32 {
        let asked = self.joins.values().filter_map(Join::invite);
        let last = self.invites.keys().copied().chain(asked).max();
        last.map_or(1, |last| last.saturating_add(1))
    }

    /// Invites by which nobody can come any more, nor is on the way in: in the order in which they were made.
    fn invites_used_up(&self) -> Vec<u32> {
        let on_the_way = |number: u32| {
            let mut joins = self.joins.values();
            joins.any(|join| {
                join.record.state == StateOfJoin::Approved && join.invite() == Some(number)
            })
        };
        let used_up = self
            .invites
            .iter()
            .filter(|(number, invite)| invite.record.uses_left == Some(0) && !on_the_way(**number));
        used_up.map(|(number, _)| *number).collect()
    }

    fn check_may_admit(&mut self, id: GroupId) -> Result<(), Error> {
        let me = self.me()?.id;
        self.with_group(id, |engine, group| {
            group.check_active()?;
            let data = engine.group_data(group)?;
            let admin = data.role_of(&me) != Role::Member;
            if data.direct == Conversation::Direct
                || (data.join_policy == JoinPolicy::Admins && !admin)
            {
                return Err(Error::NotAllowed);
            }
            Ok(())
        })
    }

    pub(crate) fn invite_topics(&self, now: Time) -> Vec<Wanted> {
        self.invites
            .iter()
            .filter(|(_, invite)| invite.record.expires > now)
            .map(|(number, invite)| Wanted {
                relay: invite.record.relay.clone(),
                topic: invite.topic,
                seed: invite.seed.clone(),
                purpose: Purpose::Invite(*number),
            })
            .collect()
    }

    pub(crate) fn invites_next_timeout(&self) -> Option<Time> {
        self.invites
            .values()
            .map(|invite| invite.record.expires)
            .min()
    }

    /// Forgets invites that have expired, with their keys.
    pub(crate) fn invites_timeout(&mut self, now: Time) -> Result<(), Error> {
        let over: Vec<u32> = self
            .invites
            .iter()
            .filter(|(_, invite)| invite.record.expires <= now)
            .map(|(number, _)| *number)
            .collect();
        over.into_iter()
            .try_for_each(|number| self.forget_invite(number))
    }

    fn forget_invite(&mut self, number: u32) -> Result<(), Error> {
        self.invites.remove(&number);
        self.delete(table::INVITE, &table::one(number))?;
        self.topics_stale = true;
        Ok(())
    }

    /// We are listening on an invite's topic: whoever waits there may knock again.
    pub(crate) fn invite_attached(&mut self, number: u32) -> Result<(), Error> {
        self.invite_send(number, &InviteMessage::Here)
    }

    fn invite_send(&mut self, number: u32, message: &InviteMessage) -> Result<(), Error> {
        let object = self.random();
        let Some(invite) = self.invites.get(&number) else {
            return Ok(());
        };
        let frames = invite_frames(&invite.seal, message, object, &mut self.rng)?;
        let topic = invite.topic;
        for frame in frames {
            self.network
                .publish(topic, &frame, Carried::Transient, &mut self.effects);
        }
        Ok(())
    }

    /// A frame on an invite of ours.
    pub(crate) fn invite_frame(
        &mut self,
        number: u32,
        frame: &[u8],
        now: Time,
    ) -> Result<(), Error> {
        let Some(invite) = self.invites.get_mut(&number) else {
            return Ok(());
        };
        let Some(message) = invite_message(&invite.seal, &mut invite.incoming, frame) else {
            return Ok(());
        };
        match message {
            InviteMessage::Knock { knock, commitment } => {
                self.take_knock(number, knock, commitment, now)
            }
            InviteMessage::Request { knock, sealed } => {
                self.take_request(number, knock, &sealed, now)
            }
            InviteMessage::Welcomed { knock } => self.take_welcomed(number, knock),
            InviteMessage::Admitted { .. }
            | InviteMessage::Denied { .. }
            | InviteMessage::Gone { .. }
            | InviteMessage::Here
            | InviteMessage::Key { .. }
            | InviteMessage::Received { .. } => Ok(()),
        }
    }

    fn take_knock(
        &mut self,
        number: u32,
        knock: [u8; 16],
        commitment: [u8; 32],
        now: Time,
    ) -> Result<(), Error> {
        if let Some(join) = self.incoming_join(number, &knock) {
            return self.answer_knock(number, join, now);
        }
        let Some(invite) = self.invites.get(&number) else {
            return Ok(());
        };
        if invite.record.uses_left == Some(0) || invite.record.expires <= now {
            return self.invite_send(number, &InviteMessage::Gone { knock });
        }
        let open = self.joins.values().filter(|join| {
            let unanswered = matches!(
                join.record.state,
                StateOfJoin::Knocking | StateOfJoin::Waiting
            );
            unanswered && join.invite() == Some(number)
        });
        if open.count() >= KNOCKS_MAX {
            return Ok(());
        }
        let record = JoinRecord {
            knock,
            name: String::new(),
            code: String::new(),
            state: StateOfJoin::Knocking,
            group: invite.record.group,
            since: now,
            side: Side::Inviter {
                invite: number,
                commitment,
                nonce: self.random(),
                account: None,
                mailbox: Vec::new(),
                key_packages: Vec::new(),
                admission: None,
            },
        };
        let join = self.add_join(Join::of(record)?)?;
        self.answer_knock(number, join, now)
    }

    /// Says again what the joiner has to hear next.
    fn answer_knock(&mut self, number: u32, join: u32, now: Time) -> Result<(), Error> {
        let Some(held) = self.joins.get(&join) else {
            return Ok(());
        };
        let knock = held.record.knock;
        let Side::Inviter {
            nonce, admission, ..
        } = &held.record.side
        else {
            return Ok(());
        };
        let answer = match (held.record.state, admission) {
            (StateOfJoin::Knocking, _) => {
                let nonce = *nonce;
                let Some(invite) = self.invites.get(&number) else {
                    return Ok(());
                };
                let me = self.me()?;
                InviteMessage::Key {
                    knock,
                    public: me
                        .core
                        .hybrid_key(&invite.record.hybrid)?
                        .public()
                        .as_bytes()
                        .to_vec(),
                    account: *me.id.as_bytes(),
                    name: me.record.name.clone(),
                    nonce,
                }
            }
            (StateOfJoin::Waiting, _) | (StateOfJoin::Approved, None) => {
                InviteMessage::Received { knock }
            }
            (StateOfJoin::Approved | StateOfJoin::Done, Some(_)) => {
                return self.tell_admitted(join, now);
            }
            (StateOfJoin::Denied, _) => InviteMessage::Denied { knock },
            (StateOfJoin::Done | StateOfJoin::Expired, _) => InviteMessage::Gone { knock },
        };
        self.invite_send(number, &answer)
    }

    /// The request to which a knock has committed.
    fn take_request(
        &mut self,
        number: u32,
        knock: [u8; 16],
        sealed: &[u8],
        now: Time,
    ) -> Result<(), Error> {
        let Some(number_of_join) = self.incoming_join(number, &knock) else {
            return Ok(());
        };
        let Some(held) = self.joins.get(&number_of_join) else {
            return Ok(());
        };
        if held.record.state != StateOfJoin::Knocking {
            return self.answer_knock(number, number_of_join, now);
        }
        let Side::Inviter {
            commitment, nonce, ..
        } = &held.record.side
        else {
            return Ok(());
        };
        let (commitment, nonce) = (*commitment, *nonce);
        let Some(invite) = self.invites.get(&number) else {
            return Ok(());
        };
        let (hybrid, pin) = (
            self.core()?.hybrid_key(&invite.record.hybrid)?,
            invite.record.pin,
        );
        let Ok(bytes) = hybrid.open(handshake::REQUEST_INFO, &knock, sealed) else {
            return Ok(());
        };
        if handshake::commitment(&bytes) != commitment {
            return Ok(());
        }
        let Some(request) = JoinRequest::decode(&bytes) else {
            return Ok(());
        };
        let account = AccountId::from_bytes(request.account);
        if !self.is_genuine(&request, &account, &pin, &knock)? {
            return Ok(());
        }
        let mut record = held_record(&self.joins, number_of_join)?;
        record.name.clone_from(&request.name);
        record.code = handshake::code(&pin, &nonce, &bytes);
        record.state = StateOfJoin::Waiting;
        if let Side::Inviter {
            account: known,
            mailbox,
            key_packages,
            ..
        } = &mut record.side
        {
            *known = Some(account);
            mailbox.clone_from(&request.mailbox);
            key_packages.clone_from(&request.key_packages);
        }
        self.save_join(number_of_join, record)?;
        if let Some(join) = self.joins.get(&number_of_join) {
            let join = join_view(&join.record);
            self.event(Event::JoinRequested { join });
        }
        self.answer_knock(number, number_of_join, now)
    }

    /// Whether a request is signed by its account and all its KeyPackages are that account's
    /// (protocol §7.2.4).
    fn is_genuine(
        &self,
        request: &JoinRequest,
        account: &AccountId,
        pin: &[u8; 32],
        knock: &[u8; 16],
    ) -> Result<bool, Error> {
        let core = self.core()?;
        let Ok(signature) = <&[u8; 64]>::try_from(request.signature.as_slice()) else {
            return Ok(false);
        };
        let signed = request.signed_bytes(pin, knock);
        let label = JoinRequest::LABEL;
        Ok(
            sori_mls::verify_account_signature(account, label, &signed, signature).is_ok()
                && request.key_packages.iter().all(|package| {
                    core.inspect_key_package(package)
                        .is_ok_and(|info| info.account == *account)
                }),
        )
    }

    fn take_welcomed(&mut self, number: u32, knock: [u8; 16]) -> Result<(), Error> {
        let Some(join) = self.incoming_join(number, &knock) else {
            return Ok(());
        };
        let mut record = held_record(&self.joins, join)?;
        if record.state != StateOfJoin::Approved {
            return Ok(());
        }
        record.state = StateOfJoin::Done;
        self.admitted_anew(join);
        self.save_join(join, record)
    }

    fn incoming_join(&self, invite: u32, knock: &[u8; 16]) -> Option<u32> {
        self.joins
            .iter()
            .find(|(_, join)| join.record.knock == *knock && join.invite() == Some(invite))
            .map(|(number, _)| *number)
    }

    /// Lets somebody in who asks: into the invite's group, or into a new conversation of two.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::JoinClosed`], [`Error::AlreadyMember`], [`Error::NotAllowed`].
    pub fn join_approve(&mut self, id: &str, now: Time) -> Result<(), Error> {
        let number = self.join_number(id)?;
        self.atomically(|engine| {
            let record = held_record(&engine.joins, number)?;
            let Side::Inviter {
                invite,
                account,
                mailbox,
                mut key_packages,
                ..
            } = record.side
            else {
                return Err(Error::JoinClosed);
            };
            let (Some(account), StateOfJoin::Waiting) = (account, record.state) else {
                return Err(Error::JoinClosed);
            };
            let direct = engine.use_invite(invite)?;
            let spare = key_packages.split_off(key_packages.len().min(KEY_PACKAGES_FOR_ADD));
            engine.meet(account, &record.name, mailbox, spare)?;
            let group = match direct {
                Some(group) => group,
                None => engine.new_group(String::new(), Conversation::Direct, now)?,
            };
            engine.with_group(group, |engine, group| {
                group.record.names.insert(account, record.name);
                let deliver = Delivery::Join { join: number };
                let wish = Wish::Add {
                    account,
                    key_packages,
                    deliver,
                };
                engine.wish(group, wish, now).map_err(refused)
            })?;
            // The Welcome may have to wait; the question is answered.
            let mut record = held_record(&engine.joins, number)?;
            if record.state == StateOfJoin::Waiting {
                record.state = StateOfJoin::Approved;
                record.group = Some(group);
                engine.save_join(number, record)?;
            }
            Ok(())
        })
    }

    /// Somebody whose way in was lost cannot be let in after all: it is told (protocol §5.8.6).
    pub(crate) fn withdraw_join(&mut self, wish: &Wish) -> Result<(), Error> {
        let Wish::Add {
            deliver: Delivery::Join { join },
            ..
        } = wish
        else {
            return Ok(());
        };
        let Ok(mut record) = held_record(&self.joins, *join) else {
            return Ok(());
        };
        let Side::Inviter { invite, .. } = record.side else {
            return Ok(());
        };
        record.state = StateOfJoin::Expired;
        let knock = record.knock;
        self.save_join(*join, record)?;
        self.invite_send(invite, &InviteMessage::Gone { knock })
    }

    /// Counts a use of an invite. The group it leads to.
    fn use_invite(&mut self, number: u32) -> Result<Option<GroupId>, Error> {
        let invite = self.invites.get_mut(&number).ok_or(Error::InviteExpired)?;
        if let Some(uses) = &mut invite.record.uses_left {
            *uses = uses.checked_sub(1).ok_or(Error::JoinClosed)?;
        }
        let group = invite.record.group;
        let encoded = crate::record::encode(&invite.record)?;
        self.put_bytes(table::INVITE, &table::one(number), &encoded)?;
        Ok(group)
    }

    /// Says no to somebody who asks.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::JoinClosed`].
    pub fn join_deny(&mut self, id: &str, _now: Time) -> Result<(), Error> {
        let number = self.join_number(id)?;
        self.atomically(|engine| {
            let mut record = held_record(&engine.joins, number)?;
            let Side::Inviter { invite, .. } = record.side else {
                return Err(Error::JoinClosed);
            };
            if record.state != StateOfJoin::Waiting {
                return Err(Error::JoinClosed);
            }
            record.state = StateOfJoin::Denied;
            let knock = record.knock;
            engine.save_join(number, record)?;
            engine.invite_send(invite, &InviteMessage::Denied { knock })
        })
    }

    /// Sends an admission to a joiner, now and whenever it asks again.
    pub(crate) fn admit(
        &mut self,
        number: u32,
        mut admission: Admission,
        now: Time,
    ) -> Result<(), Error> {
        let mut record = held_record(&self.joins, number)?;
        let knock = record.knock;
        let Side::Inviter {
            invite,
            mailbox,
            admission: kept,
            ..
        } = &mut record.side
        else {
            return Err(Error::JoinClosed);
        };
        let invite = *invite;
        let pin = self
            .invites
            .get(&invite)
            .ok_or(Error::InviteExpired)?
            .record
            .pin;
        self.sign_admission(&mut admission, (pin, knock))?;
        let encoded = admission
            .encode()
            .map_err(|_| Error::Internal("admission"))?;
        let to = sori_mls::HybridPublic::from_bytes(mailbox)?;
        let sealed = self
            .core()?
            .hybrid_seal(&to, handshake::ADMISSION_INFO, &knock, &encoded)?;
        *kept = Some(sealed);
        record.state = StateOfJoin::Approved;
        record.group = Some(GroupId::from_bytes(admission.group));
        self.save_join(number, record)?;
        self.admitted_anew(number);
        self.tell_admitted(number, now)
    }
}

impl Invite {
    fn of(record: InviteRecord) -> Result<Self, Error> {
        let link = link_of(&record)?;
        let seed = link.topic_seed();
        Ok(Self {
            topic: seed.topic(),
            seed,
            seal: link.seal_key(),
            incoming: Assembler::default(),
            record,
        })
    }

    pub(crate) const fn topic(&self) -> Topic {
        self.topic
    }

    pub(crate) const fn seal(&self) -> &SealKey {
        &self.seal
    }
}

fn link_of(record: &InviteRecord) -> Result<InviteLink, Error> {
    let kind = if record.group.is_some() {
        InviteKind::Group
    } else {
        InviteKind::Contact
    };
    let seed = Zeroizing::new(record.seed);
    InviteLink::new(
        vec![record.relay.clone()],
        seed,
        record.pin,
        kind,
        record.expires,
        None,
    )
    .map_err(|_| Error::Internal("invite link"))
}

pub(crate) fn held_record(
    joins: &std::collections::BTreeMap<u32, Join>,
    number: u32,
) -> Result<JoinRecord, Error> {
    joins
        .get(&number)
        .map(|join| join.record.clone())
        .ok_or(Error::NotFound("request"))
}

/// A message of an invite's topic as sealed frames.
pub(crate) fn invite_frames(
    seal: &SealKey,
    message: &InviteMessage,
    object: [u8; 8],
    rng: &mut rand_chacha::ChaCha20Rng,
) -> Result<Vec<Vec<u8>>, Error> {
    let encoded = message
        .encode()
        .map_err(|_| Error::Internal("invite message"))?;
    let chunks = chunk::split(&encoded, object).map_err(|_| Error::Internal("invite message"))?;
    chunks
        .iter()
        .map(|chunk| {
            seal.seal(INVITE_AAD, chunk, rng)
                .map_err(|_| Error::Internal("seal"))
        })
        .collect()
}

/// The message that a frame of an invite's topic completes, if any.
pub(crate) fn invite_message(
    seal: &SealKey,
    incoming: &mut Assembler,
    frame: &[u8],
) -> Option<InviteMessage> {
    let plain = seal.open(INVITE_AAD, frame)?;
    let whole = incoming.push(Chunk::parse(&plain)?)?;
    InviteMessage::decode(&whole)
}
