//! Fetching a file: asking who has it, and taking it piece by piece (protocol §9.4, §9.5).

use std::collections::BTreeSet;

use sori_mls::GroupId;
use sori_wire::TopicSeed;

use super::sealed::{PieceHash, hash, sealed_len};
use super::shelf::Named;
use super::talk::{Talk, WINDOW};
use super::{ASK_AGAIN_MS, DOUBLINGS_MAX, SEEN_MAX, SILENCE_MS, Side, TRANSFERS_MAX, Transfer};
use crate::engine::Engine;
use crate::envelope::ChannelMessage;
use crate::error::Error;
use crate::network::{Carried, Purpose};
use crate::seal::SealKey;
use crate::session::EnvelopeId;
use crate::time::Time;

/// Associated data of what the giver and the taker send: a frame sent back does not open.
pub(super) const GIVER_AAD: &[u8] = b"sori file 1 giver";
pub(super) const TAKER_AAD: &[u8] = b"sori file 1 taker";

impl Side {
    /// Associated data of our frames and of the peer's.
    const fn aad(&self) -> [&'static [u8]; 2] {
        match self {
            Self::Giving(_) => [GIVER_AAD, TAKER_AAD],
            Self::Taking { .. } => [TAKER_AAD, GIVER_AAD],
        }
    }
}

/// What a message makes of a transfer.
enum Next {
    /// It goes on.
    On,
    /// It is over, and everything is there.
    Over,
    /// The peer makes no sense.
    Nonsense,
}

impl Engine {
    /// Something is missing that may be there: asks in a moment.
    pub(crate) fn ask_soon(&mut self) {
        self.files.vain = 0;
        self.files.ask_at = Some(Time::default());
    }

    /// Asks on the channels of what is missing who has it.
    fn ask_for_files(&mut self, now: Time) -> Result<(), Error> {
        self.files.asked.clear();
        self.files.ask_at = None;
        let missing = self.files.missing();
        if missing.is_empty() {
            return Ok(());
        }
        let doubled = 1_u64
            .checked_shl(self.files.vain.min(DOUBLINGS_MAX))
            .unwrap_or(1);
        let wait = ASK_AGAIN_MS.saturating_mul(doubled);
        self.files.vain = self.files.vain.saturating_add(1);
        self.files.ask_at = Some(now.plus_ms(wait.saturating_add(self.below(wait))));
        for file in missing.into_iter().take(TRANSFERS_MAX) {
            let Some(channel) = self.meeting_place(&file.group) else {
                continue;
            };
            let nonce = u64::from_be_bytes(self.random());
            self.files.asked.insert(nonce, (channel, file));
            let question = ChannelMessage::WhoHas {
                nonce,
                file: file.id.0,
            };
            self.send_transient(channel, &question, now)?;
        }
        Ok(())
    }

    /// The channel of a group's head, if others may be there.
    fn meeting_place(&self, group: &GroupId) -> Option<u32> {
        let channel = self.groups.get(group)?.channel().ok()?;
        let is_here =
            |purpose| matches!(purpose, Purpose::Channel { channel: c, .. } if c == channel);
        self.network.is_attached(is_here).then_some(channel)
    }

    /// Somebody has what was asked for.
    pub(crate) fn take_here(&mut self, channel: u32, nonce: u64, seed: [u8; 32], now: Time) {
        // Whoever meant to answer need not.
        self.files.answers.retain(|planned| planned.nonce != nonce);
        let Some((_, file)) = self
            .files
            .asked
            .remove(&nonce)
            .filter(|(on, _)| *on == channel)
        else {
            return;
        };
        let taking = self.files.count(|side| matches!(side, Side::Taking { .. }));
        if self.files.is_taking(&file) || taking >= TRANSFERS_MAX {
            return;
        }
        let side = Side::Taking {
            asked_to: 0,
            hashes: Vec::new(),
        };
        self.begin_transfer(channel, file, TopicSeed::from_bytes(seed), side, now);
    }

