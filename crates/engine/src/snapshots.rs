//! Where the states of a group lie in the store.
//!
//! | rows of a state | kept | because |
//! | --- | --- | --- |
//! | public (the tree) | in pieces named by their content, shared by all states of the group | half a megabyte in a group of 500, of which a commit changes a few KiB |
//! | message keys | on their own, in pieces with numbers if they are long | changes with each message; what it was must go |
//! | other secrets | in one record | small, written once |
//!
//! A piece goes when the last state that names it goes: the states' lists are the only account of
//! it, so it cannot be wrong.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sori_mls::{Changes, RowKind, Rows, Snapshot, StateFacts, StateId};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::pieces::{self, Grain, PieceId};
use crate::record::StateRecord;
use crate::table;
use crate::time::Time;

/// Longest row of message keys that is kept in one piece, in bytes: one row of the store.
const WHOLE_MAX: usize = 2048;
const DAMAGED: Error = Error::Internal("rows of a state");

/// The key of a row and its value.
type Row = (Vec<u8>, Vec<u8>);

/// How often each shared piece is named by the states of a group.
pub(crate) type SharedPieces = BTreeMap<PieceId, u32>;

/// The public rows of a state.
#[derive(Debug, Default, Serialize, Deserialize)]
struct PublicRecord {
    rows: Vec<(Vec<u8>, Vec<PieceId>)>,
}

/// The secret rows of a state but for the message keys.
type SecretRecord = Vec<Row>;

/// The row of the message keys: whole, or the numbers of its pieces and what is in them.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct RatchetRecord {
    row: Vec<u8>,
    whole: Vec<u8>,
    pieces: Vec<(u16, PieceId)>,
}

impl Engine {
    /// The snapshot of a state, if it is kept.
    pub(crate) fn snapshot(
        &self,
        group: &Group,
        state: &StateId,
    ) -> Result<Option<Snapshot>, Error> {
        let rows = self.rows(group, state)?;
        rows.map(|rows| Ok(self.core()?.load(rows)?)).transpose()
    }

    /// Loads the head if it is not in memory.
    pub(crate) fn ensure_head(&self, group: &mut Group) -> Result<(), Error> {
        if group.head.is_none() {
            let state = group.head_state()?;
            let rows = self
                .rows(group, &state)?
                .ok_or(Error::Internal("head without rows"))?;
            group.head = Some(self.core()?.load_head(rows)?);
        }
        Ok(())
    }

    /// Stages changed rows of a state's snapshot.
    pub(crate) fn save_changes(
        &mut self,
        group: &mut Group,
        state: &StateId,
        changes: &Changes,
    ) -> Result<(), Error> {
        if sori_mls::broken!("reuse a generation") {
            return Ok(());
        }
        let snapshot = number(group, state)?;
        let mut others = false;
        for (row, value) in changes {
            match (RowKind::of(row), value) {
                (RowKind::Ratchet, Some(value)) => {
                    self.save_ratchet(group, snapshot, row, value)?
                }
                _ => others = true,
            }
        }
        if !others {
            return Ok(());
        }
        let mut rows = self.rows(group, state)?.ok_or(DAMAGED)?;
        rows.apply(changes);
        self.release(group, snapshot)?;
        self.save_rows(group, snapshot, &rows)
    }

    /// Stages a whole new snapshot.
    pub(crate) fn save_snapshot(
        &mut self,
        group: &mut Group,
        snapshot: &mut Snapshot,
        channel: u32,
        now: Time,
    ) -> Result<(), Error> {
        let state = snapshot.state();
        self.drop_snapshot(group, &state)?;
        let number = group.record.next_snapshot;
        group.record.next_snapshot = number.saturating_add(1);
        snapshot.take_changes();
        self.save_rows(group, number, &snapshot.rows())?;
        let kept = StateRecord {
            snapshot: number,
            channel,
            since: now,
            messages: group.cursor.next_message,
            settled: None,
        };
        group.record.states.insert(state, kept);
        self.keep_facts(group, number, snapshot.facts())
    }

