//! Real relays and real `sori rpc` processes in bad weather: datagrams are lost, doubled, late and out of order, people
//! are cut off and the group is split in two, `kill -9` ends clients and relays, people come and go, and all of them
//! talk and rename the group meanwhile. When it clears up all have one state and the same messages.
//!
//! Half of the people have another relay than the one that the group names, and go to both: so a group that is
//! split talks on on both sides. Small by default; `SORI_STORM_ROUNDS=30 SORI_STORM_PEERS=6` makes more of it, and
//! `SORI_STORM_SEED` repeats a run's weather and victims.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what goes wrong in a test has to be loud, and the figures have to be seen"
)]
#![allow(
    dead_code,
    reason = "each test program uses its own part of these modules"
)]

mod dice;
mod peers;
mod proxy;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dice::Dice;
use peers::{Peer, Relay, agree, all_texts, ask, gather, is_in, number, state, text, wait_until};
use proxy::{People, Proxy, Weather};
use serde_json::json;
use tempfile::TempDir;

/// Messages of each round, beside those that are said when it is over.
const MESSAGES: usize = 12;
/// Members who rename the group in each round, all at the same time.
const RENAMERS: usize = 3;

/// What a round does to the network.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Everything is lost, doubled and delayed at times, and nobody cut off.
    Rough,
    /// Those of one relay and those of the other one do not hear each other.
    Split,
    /// One person hears nobody.
    Alone,
}

/// What is done to whom in a round.
struct Round {
    kind: Kind,
    /// Whose program is killed.
    client: usize,
    /// Which relay is killed too.
    relay: Option<usize>,
}

/// Two relays with their ways, and people; the last one comes and goes.
struct Storm {
    dice: Dice,
    relays: [(TempDir, Relay); 2],
    ways: [Proxy; 2],
    peers: Vec<Peer>,
    people: People,
    group: String,
    /// Whether the last one is a member.
    visiting: bool,
    acknowledged: BTreeSet<String>,
    /// Said while the last one was out.
    private: BTreeSet<String>,
    renamed: usize,
}

/// protocol §4.3.2, §6.2.5
#[test]
fn when_a_storm_is_over_all_have_the_same_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let rounds = number("SORI_STORM_ROUNDS", 3);
    let mut storm = Storm::gather(&folder, number("SORI_STORM_PEERS", 5));
    let mut times = Vec::new();
    for round in 0..rounds {
        times.push(storm.round(round, rounds));
    }
    times.sort_unstable();
    println!(
        "{rounds} rounds, {} messages, {} of {} renamings; all agreed after {:.1?} in the middle, {:.1?} at most",
        storm.acknowledged.len(),
        storm.renamed,
        rounds * RENAMERS,
        times[times.len() / 2],
        times[times.len() - 1],
    );
    println!("datagrams: {:?}", storm.ways.each_ref().map(Proxy::counts));
    for peer in storm.peers {
        assert_eq!(peer.heard("profile.copied"), None, "a crash makes no copy");
        peer.end();
    }
}

impl Storm {
    /// A group of all but the last one, in good weather.
    fn gather(folder: &TempDir, number: usize) -> Self {
        let mut dice = Dice::new("SORI_STORM_SEED");
        let people = People::default();
        let relays = [(); 2].map(|()| {
            let folder = tempfile::tempdir().unwrap();
            let relay = Relay::start(&folder);
            (folder, relay)
        });
        let ways = relays.each_ref().map(|(_, relay)| {
            let seed = dice.below(usize::MAX) as u64;
            Proxy::start(&relay.url, Arc::clone(&people), seed)
        });
        let mut peers = Vec::new();
        for n in 0..number {
            let place = folder.path().join(format!("profile-{n}"));
            let mut peer = Peer::start(place, format!("peer {n}"));
            people.lock().unwrap().push(peer.process.0.id());
            peer.call("account.create", &json!({ "name": peer.name }));
            let at = usize::from(is_on_the_other_side(n, number));
            let url = ways[at].url(&relays[at].1.url);
            peer.call("relay.set", &json!({ "url": url }));
            peers.push(peer);
        }
        let members = number - 1;
        let group = gather(&mut peers[..members]);
        for at in 1..RENAMERS {
            let account = peers[at].call("account.info", &json!({}))["account"].clone();
            let role = json!({ "group": group, "member": account, "role": "admin" });
            peers[0].call("group.role", &role);
        }
        agree(&mut peers[..members], &group, &BTreeSet::new());
        Self {
            dice,
            relays,
            ways,
            peers,
            people,
            group,
            visiting: false,
            acknowledged: BTreeSet::new(),
            private: BTreeSet::new(),
            renamed: 0,
        }
    }

