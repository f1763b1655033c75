//! The figures of many campaigns.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::world::Counts;

/// What was done in one campaign, or in many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    /// Group-hours.
    pub hours: usize,
    /// People, over all campaigns.
    pub people: usize,
    /// Messages that were confirmed.
    pub messages: usize,
    /// Commits asked for, other than changes of members.
    pub commits: usize,
    /// Changes of members asked for.
    pub changes: usize,
    /// Partitions, each with its mending.
    pub partitions: usize,
    /// Programs that ended without warning.
    pub crashes: usize,
    /// Those of them in the middle of a step: before, during and after its batch was written.
    pub crashes_in_step: usize,
    /// Disks that refused a write.
    pub full_disks: usize,
    /// Disks put back to an old copy.
    pub old_disks: usize,
    /// Restarts of the relay.
    pub relay_restarts: usize,
    /// Clocks that jumped.
    pub clocks: usize,
    /// People who read nothing for some time.
    pub stalls: usize,
    /// What a malicious member did.
    pub malice: usize,
    /// What a malicious relay did, besides what happens to frames.
    pub relay_malice: usize,
    /// What happened to frames.
    pub frames: u64,
    /// Of those, lost.
    pub lost: u64,
    /// Doubled.
    pub doubled: u64,
    /// Reordered.
    pub reordered: u64,
    /// Replayed long after.
    pub replayed: u64,
    /// Gap notices.
    pub gaps: u64,
}

impl Faults {
    /// Adds what happened to frames.
    pub(crate) const fn take(&mut self, counts: &Counts) {
        self.frames = counts.frames;
        self.lost = counts.lost;
        self.doubled = counts.doubled;
        self.reordered = counts.reordered;
        self.replayed = counts.replayed;
        self.gaps = counts.gaps;
    }

    /// Both together.
    pub const fn add(&mut self, other: &Self) {
        self.hours += other.hours;
        self.people += other.people;
        self.messages += other.messages;
        self.commits += other.commits;
        self.changes += other.changes;
        self.partitions += other.partitions;
        self.crashes += other.crashes;
        self.crashes_in_step += other.crashes_in_step;
        self.full_disks += other.full_disks;
        self.old_disks += other.old_disks;
        self.relay_restarts += other.relay_restarts;
        self.clocks += other.clocks;
        self.stalls += other.stalls;
        self.malice += other.malice;
        self.relay_malice += other.relay_malice;
        self.frames += other.frames;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.replayed += other.replayed;
        self.gaps += other.gaps;
    }
}

/// What came of one seed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The seed.
    pub seed: u64,
    /// What a judge found first; nothing if all is well.
    pub failed: Option<String>,
    /// What was done.
    pub faults: Faults,
    /// After how long all agreed once the network was whole again, in milliseconds; `None`: not at all.
    pub heals: Vec<Option<u64>>,
    /// Whether the relay said nothing of what it withheld.
    pub is_silent: bool,
}

/// Many campaigns.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Seeds that ran.
    pub seeds: usize,
    /// Seeds that failed, with what was found first.
    pub failed: Vec<(u64, String)>,
    /// Everything that was done.
    pub faults: Faults,
    /// After how long all agreed once the network was whole again, in milliseconds.
    pub heals: Vec<u64>,
    /// The slowest, with their seeds.
    pub slow: Vec<(u64, u64)>,
    /// The same where the relay said nothing of what it withheld.
    pub silent_heals: Vec<u64>,
    /// How often they did not within the time of a mending.
    pub never: usize,
}

/// A mending that takes longer is named, in milliseconds.
const SLOW_MS: u64 = 30_000;

impl Report {
    /// All of these together.
    #[must_use]
    pub fn of(verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        let mut report = Self::default();
        for verdict in verdicts {
            report.seeds += 1;
            report.faults.add(&verdict.faults);
            report.never += verdict.heals.iter().filter(|heal| heal.is_none()).count();
            let heals = verdict.heals.into_iter().flatten();
            match verdict.is_silent {
                true => report.silent_heals.extend(heals),
                false => {
                    for ms in heals {
                        report.heals.push(ms);
                        if ms > SLOW_MS {
                            report.slow.push((ms, verdict.seed));
                        }
                    }
                }
            }
            if let Some(what) = verdict.failed {
                report.failed.push((verdict.seed, what));
            }
        }
        report
    }
}

/// The time within which `percent` of the mendings brought all together, in milliseconds.
#[must_use]
pub fn percentile(heals: &[u64], percent: usize) -> u64 {
    let mut heals = heals.to_vec();
    heals.sort_unstable();
    let at = (heals.len() * percent).div_ceil(100).saturating_sub(1);
    let last = heals.len().saturating_sub(1);
    heals.get(at.min(last)).copied().unwrap_or(0)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = &self.faults;
        writeln!(
            f,
            "{} group-hours over {} seeds with {} people: {} failed",
            faults.hours,
            self.seeds,
            faults.people,
            self.failed.len()
        )?;
        writeln!(
            f,
            "messages {}, commits asked for {}, changes of members asked for {}",
            faults.messages, faults.commits, faults.changes
        )?;
        writeln!(
            f,
            "partitions {}, crashes {} ({} inside a step), full disks {}, old disks {}, relay restarts {}, \
             clock jumps {}, stalls {}, acts of malicious members {}, of malicious relays {}",
            faults.partitions,
            faults.crashes,
            faults.crashes_in_step,
            faults.full_disks,
            faults.old_disks,
            faults.relay_restarts,
            faults.clocks,
            faults.stalls,
            faults.malice,
            faults.relay_malice
        )?;
        writeln!(
            f,
            "frames {}: lost {}, doubled {}, reordered {}, replayed {}; gap notices {}",
            faults.frames,
            faults.lost,
            faults.doubled,
            faults.reordered,
            faults.replayed,
            faults.gaps
        )?;
        writeln!(
            f,
            "all agree after a mending (virtual): p50 {} ms, p99 {} ms, max {} ms; not within 15 minutes: {}",
            percentile(&self.heals, 50),
            percentile(&self.heals, 99),
            percentile(&self.heals, 100),
            self.never
        )?;
        writeln!(
            f,
            "the same where the relay withheld in silence: p50 {} ms, p99 {} ms, max {} ms",
            percentile(&self.silent_heals, 50),
            percentile(&self.silent_heals, 99),
            percentile(&self.silent_heals, 100)
        )?;
        for (ms, seed) in &self.slow {
            writeln!(f, "slow: seed {seed}, {ms} ms")?;
        }
        for (seed, what) in &self.failed {
            writeln!(f, "seed {seed}: {what}")?;
        }
        Ok(())
    }
}
