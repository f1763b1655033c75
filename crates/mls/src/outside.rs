//! Every parser of this crate that meets bytes from outside, for the fuzzing of `fuzz/` and for its corpora.
//!
//! Compiled for tests and fuzzing alone. What has one encoding must have come from that one.

use crate::commit::CommitAad;
use crate::snapshot::parse;
use crate::{AccountKey, Core, Device, GroupData, Order, Report, Vote};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// An MLS message, a Welcome, a KeyPackage.
pub fn mls_message(bytes: &[u8]) {
    let _is_none = parse(bytes);
    let _is_none = crate::core::parse_welcome(bytes);
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let account = AccountKey::generate(&mut rng);
    if let Ok(core) = Core::new(Device::generate(&account, &mut rng), [1; 32]) {
        let _is_none = core.parse_key_package(bytes);
    }
}

/// Orders, votes and reports.
pub fn signed(bytes: &[u8]) {
    if let Ok(order) = Order::decode(bytes) {
        assert_eq!(order.encode().ok().as_deref(), Some(bytes));
    }
    if let Ok(vote) = Vote::decode(bytes) {
        assert_eq!(vote.encode().ok().as_deref(), Some(bytes));
    }
    if let Ok(report) = Report::decode(bytes) {
        assert_eq!(report.encode().ok().as_deref(), Some(bytes));
    }
}

/// What stands beside a commit.
pub fn commit_aad(bytes: &[u8]) {
    if let Ok(aad) = CommitAad::decode(bytes) {
        assert_eq!(aad.encode().ok().as_deref(), Some(bytes));
    }
}

/// The data of a group.
pub fn group_data(bytes: &[u8]) {
    if let Ok(data) = GroupData::decode(bytes) {
        assert_eq!(data.encode().ok().as_deref(), Some(bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A name and what it stands for.
    type Door = (&'static str, fn(&[u8]));

    /// What fuzzing found worth keeping, and what it began with.
    #[test]
    fn corpora_are_parsed_without_a_panic() {
        let doors: &[Door] = &[
            ("mls_message", mls_message),
            ("signed", signed),
            ("commit_aad", commit_aad),
            ("group_data", group_data),
        ];
        for (name, parse) in doors {
            let folder = format!("{}/../../fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
            let mut count = 0;
            for entry in fs::read_dir(folder).unwrap() {
                parse(&fs::read(entry.unwrap().path()).unwrap());
                count += 1;
            }
            assert!(count >= 3, "{name} has a corpus");
        }
    }
}