    /// Begins a transfer on a one-time topic, at the relays of a channel.
    pub(super) fn begin_transfer(
        &mut self,
        channel: u32,
        file: Named,
        seed: TopicSeed,
        side: Side,
        now: Time,
    ) {
        let relays = self.network.relays_of(
            |purpose| matches!(purpose, Purpose::Channel { channel: c, .. } if c == channel),
        );
        let number = self.files.next_transfer;
        self.files.next_transfer = number.wrapping_add(1);
        let transfer = Transfer {
            file,
            side,
            relays,
            topic: seed.topic(),
            seal: SealKey::derive(seed.as_bytes(), "file", &[]),
            seed,
            seen: BTreeSet::new(),
            until: now.plus_ms(SILENCE_MS),
        };
        self.files.transfers.insert(number, transfer);
        self.topics_stale = true;
    }

    /// The one-time topic is attached.
    pub(crate) fn file_attached(&mut self, number: u64, now: Time) -> Result<(), Error> {
        let Some(transfer) = self.files.transfers.get_mut(&number) else {
            return Ok(());
        };
        let file = transfer.file;
        if let Side::Giving(question) = &mut transfer.side {
            let Some((channel, nonce)) = question.take() else {
                return Ok(());
            };
            let seed = *transfer.seed.as_bytes();
            return self.send_transient(channel, &ChannelMessage::Here { nonce, seed }, now);
        }
        let hashes = self.hashes(&file)?.unwrap_or_default();
        if let Some(transfer) = self.files.transfers.get_mut(&number)
            && let Side::Taking { hashes: known, .. } = &mut transfer.side
        {
            *known = hashes;
        }
        self.file_changed(&file)?;
        self.ask_on(number)
    }

    /// Asks the giver for what comes next.
    fn ask_on(&mut self, number: u64) -> Result<(), Error> {
        let Some(transfer) = self.files.transfers.get_mut(&number) else {
            return Ok(());
        };
        let Side::Taking { asked_to, hashes } = &mut transfer.side else {
            return Ok(());
        };
        if hashes.is_empty() {
            return self.file_send(number, &Talk::AskHashes);
        }
        let Some((_, record)) = self.files.known.get(&transfer.file) else {
            return Ok(());
        };
        let from = record.have;
        let count = record.count().saturating_sub(from).min(WINDOW);
        *asked_to = from.saturating_add(count);
        match count {
            0 => Ok(()),
            count => self.file_send(number, &Talk::AskPieces { from, count }),
        }
    }

    pub(crate) fn file_send(&mut self, number: u64, talk: &Talk) -> Result<(), Error> {
        let Some((transfer, encoded)) = self.files.transfers.get(&number).zip(talk.encode()) else {
            return Ok(());
        };
        let [ours, _] = transfer.side.aad();
        let sealed = transfer
            .seal
            .seal(ours, &encoded, &mut self.rng)
            .map_err(|_| Error::Internal("seal"))?;
        let topic = transfer.topic;
        self.network
            .publish(topic, &sealed, Carried::Transient, &mut self.effects);
        Ok(())
    }

    /// A frame on the one-time topic. What makes no sense ends it.
    pub(crate) fn file_frame(&mut self, number: u64, frame: &[u8], now: Time) -> Result<(), Error> {
        let Some(transfer) = self.files.transfers.get_mut(&number) else {
            return Ok(());
        };
        if transfer.seen.len() >= SEEN_MAX {
            transfer.seen.clear();
        }
        if !transfer.seen.insert(EnvelopeId::of(frame)) {
            return Ok(());
        }
        let [_, theirs] = transfer.side.aad();
        // Only the peer's word keeps it going, not noise that the relay makes.
        let Some(plain) = transfer.seal.open(theirs, frame) else {
            return Ok(());
        };
        transfer.until = now.plus_ms(SILENCE_MS);
        let file = transfer.file;
        let is_giving = matches!(transfer.side, Side::Giving(_));
        let next = match (Talk::decode(&plain), is_giving) {
            (Some(Talk::AskHashes), true) => self.give_hashes(number, &file)?,
            (Some(Talk::AskPieces { from, count }), true) => {
                self.give_pieces(number, &file, from, count)?
            }
            (Some(Talk::Done), true) => Next::Over,
            (Some(Talk::Hashes { hashes }), false) => self.hashes_came(number, file, hashes)?,
            (Some(Talk::Piece { index, sealed }), false) => {
                self.piece_came(number, file, index, &sealed)?
            }
            _ => Next::Nonsense,
        };
        match next {
            Next::On => return Ok(()),
            Next::Over if !is_giving => self.file_send(number, &Talk::Done)?,
            Next::Over | Next::Nonsense => {}
        }
        self.files.transfers.remove(&number);
        self.topics_stale = true;
        if is_giving {
            return Ok(());
        }
        // Others are missing, perhaps, and somebody else may have them.
        self.files
            .ask_at
            .get_or_insert_with(|| now.plus_ms(ASK_AGAIN_MS));
        self.file_changed(&file)
    }

