//! The rule by which members choose among branches, from the words of `docs/protocol.md`, 5.4.1 to 5.4.4, and vectors of it.
//!
//! Orders are given as what they come to: whom they are against and on which states they are open.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A state or an account: 32 times this byte.
type Name = u8;

/// A valid commit.
#[derive(Clone, Copy, Debug)]
struct Commit {
    /// The state that it leads to.
    state: Name,
    parent: Name,
    author: Name,
    class: u8,
    rank: u32,
    epoch: u64,
    needs_role: bool,
}

/// An order to remove or, where `role`, to demote.
#[derive(Clone, Copy, Debug)]
struct Order {
    target: Name,
    role: bool,
    base: Name,
    base_epoch: u64,
    /// The state on which a commit could realise it.
    open_at: Name,
}

/// What a device knows.
#[derive(Debug, Default)]
struct Knowledge {
    about: &'static str,
    /// Who votes, the same in each state.
    voters: Vec<Name>,
    commits: Vec<Commit>,
    /// Account, the state on which it votes, the state that it votes for.
    votes: Vec<(Name, Name, Name)>,
    /// Account, the state about whose commit it reports, whether it could process it.
    reports: Vec<(Name, Name, bool)>,
    orders: Vec<Order>,
}

/// The third part of the key.
pub(crate) fn tie(parent: &[u8; 32], author: &[u8; 32]) -> [u8; 32] {
    let hash = Sha256::new().chain_update(b"tb").chain_update(parent);
    hash.chain_update(author).finalize().into()
}

impl Knowledge {
    /// The states from the oldest, 0, to the head.
    fn path(&self) -> Vec<Name> {
        let settled = self.settled();
        let mut path = vec![0];
        // No way is longer than there are commits.
        for _ in &self.commits {
            let at = path.last().copied().unwrap_or_default();
            let Some(next) = self.next(at, &settled) else {
                break;
            };
            path.push(next);
        }
        path
    }

    fn next(&self, at: Name, settled: &BTreeSet<Name>) -> Option<Name> {
        let here = self.commits.iter().filter(|commit| commit.parent == at);
        let any = here.clone().any(|commit| settled.contains(&commit.state));
        let stays = here.filter(|commit| match any {
            true => settled.contains(&commit.state),
            false => !self.is_ordered_out(commit) && !self.is_unprocessable(commit),
        });
        let key = |commit: &&Commit| {
            let tie = tie(&[commit.parent; 32], &[commit.author; 32]);
            (commit.class, commit.rank, tie, commit.state)
        };
        stays.min_by_key(key).map(|commit| commit.state)
    }

    fn settled(&self) -> BTreeSet<Name> {
        let mut settled = BTreeSet::new();
        for commit in &self.commits {
            let edge = (commit.parent, commit.state);
            let votes = self.votes.iter().filter(|vote| (vote.1, vote.2) == edge);
            let who: BTreeSet<Name> = votes.map(|vote| vote.0).collect();
            let count = who.iter().filter(|who| self.voters.contains(who)).count();
            if count.saturating_mul(2) > self.voters.len() {
                settled.extend(self.way(commit.state));
            }
        }
        settled
    }

    /// A state and those before it.
    fn way(&self, state: Name) -> BTreeSet<Name> {
        let parents: BTreeMap<Name, Name> =
            self.commits.iter().map(|c| (c.state, c.parent)).collect();
        std::iter::successors(Some(state), |at| parents.get(at).copied()).collect()
    }

    fn is_ordered_out(&self, commit: &Commit) -> bool {
        let known = |state| state == 0 || self.commits.iter().any(|commit| commit.state == state);
        self.orders.iter().any(|order| {
            let before = match known(order.base) {
                true => self.way(order.base).contains(&commit.state),
                false => commit.epoch <= order.base_epoch,
            };
            order.open_at == commit.parent
                && order.target == commit.author
                && (!order.role || commit.needs_role)
                && !before
        })
    }

    fn is_unprocessable(&self, commit: &Commit) -> bool {
        let of = |verdict: bool| {
            let reports = self.reports.iter().filter(|report| {
                report.1 == commit.state
                    && report.2 == verdict
                    && report.0 != commit.author
                    && self.voters.contains(&report.0)
            });
            reports
                .map(|report| report.0)
                .collect::<BTreeSet<_>>()
                .len()
        };
        of(false) >= of(true).saturating_add(2)
    }

