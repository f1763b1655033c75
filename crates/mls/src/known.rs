//! Signatures that were found good on this thread. A simulation runs all members of a group on one thread, and each of them
//! verifies what the others have verified: the same bytes, with the same answer.
//!
//! Compiled with the feature `simulation` alone, which `tests/sim` asks for and no release is built with. Where Cargo builds the
//! programs together with the simulation they have it too; so it does nothing until [`remember_signatures`] was called.

use std::cell::RefCell;
use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

/// Most that are remembered; then all are forgotten.
const KNOWN_MAX: usize = 8192;

/// SHA-256 over key, signature and message.
pub(crate) type Name = [u8; 32];

thread_local! {
    static GOOD: RefCell<Option<BTreeSet<Name>>> = const { RefCell::new(None) };
}

/// From now on this thread verifies no signature again that it found good. For simulations.
pub fn remember_signatures() {
    GOOD.with_borrow_mut(|good| {
        good.get_or_insert_default();
    });
}

/// The name of a signature by a key over a message, where names are remembered.
pub(crate) fn name(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Option<Name> {
    GOOD.with_borrow(Option::is_some).then(|| {
        let hash = Sha256::new().chain_update(key).chain_update(signature);
        hash.chain_update(message).finalize().into()
    })
}

/// Whether it was found good before.
pub(crate) fn is_good(name: &Name) -> bool {
    GOOD.with_borrow(|good| good.as_ref().is_some_and(|good| good.contains(name)))
}

/// Remembers that it is good.
pub(crate) fn remember(name: Name) {
    GOOD.with_borrow_mut(|good| {
        let Some(good) = good else { return };
        if good.len() >= KNOWN_MAX {
            good.clear();
        }
        good.insert(name);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_remembered_before_it_is_asked_for() {
        let name_of = |message: &[u8]| name(&[1; 32], message, &[2; 64]);
        assert_eq!(name_of(b"x"), None);
        remember([3; 32]);
        assert!(!is_good(&[3; 32]));
        remember_signatures();
        let x = name_of(b"x").unwrap();
        assert!(!is_good(&x));
        remember(x);
        assert!(is_good(&x) && !is_good(&name_of(b"y").unwrap()));
    }
}