    fn give_hashes(&mut self, number: u64, file: &Named) -> Result<Next, Error> {
        let Some(hashes) = self.hashes(file)? else {
            return Ok(Next::Nonsense);
        };
        self.file_send(number, &Talk::Hashes { hashes })?;
        Ok(Next::On)
    }

    fn give_pieces(
        &mut self,
        number: u64,
        file: &Named,
        from: u32,
        count: u32,
    ) -> Result<Next, Error> {
        for index in from..from.saturating_add(count.min(WINDOW)) {
            let Some(sealed) = self.sealed_piece(file, index)? else {
                return Ok(Next::Nonsense);
            };
            self.file_send(number, &Talk::Piece { index, sealed })?;
        }
        Ok(Next::On)
    }

    fn hashes_came(
        &mut self,
        number: u64,
        file: Named,
        came: Vec<PieceHash>,
    ) -> Result<Next, Error> {
        let Some(transfer) = self.files.transfers.get_mut(&number) else {
            return Ok(Next::Nonsense);
        };
        let Side::Taking { hashes, .. } = &mut transfer.side else {
            return Ok(Next::Nonsense);
        };
        if !hashes.is_empty() {
            return Ok(Next::On);
        }
        hashes.clone_from(&came);
        if !self.take_hashes(file, &came)? {
            return Ok(Next::Nonsense);
        }
        self.ask_on(number)?;
        Ok(Next::On)
    }

    fn piece_came(
        &mut self,
        number: u64,
        file: Named,
        index: u32,
        sealed: &[u8],
    ) -> Result<Next, Error> {
        let (Some(transfer), Some(record)) =
            (self.files.transfers.get(&number), self.files.record(&file))
        else {
            return Ok(Next::Nonsense);
        };
        let Side::Taking { asked_to, hashes } = &transfer.side else {
            return Ok(Next::Nonsense);
        };
        let (asked_to, size, have) = (*asked_to, file.size, record.have);
        // One that comes twice, or after one that was lost.
        if index != have || index >= asked_to {
            return Ok(Next::On);
        }
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        let is_right = sealed_len(size, index) == Some(sealed.len())
            && hashes.get(place) == Some(&hash(sealed));
        if !is_right {
            return Ok(Next::Nonsense);
        }
        self.take_piece(file, sealed)?;
        self.files.vain = 0;
        if self
            .files
            .record(&file)
            .is_some_and(super::shelf::FileRecord::is_whole)
        {
            return Ok(Next::Over);
        }
        if index.saturating_add(1) == asked_to {
            self.ask_on(number)?;
            self.file_changed(&file)?;
        }
        Ok(Next::On)
    }

    pub(crate) fn files_timeout(&mut self, now: Time) -> Result<(), Error> {
        self.answer_questions(now);
        let over = self.files.transfers.iter();
        let over: Vec<(u64, Named)> = over
            .filter(|(_, transfer)| transfer.until <= now)
            .map(|(number, transfer)| (*number, transfer.file))
            .collect();
        for (number, file) in over {
            self.files.transfers.remove(&number);
            self.topics_stale = true;
            if self
                .files
                .record(&file)
                .is_some_and(|record| !record.is_whole())
            {
                self.files.ask_at.get_or_insert(now);
            }
            self.file_changed(&file)?;
        }
        if self.files.ask_at.is_some_and(|at| at <= now) {
            self.ask_for_files(now)?;
        }
        Ok(())
    }

    /// Ends what is going on with a file on either side.
    pub(crate) fn end_transfers_of(&mut self, file: &Named) {
        self.files
            .transfers
            .retain(|_, transfer| transfer.file != *file);
        self.files.answers.retain(|planned| planned.file != *file);
        self.topics_stale = true;
    }

    /// Ends fetching a file.
    pub(crate) fn end_taking(&mut self, file: &Named) {
        self.files.asked.retain(|_, (_, asked)| asked != file);
        self.files.transfers.retain(|_, transfer| {
            transfer.file != *file || matches!(transfer.side, Side::Giving(_))
        });
        self.topics_stale = true;
    }
}
