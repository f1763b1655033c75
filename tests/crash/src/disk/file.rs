//! One file: what the process sees, what the device holds, what is on its way.

use std::collections::{BTreeMap, BTreeSet};

use super::loss::{Data, Length, Loss};
use crate::chance::Chance;

/// What a device writes whole or not at all, in bytes.
const SECTOR_LEN: usize = 512;

/// A file's bytes in all their states.
#[derive(Clone, Debug)]
pub(crate) struct File {
    seen: Vec<u8>,
    held: Vec<u8>,
    on_their_way: Vec<Change>,
    /// When it was made or last changed its length.
    last_metadata: u64,
}

#[derive(Clone, Debug)]
struct Change {
    moment: u64,
    what: What,
    /// A wait for it has failed: the system counts it as written and will not try again.
    is_given_up: bool,
}

#[derive(Clone, Debug)]
enum What {
    Bytes { offset: usize, data: Vec<u8> },
    Length(usize),
}

impl File {
    /// A file that was just made.
    pub(crate) const fn new(moment: u64) -> Self {
        Self {
            seen: Vec::new(),
            held: Vec::new(),
            on_their_way: Vec::new(),
            last_metadata: moment,
        }
    }

    /// A file that the device holds as it is.
    pub(crate) fn holding(bytes: Vec<u8>) -> Self {
        Self {
            seen: bytes.clone(),
            held: bytes,
            on_their_way: Vec::new(),
            last_metadata: 0,
        }
    }

    /// The bytes as the process sees them.
    pub(crate) fn seen(&self) -> &[u8] {
        &self.seen
    }

    pub(super) const fn last_metadata(&self) -> u64 {
        self.last_metadata
    }

    pub(super) fn moments_on_their_way(&self) -> impl Iterator<Item = u64> {
        self.on_their_way.iter().map(|change| change.moment)
    }

    pub(super) fn write(&mut self, offset: usize, data: Vec<u8>, moment: u64) {
        if offset + data.len() > self.seen.len() {
            self.last_metadata = moment;
        }
        self.change(What::Bytes { offset, data }, moment);
    }

    pub(super) fn set_len(&mut self, len: usize, moment: u64) {
        self.last_metadata = moment;
        self.change(What::Length(len), moment);
    }

    fn change(&mut self, what: What, moment: u64) {
        apply(&mut self.seen, &what, |_| true);
        self.on_their_way.push(Change {
            moment,
            what,
            is_given_up: false,
        });
    }

    /// The device holds everything from before the moment `until`, as far as the system still tried.
    pub(super) fn hold(&mut self, until: u64) {
        if self.on_their_way.iter().all(|change| !change.is_given_up) {
            let later = self
                .on_their_way
                .partition_point(|change| change.moment < until);
            for change in self.on_their_way.drain(..later) {
                apply(&mut self.held, &change.what, |_| true);
            }
            return;
        }
        // What was given up stays in memory: it reaches the device only with a later change of the same sector.
        let is_covered = |change: &Change| change.moment < until && !change.is_given_up;
        let sectors: BTreeSet<usize> = self
            .on_their_way
            .iter()
            .filter(|change| is_covered(change))
            .flat_map(|change| sectors(&change.what))
            .collect();
        for change in &self.on_their_way {
            if change.moment < until {
                apply(&mut self.held, &change.what, |sector| {
                    sectors.contains(&sector)
                });
            }
        }
        self.on_their_way.retain(|change| !is_covered(change));
    }

    /// A wait for everything before the moment `until` has failed.
    pub(super) fn give_up(&mut self, until: u64) {
        for change in &mut self.on_their_way {
            change.is_given_up |= change.moment < until;
        }
    }

    /// The bytes as they may be found after a power cut.
    pub(super) fn after(&self, loss: &Loss, chance: &mut Chance) -> Vec<u8> {
        match loss.data {
            Data::Everything => self.seen.clone(),
            Data::Nothing => self.with_length(self.held.clone(), self.held.len(), loss.length),
            Data::Before(cut) => self.before(cut, chance),
            Data::Scattered { permille } => self.scattered(permille, loss.length, chance),
        }
    }

