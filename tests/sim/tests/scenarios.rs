//! Every scenario holds in the build as it is; `cargo xtask mutants` shows that each can fail.

use sori_sim::scenarios::{MUTANTS, SCENARIOS, scenario};

#[test]
fn every_scenario_holds() {
    for (name, scenario) in SCENARIOS {
        println!("{name}");
        scenario();
    }
}

#[test]
fn every_mutant_has_its_scenario() {
    for (mutant, name) in MUTANTS {
        assert!(scenario(name).is_some(), "{mutant}: no scenario {name}");
    }
}
