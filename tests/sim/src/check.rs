//! The judges: pure functions over a recorded history. Each says what it found, and nothing if all is well.
//!
//! None of them knows how the engine works; they know what was promised. `docs/protocol.md` numbers the
//! invariants; [`CHECKS`] says which check shows which.

use std::collections::BTreeSet;

use crate::history::{Ending, Entry, History, Line, What};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which check.
    pub check: &'static str,
    /// What, for people.
    pub what: String,
}

type Judge = fn(&History) -> Vec<String>;

/// Every check by its name.
pub const CHECKS: [(&str, Judge); 13] = [
    ("one state", one_state),
    ("one order", one_order),
    ("nothing lost", nothing_lost),
    ("nothing twice", nothing_twice),
    ("nobody outside reads", nobody_outside_reads),
    ("removal stands", removal_stands),
    ("nobody stuck", nobody_stuck),
    ("nobody loses its state", nobody_loses_its_state),
    ("marks tell the truth", marks_tell_the_truth),
    ("marks catch up", marks_catch_up),
    ("who is out is silent", who_is_out_is_silent),
    ("quiet when idle", quiet_when_idle),
    ("heals", heals),
];

/// All that is wrong with a history.
#[must_use]
pub fn judge(history: &History) -> Vec<Violation> {
    let found = CHECKS.iter().flat_map(|(check, judge)| {
        let found = judge(history).into_iter();
        found.map(|what| Violation { check, what })
    });
    found.collect()
}

/// All honest members are in one state and see the same members (I1).
fn one_state(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    let in_group: BTreeSet<usize> = (history.ends.iter().enumerate())
        .filter(|(_, end)| end.active)
        .map(|(who, _)| who)
        .collect();
    let mut first: Option<(usize, &Ending)> = None;
    for (who, end) in history.active() {
        let (other, reference) = *first.get_or_insert((who, end));
        if end.state != reference.state {
            let (one, other) = (history.name(who), history.name(other));
            found.push(format!("{one} and {other} are in different states"));
        }
        // What somebody malicious believes of itself counts for nothing.
        let honest = |members: &BTreeSet<usize>| -> BTreeSet<usize> {
            let is_honest = |who: &&usize| !history.ends[**who].is_malicious;
            members.iter().filter(is_honest).copied().collect()
        };
        if honest(&end.members) != honest(&in_group) {
            found.push(format!(
                "{} sees {:?} in the group, which are {in_group:?}",
                history.name(who),
                end.members
            ));
        }
    }
    found
}

/// What two people both hold they see in one order, and alike if neither was out meanwhile (I1, I2).
fn one_order(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    let active: Vec<(usize, &Ending)> = history.active().collect();
    for (at, (one, ours)) in active.iter().enumerate() {
        for (other, theirs) in active.iter().skip(at + 1) {
            let alike = ours.since == 0 && theirs.since == 0;
            let viewers = [*one, *other];
            if let Some(what) = first_difference(history, viewers, alike) {
                let (one, other) = (history.name(*one), history.name(*other));
                found.push(format!("{one} and {other} see differently: {what}"));
            }
        }
    }
    found
}

fn first_difference(history: &History, viewers: [usize; 2], alike: bool) -> Option<String> {
    let [ours, theirs] = viewers.map(|who| history.ends[who].lines.as_slice());
    let both = |list: &[Line], of: &[Line]| -> Vec<Line> {
        let ids: BTreeSet<&String> = of.iter().map(|line| &line.id).collect();
        let common = list.iter().filter(|line| ids.contains(&line.id));
        common.cloned().collect()
    };
    let (ours, theirs) = (both(ours, theirs), both(theirs, ours));
    // Nor is what is done to a message on a way that lost for those who were out there.
    let is_only_for_one = |entry: &Entry, line: &Line| match &entry.what {
        What::Changed { line: id, seen_by } => {
            *id == line.id && viewers.iter().any(|who| !seen_by.contains(who))
        }
        _ => false,
    };
    let seen = |line: &Line| (line.text.clone(), line.deleted, line.reactions);
    // What somebody edits on a way that lost is for those who were on it, and who was put out does not do it again.
    let stands = |line: &Line| {
        let author = history.said.get(&line.id).map(|said| said.author);
        author.is_none_or(|who| history.ends[who].active && !history.ends[who].is_malicious)
            && !history
                .entries
                .iter()
                .any(|entry| is_only_for_one(entry, line))
    };
    let differs =
        |(a, b): &(&Line, &Line)| a.id != b.id || alike && stands(a) && seen(a) != seen(b);
    let mut pairs = ours.iter().zip(&theirs);
    (pairs.find(differs)).map(|(line, other)| format!("{:?} and {:?}", seen(line), seen(other)))
}

