//! The power goes at any moment of a recorded run: whatever the disk then holds, nothing acknowledged is lost.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

use sori_crash::engine::Engine;
use sori_crash::powercut::{Campaign, run};
use sori_crash::recorder::Recorder;
use sori_crash::report::Tally;

fn cut(engine: Engine, images: u64) -> Tally {
    let campaign = Campaign {
        engine,
        program: env!("CARGO_BIN_EXE_sori-crash").into(),
        seed: 1,
        steps: 90,
        sessions: 3,
        images,
        reopened: images / 10,
    };
    run(&campaign, &Recorder::compile().unwrap()).unwrap()
}

fn hold(tally: &Tally) {
    assert!(tally.is_good(), "{tally}");
}

#[test]
fn store_on_sled_loses_nothing_acknowledged() {
    hold(&cut(Engine::Sori, 60));
}

#[test]
fn store_on_redb_loses_nothing_acknowledged() {
    hold(&cut(Engine::SoriRedb, 60));
}

#[test]
fn control_that_is_sound_loses_nothing() {
    hold(&cut(Engine::Redb, 60));
}

/// If this one loses nothing, the simulated power cuts are too kind to prove anything.
#[test]
fn control_that_does_not_wait_for_the_device_fails_often() {
    let tally = cut(Engine::Sled, 60);
    assert!(tally.failures * 4 > tally.images, "{tally}");
}
