//! With all files of a profile and its secret in hand, nothing that was to be forgotten can be read.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

use sori_crash::engine::Engine;
use sori_crash::forensics::{Campaign, run};

#[test]
fn forgotten_versions_on_sled_cannot_be_read_with_all_files_and_the_secret() {
    search(Engine::Sori);
}

#[test]
fn forgotten_versions_on_redb_cannot_be_read_with_all_files_and_the_secret() {
    search(Engine::SoriRedb);
}

fn search(engine: Engine) {
    let campaign = Campaign {
        engine,
        seed: 1,
        steps: 250,
        every: 25,
    };
    let findings = run(&campaign).unwrap();
    assert!(findings.tally.is_good(), "{findings:#?}");
    assert_eq!(findings.doomed_read, 0);
    assert_eq!(findings.living_read, findings.living);
    // The rows are still there, and old keys open them: a search that finds nothing by itself would prove nothing.
    assert!(
        findings.doomed > 100 && findings.doomed_read_with_old_keys > 50,
        "{findings:#?}"
    );
}