/// Whether a message has to be with somebody at the end. What only somebody held who was put out since may be
/// lost, and what was said by somebody who has not heard of a comeback is not for who came back.
fn is_due(history: &History, id: &str, who: usize) -> bool {
    let (said, end) = (&history.said[id], &history.ends[who]);
    let author = &history.ends[said.author];
    let is_there = author.active && author.since <= said.step
        || history
            .active()
            .any(|(_, end)| end.lines.iter().any(|line| line.id == id));
    let came_back = end.is_forgetful && said.step < history.last_step;
    is_there
        && end.active
        && !end.is_malicious
        && !author.is_malicious
        && !said.is_waiting
        && !came_back
        && said.audience.contains(&who)
        && end.since <= said.step
}

/// What was confirmed to its author is with everybody whom it was for (I10).
fn nothing_lost(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    for (who, end) in history.ends.iter().enumerate() {
        let held: BTreeSet<&String> = end.lines.iter().map(|line| &line.id).collect();
        for (id, said) in &history.said {
            if !held.contains(id) && is_due(history, id, who) {
                let (who, author) = (history.name(who), history.name(said.author));
                found.push(format!(
                    "{who} lacks what {author} said in step {}",
                    said.step
                ));
            }
        }
    }
    found
}

/// No message came up as new twice, and none is in a list twice (I10).
fn nothing_twice(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    for (who, end) in history.ends.iter().enumerate() {
        let ids: BTreeSet<&String> = end.lines.iter().map(|line| &line.id).collect();
        if ids.len() != end.lines.len() {
            found.push(format!("{} has a line twice", history.name(who)));
        }
        let mut texts: Vec<&String> = (end.lines.iter().map(|line| &line.text))
            .filter(|text| !text.is_empty())
            .collect();
        texts.sort();
        if let Some(pair) = texts.windows(2).find(|pair| pair[0] == pair[1]) {
            found.push(format!("{} has {} twice", history.name(who), pair[0]));
        }
        if let Some((id, times)) = end.shown.iter().find(|(_, times)| **times > 1) {
            let line = end.lines.iter().find(|line| line.id == **id);
            found.push(format!(
                "{} was shown {:?} {times} times",
                history.name(who),
                line.map(|line| &line.text)
            ));
        }
    }
    found
}

/// Nobody holds what was not for it (I8).
fn nobody_outside_reads(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    for (who, end) in history.ends.iter().enumerate() {
        for line in &end.lines {
            let Some(said) = history.said.get(&line.id) else {
                continue;
            };
            if !said.is_waiting && !said.audience.contains(&who) {
                found.push(format!(
                    "{} reads what {} said in step {}, which was not for it",
                    history.name(who),
                    history.name(said.author),
                    said.step
                ));
            }
        }
    }
    found
}

/// Whoever was put out is out, unless let in again or the one who did it was told that it did not come about, or
/// roles changed meanwhile (I5, I6).
fn removal_stands(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    let asked = |whom: usize, at: u64| {
        let entries = history.entries.iter();
        let mut later = entries.filter(|entry| entry.at + LET_IN_MS >= at);
        later.any(|entry| entry.what == What::Asked { whom })
    };
    let changed = |who: usize| {
        let mut entries = history.entries.iter();
        entries.any(|entry| entry.what == What::Role { whom: who })
    };
    for entry in &history.entries {
        let What::Removed { by, whom } = entry.what else {
            continue;
        };
        let (remover, target) = (&history.ends[by], &history.ends[whom]);
        let stands = remover.active && !remover.is_malicious && !remover.is_forgetful;
        let told = remover.notices.iter().any(|notice| notice == "withdrawn");
        let excused = told || asked(whom, entry.at) || changed(by) || changed(whom);
        if stands && !excused && (target.active || remover.members.contains(&whom)) {
            let (by, whom) = (history.name(by), history.name(whom));
            found.push(format!("{whom} is in although {by} removed it"));
        }
    }
    found
}

/// How long before a removal somebody may have been let in who comes in after it, in milliseconds.
const LET_IN_MS: u64 = 3_600_000;

/// Everybody is in or out, and nothing turns in circles (I3, I13, I14).
fn nobody_stuck(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    for (who, end) in history.ends.iter().enumerate() {
        if end.is_malicious {
            continue;
        }
        let name = history.name(who);
        match end.standing.as_str() {
            "" | "active" | "out" => {}
            "rejoining" if end.is_forgetful => {}
            standing => found.push(format!("{name} is {standing}")),
        }
        if end.rang_most > 60 {
            found.push(format!("{name}'s timer rang {} times", end.rang_most));
        }
    }
    found
}

