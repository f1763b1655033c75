//! Signatures that were found good on this thread. A simulation runs all members of a group on one thread, and each of them
//! verifies what the others have verified: the same bytes, with the same answer. Compiled with the feature `simulation`
//! alone, which `tests/sim` asks for and no release has.

use std::cell::RefCell;
use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

/// Most that are remembered; then all are forgotten.
const KNOWN_MAX: usize = 8192;

/// SHA-256 over key, signature and message.
pub(crate) type Name = [u8; 32];

thread_local! {
    static GOOD: RefCell<BTreeSet<Name>> = const { RefCell::new(BTreeSet::new()) };
}

/// The name of a signature by a key over a message.
pub(crate) fn name(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Name {
    let hash = Sha256::new().chain_update(key).chain_update(signature);
    hash.chain_update(message).finalize().into()
}

/// Whether it was found good before.
pub(crate) fn is_good(name: &Name) -> bool {
    GOOD.with_borrow(|good| good.contains(name))
}

/// Remembers that it is good.
pub(crate) fn remember(name: Name) {
    GOOD.with_borrow_mut(|good| {
        if good.len() >= KNOWN_MAX {
            good.clear();
        }
        good.insert(name);
    });
}
