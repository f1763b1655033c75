//! What lies below relay and client: the engine, judged by the scenarios of `tests/sim`, and the store, judged by the
//! trials of `tests/crash`.

use std::fs;
use std::time::Instant;

use tokio::process::Command;

use super::{Found, contains, pairs};
use crate::error::Error;
use crate::step::Steps;
use crate::workspace::Workspace;
use crate::{mutants, shell};

/// Faults of the store, each with the trial that has to find it.
const STORES: &str = include_str!("../../../tests/mutants/store.txt");

/// The engines that `cargo xtask mutants` breaks: what the simulator says of each.
pub(super) async fn engines(workspace: &Workspace, steps: &mut Steps) -> Result<Vec<Found>, Error> {
    steps.next("Find out the broken engines");
    let mut command = mutants::cargo(workspace)?;
    command.args(["run", "-q", "-p", "sori-sim", "--", "--mutants"]);
    let done = command.kill_on_drop(true).output().await;
    let done = done.map_err(|source| Error::io("run the simulator", source))?;
    let said = String::from_utf8_lossy(&done.stdout);
    print!("{said}");
    let found: Vec<Found> = said.lines().filter_map(noticed).collect();
    if done.status.success() && !found.is_empty() {
        return Ok(found);
    }
    Err(Error::DidNotHold(
        "each broken engine fails its scenario".to_owned(),
    ))
}

/// A line of the simulator: fault, scenario, `noticed (12 ms)`.
fn noticed(line: &str) -> Option<Found> {
    let mut columns = line
        .split("  ")
        .map(str::trim)
        .filter(|text| !text.is_empty());
    let (fault, by, verdict) = (columns.next()?, columns.next()?, columns.next()?);
    let time = verdict.strip_prefix("noticed (")?.strip_suffix(" ms)")?;
    let seconds = time.parse::<f64>().ok()? / 1000.0;
    Some(Found::new("engine", fault, by, seconds))
}

/// Every fault of the store has to be found by its trial, which the same program without a fault passes.
pub(super) async fn stores(workspace: &Workspace, steps: &mut Steps) -> Result<Vec<Found>, Error> {
    steps.next("Build the broken stores");
    let folder = workspace.target().join("debug");
    let (good, broken) = (folder.join("sori-crash"), folder.join("sori-crash-mutants"));
    shell::run(mutants::cargo(workspace)?.args(["build", "-p", "sori-crash"])).await?;
    let _not_there = fs::remove_file(&broken);
    fs::copy(&good, &broken).map_err(|source| Error::io("copy the broken store", source))?;
    shell::run(shell::cargo(workspace.root()).args(["build", "-p", "sori-crash"])).await?;

    steps.next("Find out the broken stores");
    let (mut missed, mut found) = (Vec::new(), Vec::new());
    for (trial, fault) in pairs(STORES) {
        if !contains(&broken, fault)? || contains(&good, fault)? {
            return Err(Error::DidNotHold(format!(
                "`{fault}` is in the broken store and only there"
            )));
        }
        let mut verdicts = Vec::new();
        let mut seconds = 0.0;
        for fault in ["", fault] {
            let began = Instant::now();
            let mut command = Command::new(&broken);
            command.args(["campaign", "--engine", "sori", "--trial", trial]);
            command.env("SORI_MUTANT", fault).kill_on_drop(true);
            let done = command.output().await;
            let done = done.map_err(|source| Error::io("run the trial", source))?;
            seconds = began.elapsed().as_secs_f64();
            // 2 would be a trial that did not take place.
            verdicts.push(done.status.code());
        }
        println!("   {fault:<30} {trial:<20} {verdicts:?}");
        if verdicts != [Some(0), Some(1)] {
            missed.push(fault);
        }
        found.push(Found::new("store", fault, trial, seconds));
    }
    if missed.is_empty() {
        return Ok(found);
    }
    Err(Error::DidNotHold(format!(
        "each fault of the store is found by its trial: {missed:?} were not"
    )))
}

#[cfg(test)]
mod tests {
    use super::{STORES, noticed, pairs};

    #[test]
    fn lines_of_the_simulator_are_understood() {
        let line = "a vote changed                 nobody votes twice                         noticed (51 ms)";
        let found = noticed(line).unwrap();
        assert_eq!(
            (found.fault.as_str(), found.by.as_str()),
            ("a vote changed", "nobody votes twice")
        );
        assert!((found.seconds - 0.051).abs() < 1e-9);
        assert!(noticed("all 13 were noticed").is_none());
        assert!(noticed(&line.replace("noticed", "SURVIVED")).is_none());
    }

    #[test]
    fn the_store_has_its_faults() {
        assert!(pairs(STORES).count() >= 4);
    }
}