    /// Stages the destruction of a state's snapshot.
    pub(crate) fn drop_snapshot(
        &mut self,
        group: &mut Group,
        state: &StateId,
    ) -> Result<(), Error> {
        let Some(kept) = group.record.states.get(state) else {
            return Ok(());
        };
        let snapshot = kept.snapshot;
        self.release(group, snapshot)?;
        let number = group.record.number;
        self.delete(table::SNAPSHOT, &table::public_rows(number, snapshot))?;
        self.delete(table::SNAPSHOT, &table::secret_rows(number, snapshot))?;
        self.drop_ratchet(number, snapshot)?;
        self.delete(table::FACTS, &table::of(number, u64::from(snapshot)))?;
        group.record.states.remove(state);
        group.facts.remove(state);
        group.branches.forget_facts(state);
        self.forget_ballots(group, state)
    }

    /// Destroys every state of a group, and what is left of those of which rows are missing.
    pub(crate) fn drop_all_snapshots(&mut self, group: &mut Group) -> Result<(), Error> {
        let prefix = table::one(group.record.number);
        for table in [
            table::SNAPSHOT,
            table::RATCHET,
            table::PIECE,
            table::FACTS,
            table::BALLOT,
            table::FORMER,
        ] {
            for (key, _) in self.store.range(table, &prefix)? {
                self.delete(table, &key)?;
            }
        }
        group.record.states.clear();
        group.record.path.clear();
        group.facts.clear();
        group.former.clear();
        (group.branches, group.ballots) = Default::default();
        (group.head, group.shared) = (None, None);
        Ok(())
    }

    /// Keeps what the choice has to know of a state.
    fn keep_facts(
        &mut self,
        group: &mut Group,
        snapshot: u32,
        facts: StateFacts,
    ) -> Result<(), Error> {
        let key = table::of(group.record.number, u64::from(snapshot));
        self.put(table::FACTS, &key, &facts)?;
        let orders = group.orders();
        group.branches.learn_state(&facts, &orders);
        group.facts.insert(facts.state(), facts);
        Ok(())
    }

    /// What the choice has to know, after a start. Commits were loaded before.
    pub(crate) fn load_facts(&self, group: &mut Group) -> Result<(), Error> {
        let orders = group.orders();
        for (state, kept) in group.record.states.clone() {
            let key = table::of(group.record.number, u64::from(kept.snapshot));
            let facts: Option<StateFacts> = self.get(table::FACTS, &key)?;
            let Some(facts) = facts else { continue };
            group.branches.learn_state(&facts, &orders);
            group.facts.insert(state, facts);
        }
        for order in &orders {
            group.branches.learn_order(order, group.facts.values());
        }
        Ok(())
    }

    fn rows(&self, group: &Group, state: &StateId) -> Result<Option<Rows>, Error> {
        let Some(kept) = group.record.states.get(state) else {
            return Ok(None);
        };
        let (number, snapshot) = (group.record.number, kept.snapshot);
        let public: PublicRecord = self
            .get(table::SNAPSHOT, &table::public_rows(number, snapshot))?
            .ok_or(DAMAGED)?;
        let secret: SecretRecord = self
            .get(table::SNAPSHOT, &table::secret_rows(number, snapshot))?
            .ok_or(DAMAGED)?;
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = secret.into_iter().collect();
        for (row, ids) in public.rows {
            let mut value = Vec::new();
            for id in ids {
                let piece = self.store.get(table::PIECE, &table::piece(number, &id))?;
                value.extend_from_slice(&checked(id, piece)?);
            }
            rows.insert(row, value);
        }
        rows.extend(self.ratchet(number, snapshot)?);
        Ok(Some(Rows::from_map(rows)))
    }