/// Nobody gives up its state but who is told to: whatever happens on the network is no reason. Who was let in on a
/// way that lost, though, comes back by itself.
fn nobody_loses_its_state(history: &History) -> Vec<String> {
    // The commit that let somebody in may lose against one that only somebody malicious can make.
    let anybody_upsets = (history.ends.iter()).any(|end| end.is_forgetful || end.is_malicious);
    let ends = history.ends.iter().enumerate();
    let lost = ends.filter(|(who, end)| {
        let stays = end.since == 0 || !anybody_upsets && !was_let_in_beside_others(history, *who);
        stays && !end.is_forgetful && !end.is_malicious && end.notices.iter().any(|n| n == "lost")
    });
    lost.map(|(who, _)| format!("{} lost its state", history.name(who)))
        .collect()
}

/// How many epochs before somebody was let in the ways may have parted.
const APART_EPOCHS: u64 = 3;

/// Whether somebody was let in on a way from which others had parted, or parted then.
fn was_let_in_beside_others(history: &History, whom: usize) -> bool {
    let states = |after: usize| {
        let entries = history.entries.iter().skip(after);
        entries.filter_map(|entry| match &entry.what {
            What::State { who, epoch, state } => Some((*who, *epoch, state)),
            _ => None,
        })
    };
    let has_rival =
        |epoch: u64, state: &String| states(0).any(|(_, at, other)| at == epoch && other != state);
    let entries = history.entries.iter().enumerate();
    let mut asked = entries.filter(|(_, entry)| entry.what == What::Asked { whom });
    asked.any(|(at, _)| {
        let Some((_, last, entered)) = states(at).find(|(who, ..)| *who == whom) else {
            return false;
        };
        let on_way: BTreeSet<usize> = (states(0).filter(|(_, _, state)| *state == entered))
            .map(|(who, ..)| who)
            .collect();
        states(0).any(|(who, epoch, state)| {
            let is_near = (last.saturating_sub(APART_EPOCHS)..=last).contains(&epoch);
            is_near && on_way.contains(&who) && has_rival(epoch, state)
        })
    })
}

/// Whoever wrote something comes to know that somebody has it for whom it was and who is still in.
fn marks_catch_up(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    for (who, end) in history.ends.iter().enumerate() {
        let name = history.name(who);
        let alone = (end.lines.iter()).filter(|line| {
            line.copies
                .is_some_and(|(copies, of)| copies == 1 && of > 1)
        });
        let alone: Vec<&str> = alone
            .filter(|line| {
                let Some(said) = history.said.get(&line.id) else {
                    return false;
                };
                let others = history.active().filter(|(other, end)| {
                    *other != who && said.audience.contains(other) && !end.is_forgetful
                });
                let mut held = others.flat_map(|(_, end)| &end.lines);
                held.any(|held| held.id == line.id)
            })
            .map(|line| line.text.as_str())
            .collect();
        if end.active && !end.is_forgetful && !end.is_malicious && !alone.is_empty() {
            found.push(format!("{name} believes to hold {alone:?} alone"));
        }
    }
    found
}

/// No window says of a message that it is with more people than hold it.
fn marks_tell_the_truth(history: &History) -> Vec<String> {
    // Whoever's disk was put back held more than it does now.
    let forgets = |end: &Ending| end.is_forgetful || end.is_malicious;
    if history.ends.iter().any(forgets) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (who, end) in history.ends.iter().enumerate() {
        for line in &end.lines {
            let holds = |end: &&Ending| end.lines.iter().any(|held| held.id == line.id);
            let holders = history.ends.iter().filter(holds).count();
            if let Some((copies, _)) = line.copies.filter(|(copies, _)| *copies as usize > holders)
            {
                let (name, text) = (history.name(who), &line.text);
                found.push(format!(
                    "{name} believes {text} with {copies}, it is with {holders}"
                ));
            }
        }
    }
    found
}

/// Whoever is out can say nothing.
fn who_is_out_is_silent(history: &History) -> Vec<String> {
    let ends = history.ends.iter().enumerate();
    let spoke = ends.filter(|(_, end)| end.spoke_outside && !end.is_malicious);
    spoke
        .map(|(who, _)| format!("{} is out and speaks", history.name(who)))
        .collect()
}

/// Hellos, and knocks of those whom nobody has answered, with their answers: nothing else when nobody speaks.
fn quiet_when_idle(history: &History) -> Vec<String> {
    let (frames, minutes) = history.idle;
    let people = history.ends.len() as u64;
    // A member says hello on each of its channels every two to four minutes.
    let most = minutes * (people * history.idle_topics.div_ceil(3).max(2) + 6 * history.idle_joins);
    let topics = history.idle_topics;
    let found = (frames > most)
        .then(|| format!("{frames} frames in {minutes} idle minutes on {topics} topics"));
    found.into_iter().collect()
}

/// After each mending all came to agree.
fn heals(history: &History) -> Vec<String> {
    let heals = history.heals.iter().enumerate();
    let never = heals.filter(|(_, heal)| heal.is_none());
    never
        .map(|(number, _)| format!("mending {number} did not bring all together"))
        .collect()
}
