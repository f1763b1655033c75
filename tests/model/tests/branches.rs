//! Explores all scenes to the end, and shows for each property that a rule broken on purpose is found out.
//!
//! `SORI_MODEL_DEEP=1` takes larger bounds, and a while.

#![expect(clippy::print_stdout, reason = "how much was explored is the result")]

use sori_model::{Kind, Scene, Variant, World};
use stateright::{Checker, Model};

/// Checks a scene with all rules as they are, and tells how many states there are.
fn explore(scene: Scene) {
    let name = scene.name;
    let started = std::time::Instant::now();
    let checker = World::new(scene, Variant::Right)
        .checker()
        .threads(2)
        .spawn_bfs()
        .join();
    println!(
        "{name}: {} states, {} transitions, depth {}, {} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        started.elapsed().as_secs()
    );
    checker.assert_properties();
}

fn deep<T>(quick: T, deep: T) -> T {
    match std::env::var_os("SORI_MODEL_DEEP") {
        Some(_) => deep,
        None => quick,
    }
}

/// Three honest members race, vote, stop and start.
fn race() -> Scene {
    Scene {
        name: "race",
        epochs: 2,
        updates: 1,
        liar: false,
        lies: vec![],
        lies_max: 0,
        garbled_for: vec![],
        order: false,
    }
}

/// Cy votes twice and makes competing commits.
fn double_votes() -> Scene {
    Scene {
        name: "double votes",
        liar: true,
        lies: vec![Kind::Rival],
        lies_max: deep(2, 3),
        ..race()
    }
}

/// Ada has Cy removed in the second epoch or the first, who makes competing commits and votes as it likes.
fn removal() -> Scene {
    Scene {
        name: "removal",
        order: true,
        epochs: 1,
        lies_max: deep(1, 2),
        ..double_votes()
    }
}

/// Cy makes commits that Ada cannot process, and denies that it can process those of others.
fn garbled() -> Scene {
    Scene {
        name: "garbled",
        lies: vec![Kind::Garbled],
        garbled_for: vec![0],
        epochs: 1,
        lies_max: deep(2, 4),
        ..double_votes()
    }
}

/// As before, with commits that nobody but Cy can process.
fn nowhere() -> Scene {
    Scene {
        name: "valid nowhere",
        garbled_for: vec![0, 1],
        ..garbled()
    }
}

/// protocol §5.9.1
#[test]
fn three_honest_members_settle_and_agree() {
    explore(race());
}

#[test]
fn a_liar_with_two_votes_splits_nobody() {
    explore(double_votes());
}

#[test]
fn a_removal_holds_against_who_is_removed() {
    explore(removal());
}

#[test]
fn who_cannot_process_a_commit_comes_back() {
    explore(garbled());
}

#[test]
fn a_commit_that_nobody_can_process_is_dropped() {
    explore(nowhere());
}

/// Breaks one rule in a scene and expects one property to notice.
#[track_caller]
fn assert_found(variant: Variant, scene: Scene, property: &'static str) {
    let checker = World::new(scene, variant)
        .checker()
        .threads(2)
        .finish_when(stateright::HasDiscoveries::AnyOf([property].into()))
        .spawn_bfs()
        .join();
    println!(
        "{variant:?}: found after {} states",
        checker.unique_state_count()
    );
    assert!(
        checker.discovery(property).is_some(),
        "{variant:?} is not found out"
    );
}

#[test]
fn every_property_can_fail() {
    let twice = "I15 nobody honest votes twice";
    let settled = "I4 nothing settled is left but after votes on both sides";
    let vetoed = "I13 no honest commit is dropped for a lie";
    for (variant, scene, property) in [
        (
            Variant::TieByArrival,
            race(),
            "I1 the same knowledge leads to the same head",
        ),
        (Variant::VoteChanged, race(), twice),
        (Variant::VoteBeforeDurable, race(), twice),
        (Variant::VoteBelowRival, race(), settled),
        (Variant::SettleEarly, race(), settled),
        (
            Variant::OrderNotRealised,
            removal(),
            "I5 who is ordered out is out",
        ),
        (
            Variant::NoPoison,
            removal(),
            "I6 nothing by who is ordered out comes to count",
        ),
        (
            Variant::NoPriority,
            removal(),
            "I7 nothing unsettled displaces a removal",
        ),
        (Variant::OneVetoes, garbled(), vetoed),
        (Variant::NoRejoin, garbled(), "I13 nobody is left behind"),
    ] {
        assert_found(variant, scene, property);
    }
}
