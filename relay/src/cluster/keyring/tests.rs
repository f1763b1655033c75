use std::collections::BTreeSet;

use super::*;
use crate::cluster::ClusterSecret;

/// Relays that talk over a bus which may be cut, with one clock for all.
struct Cluster {
    relays: Vec<Keyring>,
    /// Which half of the bus each relay is at.
    sides: Vec<usize>,
    now: Time,
    rotation_ms: u64,
    /// Everything that was said, as NATS may have kept it.
    said: Vec<Vec<u8>>,
}

impl Cluster {
    fn of(count: usize) -> Self {
        let mut cluster = Self {
            relays: Vec::new(),
            sides: Vec::new(),
            now: Time(0),
            rotation_ms: 600_000,
            said: Vec::new(),
        };
        for _ in 0..count {
            cluster.add(&ClusterSecret::from_bytes([1; 32]));
        }
        cluster
    }

    fn add(&mut self, secret: &ClusterSecret) {
        let node = NodeId::draw().unwrap();
        let mut relay = Keyring::new(node, Membership::new(secret), self.rotation_ms, self.now);
        relay.handle_connected(self.now);
        self.relays.push(relay);
        self.sides.push(0);
    }

    /// Lets so many milliseconds pass, in steps as a relay takes them.
    fn pass(&mut self, ms: u64) {
        let end = self.now.0 + ms;
        while self.now.0 < end {
            self.now.0 += 250;
            for relay in &mut self.relays {
                relay.handle_timeout(self.now);
            }
            self.exchange();
        }
    }

    fn exchange(&mut self) {
        loop {
            let mut said = Vec::new();
            for (at, relay) in self.relays.iter_mut().enumerate() {
                while let Some(message) = relay.poll_send() {
                    said.push((at, message));
                }
            }
            if said.is_empty() {
                return;
            }
            for (from, message) in said {
                for at in 0..self.relays.len() {
                    if at != from && self.sides[at] == self.sides[from] {
                        self.relays[at].handle_message(&message, self.now);
                    }
                }
                self.said.push(message);
            }
        }
    }

    fn sending(&self, at: usize) -> EpochId {
        self.relays[at].sending(self.now).unwrap().id()
    }

    fn distinct(&self) -> BTreeSet<EpochId> {
        (0..self.relays.len()).map(|at| self.sending(at)).collect()
    }

    /// Whether everybody listens under whatever anybody sends under.
    fn all_hear_all(&self) -> bool {
        let sending = self.distinct();
        let hears = |relay: &Keyring| -> BTreeSet<EpochId> {
            relay.listening().map(|epoch| epoch.id()).collect()
        };
        self.relays
            .iter()
            .all(|relay| hears(relay).is_superset(&sending))
    }

    fn is_whole(&mut self) -> bool {
        let mut relays = self.relays.iter_mut();
        relays.all(|relay| relay.take_continuity() == Continuity::Whole)
    }
}

#[test]
fn relays_that_start_together_settle_on_one_epoch() {
    for count in [1, 2, 3, 8] {
        let mut cluster = Cluster::of(count);
        cluster.pass(30_000);
        assert_eq!(cluster.distinct().len(), 1, "{count} relays");
    }
}

#[test]
fn a_relay_that_comes_later_takes_up_the_epoch_of_the_others() {
    let mut cluster = Cluster::of(2);
    cluster.pass(30_000);
    let before = cluster.sending(0);
    cluster.add(&ClusterSecret::from_bytes([1; 32]));
    cluster.pass(1_000);
    assert_eq!(cluster.sending(2), before);
    assert!(cluster.is_whole());
}

#[test]
fn a_relay_with_another_secret_is_not_heard_and_hears_nothing() {
    let mut cluster = Cluster::of(2);
    cluster.pass(30_000);
    let before = cluster.sending(0);
    cluster.add(&ClusterSecret::from_bytes([2; 32]));
    cluster.pass(30_000);
    assert_eq!((cluster.sending(0), cluster.sending(1)), (before, before));
    assert_ne!(cluster.sending(2), before);
    assert_eq!(cluster.relays[0].peers().count(), 1);
}

