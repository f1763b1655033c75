//! What happened in a world, as the checkers get it: plain values, nothing that runs.

use std::collections::{BTreeMap, BTreeSet};

/// Everything that was recorded of one world.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The names of the people, by number.
    pub names: Vec<String>,
    /// What happened, the oldest first.
    pub entries: Vec<Entry>,
    /// Messages whose sending was confirmed, by their ids.
    pub said: BTreeMap<String, Said>,
    /// The step in which everything was mended for the last time.
    pub last_step: usize,
    /// Everybody at the end, after everything was mended.
    pub ends: Vec<Ending>,
    /// Frames published while nobody had anything to say, and in how many minutes.
    pub idle: (u64, u64),
    /// Joins that were still open meanwhile.
    pub idle_joins: u64,
    /// Most topics that anybody listened on meanwhile: each removal makes a channel, and the former ones are listened on for
    /// days.
    pub idle_topics: u64,
    /// Whether the relay said nothing of what it withheld, so that only the regular hellos bring it to light.
    pub is_silent: bool,
    /// After how long everybody agreed once the network was whole again, in milliseconds; `None`: not at all.
    pub heals: Vec<Option<u64>>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When, in milliseconds since the world began.
    pub at: u64,
    /// Which step of the campaign.
    pub step: usize,
    /// What.
    pub what: What,
}

/// What can happen that a checker looks at, and everything else as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Somebody's window accepted the removal of somebody.
    Removed {
        /// Who did it.
        by: usize,
        /// Who is to go.
        whom: usize,
    },
    /// Somebody's window accepted a change of a role.
    Role {
        /// Whose.
        whom: usize,
    },
    /// Somebody meant to change a message, or to react to it.
    Changed {
        /// The id of the message.
        line: String,
        /// Whom who did it saw in the group.
        seen_by: BTreeSet<usize>,
    },
    /// Somebody was let in, or tried to be.
    Asked {
        /// Who.
        whom: usize,
    },
    /// A state was seen on somebody's device.
    State {
        /// Whose.
        who: usize,
        /// Its epoch.
        epoch: u64,
        /// The id of the state.
        state: String,
    },
    /// For whoever reads the trace.
    Told(String),
}

/// A message whose sending was confirmed.
#[derive(Clone, Debug)]
pub struct Said {
    /// In which step.
    pub step: usize,
    /// By whom.
    pub author: usize,
    /// Whom the author saw in the group.
    pub audience: BTreeSet<usize>,
    /// Whether it was written by somebody who has to come back first.
    pub is_waiting: bool,
}

/// How somebody stands at the end.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// Whether the device counts itself in.
    pub active: bool,
    /// As its window says.
    pub standing: String,
    /// The role that its window says.
    pub role: String,
    /// The id of the state that it is in.
    pub state: String,
    /// Since which step it has been in without a break.
    pub since: usize,
    /// Whom it sees in the group.
    pub members: BTreeSet<usize>,
    /// The lines of its timeline, the oldest first.
    pub lines: Vec<Line>,
    /// How often each message came up as new.
    pub shown: BTreeMap<String, u32>,
    /// What its window says that happened to the group.
    pub notices: Vec<String>,
    /// Envelopes that wait for another one.
    pub pending: u64,
    /// Own envelopes that no other member is known to hold.
    pub unsent: u64,
    /// Whether, being out, it could still say something.
    pub spoke_outside: bool,
    /// Most that its timer rang in one second.
    pub rang_most: u32,
    /// An old disk was put in the place of its own.
    pub is_forgetful: bool,
    /// Does not keep to the protocol: nothing is promised to it.
    pub is_malicious: bool,
}

/// A line of a timeline.
#[derive(Clone, Debug)]
pub struct Line {
    /// Of the message.
    pub id: String,
    /// As it stands.
    pub text: String,
    /// Whether its author took it back.
    pub deleted: bool,
    /// How many kinds of reactions it has.
    pub reactions: usize,
    /// With how many members it is and of how many, as the window of its author says; nothing for those of others.
    pub copies: Option<(u32, u32)>,
}

impl Ending {
    /// For the trace.
    #[must_use]
    pub fn brief(&self) -> String {
        let alone = self
            .lines
            .iter()
            .filter(|line| line.copies.is_some_and(|(copies, _)| copies == 1));
        let alone: Vec<&str> = alone.map(|line| line.text.as_str()).collect();
        format!(
            "{} {} of {:?}, {} lines, alone with {alone:?}, {} unsent, {} pending, told {:?}",
            self.standing,
            self.state.get(..8).unwrap_or_default(),
            self.members,
            self.lines.len(),
            self.unsent,
            self.pending,
            self.notices
        )
    }
}

impl History {
    /// Notes something.
    pub fn note(&mut self, at: u64, step: usize, what: What) {
        self.entries.push(Entry { at, step, what });
    }

    /// Those who are in the group at the end and keep to the protocol.
    pub fn active(&self) -> impl Iterator<Item = (usize, &Ending)> {
        let ends = self.ends.iter().enumerate();
        ends.filter(|(_, end)| end.active && !end.is_malicious)
    }

    /// Somebody's name.
    #[must_use]
    pub fn name(&self, who: usize) -> &str {
        self.names.get(who).map_or("?", String::as_str)
    }

    /// The trace for whoever wants to understand it.
    #[must_use]
    pub fn trace(&self) -> String {
        let lines = self.entries.iter().map(|entry| {
            let (at, step) = (entry.at, entry.step);
            let what = match &entry.what {
                What::Told(text) => text.clone(),
                What::Removed { by, whom } => {
                    format!("{} removes {}", self.name(*by), self.name(*whom))
                }
                What::Role { whom } => format!("the role of {} changes", self.name(*whom)),
                What::Changed { line, .. } => {
                    format!("to {} something is done", line.get(..8).unwrap_or(line))
                }
                What::Asked { whom } => format!("{} is to come in", self.name(*whom)),
                What::State { who, epoch, state } => {
                    let state = state.get(..8).unwrap_or(state);
                    format!("{} is in {epoch} {state}", self.name(*who))
                }
            };
            format!("{:>10}.{:03} {step:>4} {what}\n", at / 1000, at % 1000)
        });
        lines.collect()
    }
}
