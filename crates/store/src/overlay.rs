//! Staged writes with savepoints.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::kv::prefix_end;
use crate::table::{Class, Table};

/// A value in memory, wiped when dropped.
pub(crate) type Value = Zeroizing<Vec<u8>>;
/// A record's address.
pub(crate) type Address = (Table, Vec<u8>);

/// A moment in the staging of one commit, to go back to with
/// [`Store::rollback_to`](crate::Store::rollback_to).
///
/// It loses its meaning at the next commit: going back to an older moment then undoes everything
/// staged since that commit, and nothing that was committed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Savepoint {
    step: u64,
    len: usize,
}

/// What becomes of the version that a staged write replaces; a later one counts for more.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Former {
    /// As the table keeps overwritten records.
    Replaced,
    /// As the table keeps deleted records.
    Deleted,
    /// Not to be opened any more, whatever the table.
    Forgotten,
}

/// A staged write.
#[derive(Clone)]
pub(crate) enum Staged {
    Delete {
        former: Former,
    },
    Put {
        value: Value,
        /// `None` leaves a record in the class it has.
        class: Option<Class>,
        former: Former,
    },
}

impl Staged {
    /// The value to be written.
    pub(crate) const fn value(&self) -> Option<&Value> {
        match self {
            Self::Delete { .. } => None,
            Self::Put { value, .. } => Some(value),
        }
    }

    /// What becomes of the committed version.
    pub(crate) const fn former(&self) -> Former {
        match self {
            Self::Delete { former } | Self::Put { former, .. } => *former,
        }
    }

    /// This write, coming after `before` in the same step.
    fn after(self, before: &Self) -> Self {
        let former = self.former().max(before.former());
        match (self, before) {
            (Self::Delete { .. }, _) => Self::Delete { former },
            (Self::Put { value, class, .. }, before) => {
                let class = match before {
                    // As if the record were new.
                    Self::Delete { .. } => class.or(Some(Class::NONE)),
                    Self::Put { class: earlier, .. } => class.or(*earlier),
                };
                Self::Put {
                    value,
                    class,
                    former,
                }
            }
        }
    }
}

/// What will be written by the next commit. Every change can be undone.
#[derive(Default)]
pub(crate) struct Overlay {
    staged: BTreeMap<Address, Staged>,
    undo: Vec<(Address, Option<Staged>)>,
    step: u64,
}

impl Overlay {
    /// Stages a put or a delete.
    pub(crate) fn stage(&mut self, address: Address, write: Staged) {
        let write = match self.staged.get(&address) {
            Some(before) => write.after(before),
            None => write,
        };
        let before = self.staged.insert(address.clone(), write);
        self.undo.push((address, before));
    }

    /// This moment.
    pub(crate) const fn savepoint(&self) -> Savepoint {
        Savepoint {
            step: self.step,
            len: self.undo.len(),
        }
    }

    /// Undoes what was staged after `savepoint`.
    pub(crate) fn rollback_to(&mut self, savepoint: Savepoint) {
        let keep = if savepoint.step == self.step {
            savepoint.len
        } else {
            0
        };
        while self.undo.len() > keep {
            let Some((address, before)) = self.undo.pop() else {
                return;
            };
            match before {
                Some(value) => self.staged.insert(address, value),
                None => self.staged.remove(&address),
            };
        }
    }

    /// Takes everything staged and starts afresh.
    pub(crate) fn take(&mut self) -> BTreeMap<Address, Staged> {
        self.undo.clear();
        self.step = self.step.wrapping_add(1);
        std::mem::take(&mut self.staged)
    }

    /// What is staged at this address, if anything.
    pub(crate) fn get(&self, address: &Address) -> Option<Option<&Value>> {
        self.staged.get(address).map(Staged::value)
    }

    /// What is staged in `table` under `prefix`, ascending.
    pub(crate) fn range(
        &self,
        table: Table,
        prefix: &[u8],
    ) -> impl Iterator<Item = (&Vec<u8>, Option<&Value>)> {
        let end = prefix_end(prefix);
        self.staged
            .range((table, prefix.to_vec())..)
            .take_while(move |((at, key), _)| {
                *at == table && end.as_ref().is_none_or(|end| key < end)
            })
            .map(|((_, key), write)| (key, write.value()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.staged.is_empty()
    }
}

impl std::fmt::Debug for Overlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay")
            .field("staged", &self.staged.len())
            .finish_non_exhaustive()
    }
}