    fn vector(&self) -> Value {
        let commits = self.commits.iter().map(|commit| {
            json!({
                "state": name(commit.state), "parent": name(commit.parent), "author": name(commit.author),
                "class": commit.class, "rank": commit.rank, "epoch": commit.epoch, "needs_role": commit.needs_role,
                "tie": hex(&tie(&[commit.parent; 32], &[commit.author; 32])),
            })
        });
        let votes = self.votes.iter().map(|(account, parent, child)| {
            json!({ "account": name(*account), "parent": name(*parent), "child": name(*child) })
        });
        let reports = self.reports.iter().map(|(account, child, processed)| {
            json!({ "account": name(*account), "child": name(*child), "processed": processed })
        });
        let orders = self.orders.iter().map(|order| {
            json!({
                "target": name(order.target), "against": if order.role { "role" } else { "membership" },
                "base": name(order.base), "base_epoch": order.base_epoch, "open_at": name(order.open_at),
            })
        });
        let voters = self.voters.iter().copied().map(name);
        json!({
            "about": self.about,
            "voters": voters.collect::<Vec<_>>(),
            "commits": commits.collect::<Vec<_>>(),
            "votes": votes.collect::<Vec<_>>(),
            "reports": reports.collect::<Vec<_>>(),
            "orders": orders.collect::<Vec<_>>(),
            "path": self.path().into_iter().map(name).collect::<Vec<_>>(),
        })
    }
}

/// All cases: the oldest state is 32 times 0, the same accounts vote in each state.
pub(crate) fn vectors() -> Value {
    let cases: Vec<Value> = cases().iter().map(Knowledge::vector).collect();
    json!({ "clauses": ["5.4.1", "5.4.2", "5.4.4"], "oldest": name(0), "cases": cases })
}

/// A renewal of keys by a plain member.
const fn commit(parent: Name, state: Name, author: Name) -> Commit {
    Commit {
        state,
        parent,
        author,
        class: 4,
        rank: 2,
        epoch: match parent {
            0 => 1,
            _ => 2,
        },
        needs_role: false,
    }
}

/// Two branches on the oldest state: 0x10 and then 0x11 by account 1, 0x20 and then 0x21 by account 2.
fn fork(about: &'static str) -> Knowledge {
    Knowledge {
        about,
        voters: vec![1, 2, 3, 4, 5],
        commits: vec![
            commit(0, 0x10, 1),
            commit(0x10, 0x11, 1),
            commit(0, 0x20, 2),
            commit(0x20, 0x21, 2),
        ],
        ..Knowledge::default()
    }
}

fn cases() -> Vec<Knowledge> {
    [by_key(), by_votes(), by_reports(), by_orders()]
        .into_iter()
        .flatten()
        .collect()
}

/// A change to one of the commits of a [`fork`].
fn with(about: &'static str, at: usize, change: impl Fn(&mut Commit)) -> Knowledge {
    let mut case = fork(about);
    if let Some(commit) = case.commits.get_mut(at) {
        change(commit);
    }
    case
}

fn by_key() -> Vec<Knowledge> {
    let mut twice = fork("one author, two commits: the smaller state");
    twice.commits = vec![
        commit(0, 0x30, 1),
        commit(0, 0x2f, 1),
        commit(0x30, 0x31, 2),
    ];
    vec![
        fork("neither class nor rank: the hash decides, and the length of a branch does not"),
        with("a smaller class", 0, |commit| commit.class = 1),
        with("a smaller class, the other way", 2, |commit| {
            commit.class = 1
        }),
        with("the same class, a smaller rank", 0, |commit| {
            commit.rank = 1
        }),
        with(
            "the same class, a smaller rank, the other way",
            2,
            |commit| commit.rank = 1,
        ),
        with("class comes before rank", 0, |commit| {
            (commit.class, commit.rank) = (0, 9)
        }),
        twice,
    ]
}