#[test]
fn epochs_change_every_ten_minutes_without_a_moment_in_which_somebody_is_not_heard() {
    let mut cluster = Cluster::of(3);
    cluster.pass(30_000);
    assert!(cluster.is_whole() || cluster.distinct().len() == 1);
    let mut seen = BTreeSet::from([cluster.sending(0)]);
    for _ in 0..(4 * 3600) {
        cluster.pass(250);
        assert!(cluster.all_hear_all());
        seen.insert(cluster.sending(0));
    }
    assert!(cluster.is_whole());
    assert!((6..=8).contains(&seen.len()), "{} epochs", seen.len());
}

#[test]
fn an_epoch_that_is_over_is_held_by_nobody() {
    let mut cluster = Cluster::of(3);
    cluster.pass(30_000);
    let held = |cluster: &Cluster, at: usize| -> Vec<EpochId> {
        let epochs = cluster.relays[at].listening();
        epochs.map(|epoch| epoch.id()).collect()
    };
    let first = cluster.sending(0);
    cluster.pass(620_000);
    for at in 0..3 {
        assert!(!held(&cluster, at).contains(&first));
        assert_eq!(held(&cluster, at).len(), 1);
    }
}

#[test]
fn halves_that_were_cut_apart_meet_again_and_say_that_frames_may_be_missing() {
    let mut cluster = Cluster::of(4);
    cluster.pass(30_000);
    assert_eq!(cluster.distinct().len(), 1);
    cluster.is_whole();
    for relay in &mut cluster.relays {
        relay.take_continuity();
    }
    cluster.sides = vec![0, 0, 1, 1];
    cluster.pass(700_000);
    assert_eq!(cluster.distinct().len(), 2);
    cluster.sides = vec![0; 4];
    cluster.pass(20_000);
    assert_eq!(cluster.distinct().len(), 1);
    let broken = cluster
        .relays
        .iter_mut()
        .filter_map(|relay| (relay.take_continuity() == Continuity::Broken).then_some(()));
    assert!(broken.count() >= 2);
}

#[test]
fn the_death_of_whoever_makes_the_epochs_stops_nothing() {
    let mut cluster = Cluster::of(3);
    cluster.pass(30_000);
    let first = (0..3).min_by_key(|at| cluster.relays[*at].node).unwrap();
    cluster.relays.remove(first);
    cluster.sides.remove(first);
    let before = cluster.sending(0);
    cluster.pass(620_000);
    assert_ne!(cluster.sending(0), before);
    assert_eq!(cluster.distinct().len(), 1);
}

/// What was said, the cluster's secret, and even a relay that had asked are not enough afterwards.
#[test]
fn what_nats_kept_opens_nothing_for_who_has_the_secret_later() {
    let mut cluster = Cluster::of(3);
    cluster.pass(30_000);
    let epoch = cluster.sending(0);
    let secret: Vec<u8> = {
        let mut listening = cluster.relays[0].listening();
        listening.next().unwrap().secret().to_vec()
    };
    let thief = Membership::new(&ClusterSecret::from_bytes([1; 32]));
    let opened: Vec<_> = cluster
        .said
        .iter()
        .filter_map(|said| thief.open(said))
        .collect();
    assert_eq!(
        opened.len(),
        cluster.said.len(),
        "it sees the talk about keys"
    );
    let is_give =
        |said: &&Zeroizing<Vec<u8>>| matches!(Control::decode(said), Some(Control::Give { .. }));
    assert!(opened.iter().filter(is_give).count() >= 2);
    for said in &opened {
        assert!(!said.windows(16).any(|bytes| bytes == &secret[..16]));
    }
    // Nor does saying all of it again bring a new relay the old epoch.
    let said = std::mem::take(&mut cluster.said);
    let mut late = Cluster::of(1);
    for message in &said {
        late.relays[0].handle_message(message, late.now);
    }
    late.pass(10_000);
    assert_ne!(late.sending(0), epoch);
}

#[test]
fn nonsense_is_refused_and_changes_nothing() {
    let mut cluster = Cluster::of(1);
    cluster.pass(5_000);
    let before = cluster.sending(0);
    let inside = Membership::new(&ClusterSecret::from_bytes([1; 32]));
    for len in [0, 1, 23, 24, 40, 5_000] {
        let noise = vec![7; len];
        assert!(!cluster.relays[0].handle_message(&noise, cluster.now));
        let sealed = inside.seal(&noise).unwrap();
        assert!(!cluster.relays[0].handle_message(&sealed, cluster.now));
    }
    assert_eq!(cluster.sending(0), before);
}
