//! A process is killed at any moment: everything it had acknowledged is there.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

use sori_crash::engine::Engine;
use sori_crash::kill::{Campaign, run};

#[test]
fn killed_store_on_sled_loses_nothing_acknowledged() {
    kill(Engine::Sori);
}

#[test]
fn killed_store_on_redb_loses_nothing_acknowledged() {
    kill(Engine::SoriRedb);
}

fn kill(engine: Engine) {
    let campaign = Campaign {
        engine,
        program: env!("CARGO_BIN_EXE_sori-crash").into(),
        seed: 1,
        rounds: 25,
    };
    let tally = run(&campaign).unwrap();
    assert!(tally.is_good(), "{tally}");
}