    fn save_rows(&mut self, group: &mut Group, snapshot: u32, rows: &Rows) -> Result<(), Error> {
        let number = group.record.number;
        let of = |kind| rows.iter().filter(move |(key, _)| RowKind::of(key) == kind);
        let mut public = PublicRecord::default();
        for (row, value) in of(RowKind::Public) {
            let mut ids = Vec::new();
            for (id, piece) in pieces::cut(value, Grain::Coarse, &group.record.seed) {
                ids.push(id);
                let count = self.shared(group)?.entry(id).or_default();
                *count = count.saturating_add(1);
                if *count == 1 {
                    self.put_bytes(table::PIECE, &table::piece(number, &id), piece)?;
                }
            }
            public.rows.push((row.clone(), ids));
        }
        self.put(
            table::SNAPSHOT,
            &table::public_rows(number, snapshot),
            &public,
        )?;
        let secret: Vec<_> = of(RowKind::Secret).collect();
        self.put(
            table::SNAPSHOT,
            &table::secret_rows(number, snapshot),
            &secret,
        )?;
        for (row, value) in of(RowKind::Ratchet) {
            self.save_ratchet(group, snapshot, row, value)?;
        }
        Ok(())
    }

    /// Lets go of the shared pieces that a state names; those that no other names are deleted.
    fn release(&mut self, group: &mut Group, snapshot: u32) -> Result<(), Error> {
        let number = group.record.number;
        self.shared(group)?;
        let public: PublicRecord = self
            .get(table::SNAPSHOT, &table::public_rows(number, snapshot))?
            .ok_or(DAMAGED)?;
        for id in public.rows.into_iter().flat_map(|(_, ids)| ids) {
            let shared = self.shared(group)?;
            let count = shared.get_mut(&id).ok_or(DAMAGED)?;
            *count = count.saturating_sub(1);
            if *count == 0 {
                shared.remove(&id);
                self.delete(table::PIECE, &table::piece(number, &id))?;
            }
        }
        Ok(())
    }

    /// How often each shared piece is named, counted when first needed.
    fn shared<'a>(&self, group: &'a mut Group) -> Result<&'a mut SharedPieces, Error> {
        if group.shared.is_none() {
            let mut shared = SharedPieces::new();
            for kept in group.record.states.values() {
                let key = table::public_rows(group.record.number, kept.snapshot);
                let public: PublicRecord = self.get(table::SNAPSHOT, &key)?.ok_or(DAMAGED)?;
                for id in public.rows.into_iter().flat_map(|(_, ids)| ids) {
                    let count = shared.entry(id).or_default();
                    *count = count.saturating_add(1);
                }
            }
            group.shared = Some(shared);
        }
        group.shared.as_mut().ok_or(DAMAGED)
    }

    /// The row of the message keys.
    fn ratchet(&self, group: u32, snapshot: u32) -> Result<Option<Row>, Error> {
        let Some(mut record) = self.ratchet_record(group, snapshot)? else {
            return Ok(None);
        };
        let row = std::mem::take(&mut record.row);
        if record.pieces.is_empty() {
            return Ok(Some((row, std::mem::take(&mut record.whole))));
        }
        let mut pieces = Vec::new();
        for (number, id) in &record.pieces {
            let key = table::ratchet_piece(group, snapshot, *number);
            pieces.push(checked(*id, self.store.get(table::RATCHET, &key)?)?);
        }
        // Full capacity at once: growing would leave unwiped copies behind.
        let len = pieces.iter().map(|piece| piece.len()).sum();
        let mut value = Vec::with_capacity(len);
        pieces
            .iter()
            .for_each(|piece| value.extend_from_slice(piece));
        Ok(Some((row, value)))
    }

    fn ratchet_record(&self, group: u32, snapshot: u32) -> Result<Option<RatchetRecord>, Error> {
        self.get(table::RATCHET, &table::snapshot(group, snapshot))
    }

    /// Writes what has changed of the message keys. A piece that stays is not touched, and new
    /// ones take the places of those that go, so that these are overwritten.
    fn save_ratchet(
        &mut self,
        group: &Group,
        snapshot: u32,
        row: &[u8],
        value: &[u8],
    ) -> Result<(), Error> {
        let number = group.record.number;
        if sori_mls::broken!("keep used keys") {
            self.keep_ratchet(number, snapshot)?;
        }
        let old = self.ratchet_record(number, snapshot)?;
        let mut places = Places::of(old.as_ref().map_or(&[], |record| &record.pieces));
        let mut record = RatchetRecord {
            row: row.to_vec(),
            whole: Vec::new(),
            pieces: Vec::new(),
        };
        if value.len() <= WHOLE_MAX {
            record.whole = value.to_vec();
        } else {
            let pieces = pieces::cut(value, Grain::Fine, &group.record.seed);
            let kept: Vec<Option<u16>> = pieces.iter().map(|(id, _)| places.keep(id)).collect();
            for ((id, piece), kept) in pieces.iter().zip(kept) {
                let place = match kept {
                    Some(place) => place,
                    None => {
                        let place = places.take()?;
                        let key = table::ratchet_piece(number, snapshot, place);
                        self.put_bytes(table::RATCHET, &key, piece)?;
                        place
                    }
                };
                record.pieces.push((place, *id));
            }
        }
        for place in places.left() {
            self.delete(
                table::RATCHET,
                &table::ratchet_piece(number, snapshot, place),
            )?;
        }
        self.put(table::RATCHET, &table::snapshot(number, snapshot), &record)
    }

    /// What no build does that is not broken on purpose: copies the message keys to where they stay.
    fn keep_ratchet(&mut self, group: u32, snapshot: u32) -> Result<(), Error> {
        let Some((_, value)) = self.ratchet(group, snapshot)? else {
            return Ok(());
        };
        for (id, piece) in pieces::cut(&value, Grain::Coarse, &[0; 16]) {
            self.put_bytes(table::PIECE, &table::piece(group, &id), piece)?;
        }
        Ok(())
    }

    fn drop_ratchet(&mut self, group: u32, snapshot: u32) -> Result<(), Error> {
        let Some(record) = self.ratchet_record(group, snapshot)? else {
            return Ok(());
        };
        for (place, _) in &record.pieces {
            self.delete(
                table::RATCHET,
                &table::ratchet_piece(group, snapshot, *place),
            )?;
        }
        self.delete(table::RATCHET, &table::snapshot(group, snapshot))
    }
}

