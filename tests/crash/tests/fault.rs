//! Calls fail, one after the other: the error is clear, nothing acknowledged is lost, the store opens afterwards.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

use sori_crash::engine::Engine;
use sori_crash::fault::{Campaign, run};
use sori_crash::recorder::{Recorder, Trouble};

fn fail(trouble: Trouble, stride: u64) {
    let campaign = Campaign {
        engine: Engine::Sori,
        program: env!("CARGO_BIN_EXE_sori-crash").into(),
        seed: 1,
        steps: 30,
        stride,
        trouble,
    };
    let tally = run(&campaign, &Recorder::compile().unwrap()).unwrap();
    assert!(tally.rounds > 10, "{tally}");
    assert!(tally.is_good(), "{tally}");
}

#[test]
fn disk_that_fills_up_at_any_call_loses_nothing_acknowledged() {
    fail(Trouble::DiskFull, 7);
}

#[test]
fn device_that_fails_at_any_call_loses_nothing_acknowledged() {
    fail(Trouble::DeviceError, 11);
}