    fn before(&self, cut: u64, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.held.clone();
        for change in &self.on_their_way {
            if change.moment < cut {
                apply(&mut bytes, &change.what, |_| true);
            } else if change.moment == cut {
                apply(&mut bytes, &change.what, |_| chance.permille(500));
            }
        }
        bytes
    }

    fn scattered(&self, permille: u64, length: Length, chance: &mut Chance) -> Vec<u8> {
        let reach = self.reach(permille, chance);
        // Lengths that were set arrive in order: from the first lost one on, nothing beyond it can have arrived.
        let lengths = self.on_their_way.iter().filter(|change| change.is_length());
        let mut lengths_left = chance.index(lengths.count() + 1);
        let mut end = usize::MAX;
        let mut bytes = self.held.clone();
        let mut held_len = self.held.len();
        for (index, change) in self.on_their_way.iter().enumerate() {
            match change.what {
                What::Length(_) if lengths_left > 0 => {
                    lengths_left -= 1;
                    apply(&mut bytes, &change.what, |_| true);
                    held_len = held_len.min(bytes.len());
                }
                What::Length(len) => end = end.min(len.div_ceil(SECTOR_LEN)),
                What::Bytes { .. } => apply(&mut bytes, &change.what, |sector| {
                    sector < end && reach.get(&sector).is_some_and(|reach| index < *reach)
                }),
            }
        }
        if end != usize::MAX {
            // A shortening was lost, so the length seen is not one that this file had on the device.
            return bytes;
        }
        self.with_length(bytes, held_len, length)
    }

    /// For each changed sector: how many of the changes on their way have arrived there.
    fn reach(&self, permille: u64, chance: &mut Chance) -> BTreeMap<usize, usize> {
        let mut touches: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, change) in self.on_their_way.iter().enumerate() {
            if !change.is_length() {
                for sector in sectors(&change.what) {
                    touches.entry(sector).or_default().push(index);
                }
            }
        }
        let mut draw = |indices: Vec<usize>| {
            if chance.permille(permille) {
                return usize::MAX;
            }
            indices[chance.index(indices.len())]
        };
        touches
            .into_iter()
            .map(|(sector, indices)| (sector, draw(indices)))
            .collect()
    }

    fn with_length(&self, mut bytes: Vec<u8>, held_len: usize, length: Length) -> Vec<u8> {
        match length {
            Length::Arrived => {}
            Length::Held => bytes.truncate(held_len),
            Length::Seen => bytes.resize(self.seen.len(), 0),
        }
        bytes
    }
}

impl Change {
    const fn is_length(&self) -> bool {
        matches!(self.what, What::Length(_))
    }
}

/// The sectors that a change of bytes touches.
fn sectors(what: &What) -> std::ops::Range<usize> {
    match what {
        What::Bytes { offset, data } => {
            offset / SECTOR_LEN..(offset + data.len()).div_ceil(SECTOR_LEN)
        }
        What::Length(_) => 0..0,
    }
}

/// Carries out a change, of bytes only in those sectors that have `arrived`.
fn apply(bytes: &mut Vec<u8>, what: &What, mut arrived: impl FnMut(usize) -> bool) {
    let (offset, data) = match what {
        What::Bytes { offset, data } => (*offset, data),
        What::Length(len) => return bytes.resize(*len, 0),
    };
    for sector in sectors(what) {
        let from = (sector * SECTOR_LEN).max(offset);
        let to = ((sector + 1) * SECTOR_LEN).min(offset + data.len());
        if arrived(sector) {
            if bytes.len() < to {
                bytes.resize(to, 0);
            }
            bytes[from..to].copy_from_slice(&data[from - offset..to - offset]);
        }
    }
}