fn by_votes() -> Vec<Knowledge> {
    let voted = |about, votes: &[(Name, Name, Name)]| {
        let mut case = fork(about);
        case.votes = votes.to_vec();
        case
    };
    vec![
        voted("two of five settle nothing", &[(1, 0, 0x10), (2, 0, 0x10)]),
        voted(
            "three of five settle",
            &[(1, 0, 0x10), (2, 0, 0x10), (3, 0, 0x10)],
        ),
        voted(
            "three of five settle the other",
            &[(1, 0, 0x20), (2, 0, 0x20), (3, 0, 0x20)],
        ),
        voted(
            "one who votes three times is one",
            &[(1, 0, 0x10), (1, 0, 0x10), (1, 0, 0x10)],
        ),
        voted(
            "who is no voter does not count",
            &[(1, 0, 0x10), (2, 0, 0x10), (9, 0, 0x10)],
        ),
        voted(
            "what comes after settles what is before",
            &[(1, 0x10, 0x11), (2, 0x10, 0x11), (3, 0x10, 0x11)],
        ),
        voted(
            "both are settled: the smaller key",
            &[
                (1, 0, 0x10),
                (2, 0, 0x10),
                (3, 0, 0x10),
                (3, 0, 0x20),
                (4, 0, 0x20),
                (5, 0, 0x20),
            ],
        ),
    ]
}

fn by_reports() -> Vec<Knowledge> {
    let reported = |about, reports: &[(Name, Name, bool)], votes: &[(Name, Name, Name)]| {
        let mut case = with(about, 2, |commit| commit.class = 1);
        case.reports = reports.to_vec();
        case.votes = votes.to_vec();
        case
    };
    let settled = [(3, 0, 0x20), (4, 0, 0x20), (5, 0, 0x20)];
    vec![
        reported("one cannot: it stays", &[(3, 0x20, false)], &[]),
        reported(
            "two cannot: it is out",
            &[(3, 0x20, false), (4, 0x20, false)],
            &[],
        ),
        reported(
            "two cannot, one can: it stays",
            &[(3, 0x20, false), (4, 0x20, false), (5, 0x20, true)],
            &[],
        ),
        reported(
            "of its author and of strangers nothing counts",
            &[(2, 0x20, false), (9, 0x20, false), (4, 0x20, false)],
            &[],
        ),
        reported(
            "what is settled stays whatever is reported",
            &[(3, 0x20, false), (4, 0x20, false)],
            &settled,
        ),
    ]
}

fn by_orders() -> Vec<Knowledge> {
    let order = |role, base, base_epoch| Order {
        target: 2,
        role,
        base,
        base_epoch,
        open_at: 0,
    };
    let ordered = |about, order, needs_role| {
        let mut case = with(about, 2, |commit| {
            (commit.class, commit.needs_role) = (1, needs_role)
        });
        case.orders.push(order);
        case
    };
    vec![
        ordered(
            "who is to be removed commits: out",
            order(false, 0, 0),
            false,
        ),
        ordered(
            "it is on the way to the order's base: it stays",
            order(false, 0x21, 2),
            false,
        ),
        ordered(
            "the base is not known and the epoch not after it: it stays",
            order(false, 0x77, 1),
            false,
        ),
        ordered(
            "the base is not known and the epoch after it: out",
            order(false, 0x77, 0),
            false,
        ),
        ordered(
            "who is to be demoted commits what needs the role: out",
            order(true, 0, 0),
            true,
        ),
        ordered(
            "who is to be demoted commits what anybody may: it stays",
            order(true, 0, 0),
            false,
        ),
    ]
}

fn name(name: Name) -> String {
    hex(&[name; 32])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// protocol §5.4.1: the example. §5.4.4: among the cases each reason decides once, for either branch.
    #[test]
    fn cases_go_both_ways() {
        let document: String = include_str!("../../docs/protocol.md")
            .split_whitespace()
            .collect();
        let parent = "d309092907c35af2a16987555ece533de2b27ca663ab120010ab1561eba59ff9";
        let byte = |at: usize| u8::from_str_radix(&parent[at..at + 2], 16).unwrap();
        let parent: Vec<u8> = (0..64).step_by(2).map(byte).collect();
        let key = tie(&parent.try_into().unwrap(), &[3; 32]);
        assert!(document.contains(&hex(&key)));
        for cases in [by_key(), by_votes(), by_reports(), by_orders()] {
            let ways: BTreeSet<_> = cases
                .iter()
                .map(|case| case.path().get(1).copied())
                .collect();
            assert!(ways.len() >= 2, "{ways:?}");
        }
    }
}