/// Where the pieces of a row lie, while another version takes its place.
struct Places {
    /// Numbers of pieces that are there, by what is in them.
    there: BTreeMap<PieceId, Vec<u16>>,
    /// The first number that was not in use.
    next: u16,
}

impl Places {
    fn of(pieces: &[(u16, PieceId)]) -> Self {
        let mut there: BTreeMap<PieceId, Vec<u16>> = BTreeMap::new();
        for (place, id) in pieces {
            there.entry(*id).or_default().push(*place);
        }
        let last = pieces.iter().map(|(place, _)| *place).max();
        Self {
            there,
            next: last.map_or(0, |last| last.saturating_add(1)),
        }
    }

    /// The place of a piece that is there already.
    fn keep(&mut self, id: &PieceId) -> Option<u16> {
        self.there.get_mut(id)?.pop()
    }

    /// A place for a new piece: that of one that goes, if there is one.
    fn take(&mut self) -> Result<u16, Error> {
        if let Some(place) = self.there.values_mut().find_map(Vec::pop) {
            return Ok(place);
        }
        let place = self.next;
        self.next = place.checked_add(1).ok_or(DAMAGED)?;
        Ok(place)
    }

    /// The places that nothing has taken.
    fn left(self) -> impl Iterator<Item = u16> {
        self.there.into_values().flatten()
    }
}

/// A piece that is what its name says.
fn checked(id: PieceId, piece: Option<Zeroizing<Vec<u8>>>) -> Result<Zeroizing<Vec<u8>>, Error> {
    piece.filter(|piece| pieces::id(piece) == id).ok_or(DAMAGED)
}

fn number(group: &Group, state: &StateId) -> Result<u32, Error> {
    let kept = group.record.states.get(state);
    kept.map(|kept| kept.snapshot)
        .ok_or(Error::Internal("unknown state"))
}

#[cfg(test)]
mod tests;