    fn members(&self) -> usize {
        self.peers.len() - 1
    }

    /// One storm, and what is left when it is over. How long that took.
    fn round(&mut self, number: usize, rounds: usize) -> Duration {
        let round = self.plan(number);
        println!(
            "round {number}: {:?}, kill -9 of peer {} and of relay {:?}",
            round.kind, round.client, round.relay
        );
        self.weather(round.kind);
        // Out is who visited, and in who did not; at the very end who visited stays.
        let visits = !self.visiting || number + 1 == rounds;
        if visits != self.visiting {
            self.visiting = visits;
            self.come_or_go();
        }
        let from = number * MESSAGES;
        let members = self.members();
        let asked = ask(
            &mut self.peers[..members],
            &self.group,
            from..from + MESSAGES,
        );
        let renaming = self.rename(number);
        self.pause(500);
        self.peers[round.client].kill();
        if let Some(relay) = round.relay {
            self.relays[relay].1.kill_and_restart();
        }
        for (peer, id, text) in asked {
            if self.peers[peer].outcome(id).is_some() {
                self.acknowledged.insert(text);
            }
        }
        for (peer, id) in renaming {
            self.renamed += usize::from(matches!(self.peers[peer].reply(id), Some(Ok(_))));
        }
        self.pause(2_000);
        self.peers[round.client].restart();
        self.people.lock().unwrap()[round.client] = self.peers[round.client].process.0.id();
        self.pause(2_000);
        self.ways.iter().for_each(|way| way.set(Weather::default()));
        let began = Instant::now();
        self.settle(visits);
        self.hear_each_other(number);
        let took = began.elapsed();
        println!("  over after {took:.1?}");
        took
    }

    /// The first rounds have one of each, others what the dice say.
    fn plan(&mut self, number: usize) -> Round {
        let kinds = [Kind::Rough, Kind::Split, Kind::Alone];
        let kind = match kinds.get(number) {
            Some(kind) => *kind,
            None => kinds[self.dice.below(kinds.len())],
        };
        let relay = match number {
            0 => None,
            1 => Some(0),
            _ => Some(self.dice.below(3)).filter(|relay| *relay < 2),
        };
        let client = self.dice.below(self.peers.len());
        Round {
            kind,
            client,
            relay,
        }
    }

    fn weather(&mut self, kind: Kind) {
        let rough = Weather {
            lost: [20, 50, 100][self.dice.below(3)],
            doubled: 30,
            delay: [5, 40, 150][self.dice.below(3)],
            cut: 0,
        };
        let others = (0..self.peers.len()).filter(|n| is_on_the_other_side(*n, self.peers.len()));
        let others = others.fold(0, |bits, n| bits | 1 << n);
        let one = 1 << self.dice.below(self.peers.len());
        let cuts = match kind {
            Kind::Rough => [0, 0],
            Kind::Split => [others, 0],
            Kind::Alone => [one, one],
        };
        for (way, cut) in self.ways.iter().zip(cuts) {
            way.set(Weather { cut, ..rough });
        }
    }

