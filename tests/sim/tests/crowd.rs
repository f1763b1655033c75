//! A group too large for the campaigns: `cargo xtask sim --crowd 500` is the long form.

use sori_sim::crowd;

/// Frames that a member may cause in all: its hellos, its catch-up, its question and a few answers.
const FRAMES_OF_A_MEMBER: u64 = 16;

/// protocol §5.6.9, §6.1.3
#[test]
fn forty_who_come_back_at_once_make_no_storm() {
    let figures = crowd::run(40, 1, |_| {});
    print!("{figures}");
    assert!(figures.frames_of_a_member() <= FRAMES_OF_A_MEMBER);
    assert!(figures.return_of_all.ms <= 60_000);
}
