//! Files that messages carry: kept in sealed pieces, fetched from any member who has them (protocol §9).
//!
//! ```text
//!   the message            names the file, its length and its key; goes the way of all messages
//!   "who has it?" ──────►  on the channel, by whoever lacks it
//!   ◄────── "here"         from one who has all of it: a one-time topic; the first silences the others
//!   hashes, pieces         there, some at a time; each is checked before it is kept
//! ```
//!
//! The picture of a group goes the same way; the group data names it instead of a message.
//!
//! What was fetched stays when the two part, and the next one goes on where this one ended. A file goes
//! when its message goes.

mod avatar;
mod content;
mod fetching;
mod giving;
pub(crate) mod sealed;
mod shelf;
mod talk;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::{BTreeMap, BTreeSet};

use sori_mls::GroupId;
use sori_wire::{RelayUrl, Topic, TopicSeed};

use crate::network::{Purpose, Wanted};
use crate::seal::SealKey;
use crate::session::EnvelopeId;
use crate::time::Time;

pub use content::NewFile;
pub use sealed::FILE_LEN_MAX;
use sealed::PieceHash;
use shelf::{FileRecord, Named};

/// Files of other people up to this many bytes are fetched without being asked for, so that there are copies of
/// them when the sender is gone.
const AUTOMATIC_LEN_MAX: u64 = 8 * 1024 * 1024;
/// As long as the files that are kept or fetched have fewer bytes than this all together, so that nobody fills
/// a disk unasked.
const AUTOMATIC_TOTAL_MAX: u64 = 1024 * 1024 * 1024;
/// Files that are fetched, and that are given, at a time.
const TRANSFERS_MAX: usize = 4;
/// After this long without a word the two part, in milliseconds; the next goes on where this one ended.
const SILENCE_MS: u64 = 8_000;
/// First wait before the question is asked again, in milliseconds; doubled each time nothing came of it.
const ASK_AGAIN_MS: u64 = 2_000;
/// How often it is doubled at most: to about two minutes.
const DOUBLINGS_MAX: u32 = 6;
/// Longest wait before an answer, in milliseconds.
const ANSWER_SPREAD_MS: u64 = 250;
/// Answers that are planned at a time; a peer gains so many timers.
const ANSWERS_MAX: usize = 16;
/// Frames of one transfer that are remembered.
const SEEN_MAX: usize = 4096;

/// The files that there are, and what is going on with them.
#[derive(Default)]
pub(crate) struct Files {
    known: BTreeMap<Named, (u32, FileRecord)>,
    /// The picture that each group has, where it has one.
    avatars: BTreeMap<GroupId, Named>,
    next: u32,
    /// Questions that were asked: by nonce, on which channel and for what.
    asked: BTreeMap<u64, (u32, Named)>,
    /// Answers that are planned.
    answers: Vec<Planned>,
    transfers: BTreeMap<u64, Transfer>,
    next_transfer: u64,
    /// When to ask for what is missing.
    ask_at: Option<Time>,
    /// How often in a row nothing came of asking.
    vain: u32,
}

/// An answer to "who has it?", after a random wait.
struct Planned {
    channel: u32,
    nonce: u64,
    file: Named,
    at: Time,
}

/// One file on its way between two members.
struct Transfer {
    file: Named,
    side: Side,
    relays: Vec<RelayUrl>,
    seed: TopicSeed,
    topic: Topic,
    seal: SealKey,
    /// Frames seen: one that comes over two relays counts once.
    seen: BTreeSet<EnvelopeId>,
    until: Time,
}

enum Side {
    /// We have it. The answer goes out once we listen on the topic: channel and nonce of the question.
    Giving(Option<(u32, u64)>),
    /// We lack it: up to which piece we have asked, and the hashes once we have them.
    Taking {
        asked_to: u32,
        hashes: Vec<PieceHash>,
    },
}

impl Files {
    pub(crate) fn topics(&self) -> Vec<Wanted> {
        let one = |(number, transfer): (&u64, &Transfer)| {
            let (number, seed, topic) = (*number, transfer.seed.clone(), transfer.topic);
            let relays = transfer.relays.iter();
            relays
                .map(move |relay| Wanted {
                    relay: relay.clone(),
                    topic,
                    seed: seed.clone(),
                    purpose: Purpose::File(number),
                })
                .collect::<Vec<_>>()
        };
        self.transfers.iter().flat_map(one).collect()
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        let answers = self.answers.iter().map(|planned| planned.at);
        let ends = self.transfers.values().map(|transfer| transfer.until);
        answers.chain(ends).chain(self.ask_at).min()
    }

    /// The connection to a relay is gone, and with it the peers met there.
    /// Gives the files that were on their way there.
    pub(crate) fn disconnected(&mut self, relay: &RelayUrl) -> Vec<Named> {
        self.asked.clear();
        let gone = self
            .transfers
            .extract_if(.., |_, transfer| transfer.relays.contains(relay));
        gone.map(|(_, transfer)| transfer.file).collect()
    }

    /// Whether a file of this size is fetched without being asked for.
    fn is_automatic(&self, size: u64) -> bool {
        let wanted = self.known.values().filter(|(_, record)| record.wanted);
        let total: u64 = wanted.map(|(_, record)| record.named.size).sum();
        size <= AUTOMATIC_LEN_MAX && total.saturating_add(size) <= AUTOMATIC_TOTAL_MAX
    }

    fn is_taking(&self, file: &Named) -> bool {
        let mut transfers = self.transfers.values();
        transfers.any(|one| one.file == *file && matches!(one.side, Side::Taking { .. }))
    }

    fn count(&self, of: impl Fn(&Side) -> bool) -> usize {
        let transfers = self.transfers.values();
        transfers.filter(|transfer| of(&transfer.side)).count()
    }

    /// What is missing of a group's files, and wanted.
    fn missing(&self) -> Vec<Named> {
        let wanted = self
            .known
            .iter()
            .filter(|(_, (_, record))| record.wanted && !record.is_whole());
        let files = wanted.map(|(file, _)| *file);
        files.filter(|file| !self.is_taking(file)).collect()
    }
}