    /// The last one is invited, or put out.
    fn come_or_go(&mut self) {
        let [first, .., last] = self.peers.as_mut_slice() else {
            return;
        };
        if self.visiting {
            let one = json!({ "group": self.group, "uses": 1 });
            let url = first.call("invite.create", &one)["url"].clone();
            last.call("invite.accept", &json!({ "url": url }));
        } else {
            let account = last.call("account.info", &json!({}))["account"].clone();
            let gone = json!({ "group": self.group, "member": account });
            first.call("group.remove", &gone);
        }
    }

    /// Some rename the group at the same time; which peer, which call.
    fn rename(&mut self, round: usize) -> Vec<(usize, u64)> {
        let renamers = self.peers[..RENAMERS].iter_mut().enumerate();
        let asked = renamers.map(|(n, peer)| {
            let name = json!({ "group": self.group, "name": format!("{round} by {n}") });
            (n, peer.ask("group.rename", &name))
        });
        asked.collect()
    }

    fn pause(&mut self, most: usize) {
        std::thread::sleep(Duration::from_millis(self.dice.below(most) as u64));
    }

    /// Until all members have the same, and the last one is in, or knows that it is out.
    fn settle(&mut self, visits: bool) {
        let (members, group) = (self.members(), self.group.clone());
        let all = members + usize::from(visits);
        wait_until("all know who is in", || {
            approve(&mut self.peers[0]);
            let (last, others) = self.peers.split_last_mut().unwrap();
            let standing = standing(last, &group);
            let is_right = match visits {
                true => standing.as_deref() == Some("active") && is_in(last, &group, all),
                false => standing.as_deref() == Some("out"),
            };
            is_right && others.iter_mut().all(|peer| is_in(peer, &group, all))
        });
        agree(&mut self.peers[..members], &group, &self.acknowledged);
        if visits {
            wait_until("who visits has the state of all", || {
                let states: Vec<_> = [0, members]
                    .map(|n| state(&mut self.peers[n], &group))
                    .into();
                states[0] == states[1]
            });
        }
    }

    /// Everybody who is in says something, which all of them hear and nobody else.
    fn hear_each_other(&mut self, round: usize) {
        let (members, group) = (self.members(), self.group.clone());
        let all = members + usize::from(self.visiting);
        let said: BTreeSet<String> = (0..all)
            .map(|n| format!("{n} after round {round}"))
            .collect();
        for (peer, text) in self.peers.iter_mut().zip(&said) {
            peer.call("message.send", &json!({ "group": group, "text": text }));
        }
        self.acknowledged.extend(said.iter().cloned());
        wait_until("all hear all", || {
            self.peers[..all].iter_mut().all(|peer| {
                let heard = all_texts(peer, &group);
                said.iter().all(|text| heard.contains(text))
            })
        });
        if !self.visiting {
            self.private.extend(said);
        }
        let texts = agree(&mut self.peers[..members], &group, &self.acknowledged);
        let seen = all_texts(&mut self.peers[members], &group);
        let mut order = texts.iter();
        for text in &seen {
            assert!(!self.private.contains(text), "heard while out: {text}");
            assert!(
                order.any(|other| other == text),
                "not in the order of all, or twice: {text}"
            );
        }
    }
}

/// Whether somebody's own relay is not the one that the group names.
fn is_on_the_other_side(n: usize, people: usize) -> bool {
    n >= people / 2
}

/// Lets in whoever waits.
fn approve(peer: &mut Peer) {
    let joins = peer.call("join.list", &json!({}));
    for join in joins["joins"].as_array().unwrap() {
        if join["direction"] == "incoming" && join["state"] == "waiting" {
            peer.call("join.approve", &json!({ "id": join["id"] }));
        }
    }
}

/// How somebody's device stands in the group, if it knows it.
fn standing(peer: &mut Peer, group: &str) -> Option<String> {
    let groups = peer.call("group.list", &json!({}));
    let groups = groups["groups"].as_array().unwrap();
    let known = groups.iter().find(|known| known["group"] == group);
    known.map(|known| text(&known["standing"]))
}
