//! Votes and what follows from them (protocol §5.4, §5.7, §5.10).

use sori_mls::{Report, StateId, Vote};

use super::*;
use crate::envelope::ChannelMessage;
use crate::record::{BallotRecord, Standing};
use crate::table;
use crate::time::DAY_MS;

fn at(ms: u64) -> Time {
    NOW.plus_ms(ms)
}

/// Lets everybody do what is due at a time, and hear of what the others do.
fn pass(people: &mut [Peer], now: Time) {
    let mut waiting = VecDeque::new();
    for (who, person) in people.iter_mut().enumerate() {
        person.engine.handle_timeout(now).unwrap();
        let said = person.attend(now).into_iter();
        waiting.extend(said.map(|(topic, frame)| (who, topic, frame)));
    }
    while let Some((from, topic, frame)) = waiting.pop_front() {
        for (other, person) in people.iter_mut().enumerate() {
            if other != from && person.topics.contains(&topic) {
                let answers = person.hear(topic, &frame, now).into_iter();
                waiting.extend(answers.map(|(topic, frame)| (other, topic, frame)));
            }
        }
    }
}

/// Ada and Bo, and a commit that both have voted for.
fn settled_pair() -> [Peer; 2] {
    let mut people = pair();
    let name = people[0].group().to_string();
    people[0].engine.group_rename(&name, "new", NOW).unwrap();
    round(&mut people, 0);
    // They have to have heard of each other.
    pass(&mut people, at(19_000));
    assert!(votes(&people[0]).is_empty() && votes(&people[1]).is_empty());
    pass(&mut people, at(21_000));
    people
}

fn path(person: &Peer) -> Vec<StateId> {
    person.engine.groups[&person.group()].record.path.clone()
}

fn settled(person: &Peer) -> usize {
    let group = &person.engine.groups[&person.group()];
    let kept = group.record.states.values();
    kept.filter(|state| state.settled.is_some()).count()
}

/// What somebody has voted and stored.
fn votes(person: &Peer) -> Vec<(StateId, StateId)> {
    let number = person.engine.groups[&person.group()].record.number;
    let rows = person
        .engine
        .scan::<BallotRecord>(table::BALLOT, &table::one(number))
        .unwrap();
    let me = person.engine.me().unwrap().id;
    let votes = rows.into_iter().filter_map(|(_, row)| match row {
        BallotRecord::Vote(bytes) => Vote::decode(&bytes).ok(),
        BallotRecord::Report { .. } => None,
    });
    let own = votes.filter(|vote| vote.account() == me);
    own.map(|vote| (vote.parent(), vote.child())).collect()
}

/// A vote by somebody's device for the head's successor of this name.
fn vote(person: &mut Peer, child: StateId) -> Vec<u8> {
    let id = person.group();
    let engine = &mut person.engine;
    let vote = engine.with_group(id, |engine, group| {
        let facts = group.facts[&group.head_state()?].clone();
        Ok(engine.core()?.vote(&facts, child)?.encode()?)
    });
    vote.unwrap()
}

/// Somebody says this about commits.
fn say(
    person: &mut Peer,
    votes: Vec<Vec<u8>>,
    reports: Vec<Vec<u8>>,
    now: Time,
) -> Vec<(Topic, Vec<u8>)> {
    let (id, channel) = (person.group(), person.channel());
    let ballot = ChannelMessage::Ballot { votes, reports };
    let said = person.engine.with_group(id, |engine, _| {
        engine
            .send_envelope(channel, &ballot, None, now)
            .map(|_| ())
    });
    said.unwrap();
    person.attend(now)
}

fn told(person: &mut Peer) -> Vec<String> {
    let group = person.group().to_string();
    let list = person
        .engine
        .message_list(&group, None, 100, Notices::Shown, NOW)
        .unwrap();
    list.into_iter()
        .filter_map(|message| message.notice.map(|notice| notice.what))
        .collect()
}

/// protocol §5.4.5, §5.7.4
#[test]
fn a_commit_is_voted_for_after_its_wait_once_and_the_vote_is_stored() {
    let mut people = settled_pair();
    let first = votes(&people[0]);
    assert_eq!(first.len(), 2, "Bo's coming, and the new name");
    // Bo's oldest state is the one that it came into; both have heard of both votes.
    assert_eq!((settled(&people[0]), settled(&people[1])), (2, 1));
    assert_eq!(path(&people[1]).len(), 2);
    people[0].restart(at(22_000));
    assert_eq!(votes(&people[0]), first);
    assert_eq!(settled(&people[0]), 2);
    pass(&mut people, at(60_000));
    assert_eq!(votes(&people[0]), first, "nothing is voted about twice");
}

/// protocol §5.7.6
#[test]
fn a_state_goes_three_days_after_the_commit_on_it_is_settled() {
    let mut people = settled_pair();
    let before = path(&people[0]);
    assert_eq!(before.len(), 3);
    hear_of_nobody(&mut people[0]);
    alone(&mut people[0], at(3 * DAY_MS));
    assert_eq!(path(&people[0]), before[1..], "in the first Ada was alone");
    alone(&mut people[0], at(3 * DAY_MS + 21_000 + 3_600_000));
    assert_eq!(path(&people[0]), before[before.len() - 1..]);
    let group = &people[0].engine.groups[&people[0].group()];
    assert_eq!((group.record.states.len(), group.facts.len()), (1, 1));
    let number = group.record.number;
    let rows = people[0]
        .engine
        .scan::<BallotRecord>(table::BALLOT, &table::one(number));
    assert!(rows.unwrap().is_empty(), "and what was said about it");
    // What is committed on the state that is left is voted about like anything else.
    let name = people[0].group().to_string();
    let later = at(4 * DAY_MS);
    people[0]
        .engine
        .group_rename(&name, "later", later)
        .unwrap();
    pass(&mut people, later);
    pass(&mut people, later.plus_ms(19_000));
    pass(&mut people, later.plus_ms(21_000));
    // The oldest state is noted as settled as well.
    assert_eq!((settled(&people[0]), settled(&people[1])), (2, 2));
}

/// Forgets who holds what, as a start does.
fn hear_of_nobody(person: &mut Peer) {
    let id = person.group();
    let group = person.engine.groups.get_mut(&id).unwrap();
    group.ballots.even.clear();
}

/// Lets somebody do what is due at a time, and nobody hears of it.
fn alone(person: &mut Peer, now: Time) {
    person.engine.handle_timeout(now).unwrap();
    person.attend(now);
}

/// protocol §5.7.6
#[test]
fn a_state_goes_ten_minutes_after_the_commit_on_it_is_settled_if_all_have_gone_on() {
    let mut people = settled_pair();
    let before = path(&people[0]);
    pass(&mut people, at(300_000));
    assert_eq!(path(&people[0]), before, "too soon");
    pass(&mut people, at(21_000 + 600_000));
    assert_eq!(path(&people[0]), before[before.len() - 1..]);
    // Whoever is not heard may be writing in the state yet.
    let mut people = settled_pair();
    let before = path(&people[0]);
    hear_of_nobody(&mut people[0]);
    alone(&mut people[0], at(21_000 + 600_000));
    assert_eq!(path(&people[0]), before[1..], "in the first Ada was alone");
    pass(&mut people, at(21_000 + 900_000));
    pass(&mut people, at(21_000 + 960_000));
    assert_eq!(path(&people[0]), before[before.len() - 1..]);
}

/// protocol §5.7.5
#[test]
fn a_device_that_hears_its_own_key_vote_otherwise_is_halted_for_good() {
    let mut people = pair();
    let strange = vote(&mut people[1], StateId::from_bytes([7; 32]));
    for (topic, frame) in say(&mut people[0], vec![strange], Vec::new(), NOW) {
        people[1].hear(topic, &frame, NOW);
    }
    let id = people[1].group();
    let name = id.to_string();
    for _ in 0..2 {
        assert_eq!(
            people[1].engine.groups[&id].record.standing,
            Standing::Halted
        );
        let said = people[1].engine.message_send(&name, "on", None, NOW);
        assert_eq!(said.unwrap_err().name(), "halted");
        let renamed = people[1].engine.group_rename(&name, "x", NOW);
        assert_eq!(renamed.unwrap_err().name(), "halted");
        people[1].engine.handle_timeout(at(60_000)).unwrap();
        people[1].attend(at(60_000));
        assert!(
            votes(&people[1])
                .iter()
                .all(|(_, child)| *child == StateId::from_bytes([7; 32]))
        );
        people[1].restart(NOW);
    }
    assert!(told(&mut people[1]).contains(&"halted".to_owned()));
    assert!(!told(&mut people[0]).contains(&"halted".to_owned()));
}

/// protocol §5.7.5
#[test]
fn who_is_halted_stays_so_when_the_commit_that_put_it_out_loses() {
    let mut people = orders::trio();
    let id = people[0].group();
    let name = id.to_string();
    let [bo, cy] = [1, 2].map(|who| people[who].engine.me().unwrap().id.to_string());
    let ada = &mut people[0].engine;
    ada.group_role(&name, &bo, "admin", NOW).unwrap();
    round(&mut people, 0);
    let strange = vote(&mut people[2], StateId::from_bytes([7; 32]));
    for (topic, frame) in say(&mut people[0], vec![strange], Vec::new(), NOW) {
        people[2].hear(topic, &frame, NOW);
    }
    let standing = |people: &[Peer; 3]| people[2].engine.groups[&id].record.standing;
    assert_eq!(standing(&people), Standing::Halted);
    people[1].engine.group_remove(&name, &cy, NOW).unwrap();
    let removal = people[1].attend(NOW);
    // What the owner decides comes before what an admin decides.
    let ada = &mut people[0].engine;
    ada.group_role(&name, &bo, "member", NOW).unwrap();
    let demotion = people[0].attend(NOW);
    for (topic, frame) in removal {
        people[2].hear(topic, &frame, NOW);
    }
    assert!(standing(&people).is_out());
    people[2].restart(NOW);
    let shown = people[2].engine.group_info(&name, NOW).unwrap().standing;
    assert_eq!(shown, "out");
    for (topic, frame) in demotion {
        people[2].hear(topic, &frame, NOW);
    }
    assert_eq!(standing(&people), Standing::Halted);
}

/// protocol §5.7.5
#[test]
fn two_votes_of_one_account_on_one_state_are_told_and_kept() {
    let mut people = pair();
    let two = [7, 8].map(|byte| vote(&mut people[1], StateId::from_bytes([byte; 32])));
    for (topic, frame) in say(&mut people[1], two.to_vec(), Vec::new(), NOW) {
        people[0].hear(topic, &frame, NOW);
    }
    let kinds = told(&mut people[0]);
    assert_eq!(
        kinds.iter().filter(|kind| *kind == "equivocated").count(),
        1
    );
    let number = people[0].engine.groups[&people[0].group()].record.number;
    let proofs = people[0]
        .engine
        .store
        .range(table::PROOF, &table::one(number))
        .unwrap();
    assert_eq!(proofs.len(), 1);
    assert_eq!(
        told(&mut people[0])
            .iter()
            .filter(|kind| *kind == "halted")
            .count(),
        0
    );
}

/// protocol §5.7.4
#[test]
fn who_votes_more_than_twice_is_counted_alike_by_all_who_know_the_commit() {
    let mut people = pair();
    let id = people[0].group();
    let name = id.to_string();
    let parent = *path(&people[0]).last().unwrap();
    let bo = people[1].engine.me().unwrap().id;
    let three = [7, 8, 9].map(|byte| vote(&mut people[1], StateId::from_bytes([byte; 32])));
    for (topic, frame) in say(&mut people[1], three.to_vec(), Vec::new(), NOW) {
        people[0].hear(topic, &frame, NOW);
    }
    let counted = |people: &[Peer]| {
        let group = &people[0].engine.groups[&id];
        group.branches.votes_of(&parent, &bo).count()
    };
    assert_eq!(counted(&people), 2, "they prove it");
    let waiting = &people[0].engine.groups[&id].waiting;
    assert!(waiting.contains_key(&StateId::from_bytes([9; 32])));
    people[0].engine.group_rename(&name, "new", NOW).unwrap();
    let renamed = *path(&people[0]).last().unwrap();
    let fourth = vote(&mut people[1], renamed);
    for (topic, frame) in say(&mut people[1], vec![fourth], Vec::new(), NOW) {
        people[0].hear(topic, &frame, NOW);
    }
    assert_eq!(counted(&people), 3);
    let group = &people[0].engine.groups[&id];
    let mut votes = group.branches.votes_of(&parent, &bo);
    assert!(votes.any(|child| *child == renamed));
}

/// protocol §5.7.3, §5.7.4
#[test]
fn what_is_said_about_what_is_not_known_waits_and_what_is_signed_wrongly_is_refused() {
    let mut people = pair();
    let id = people[0].group();
    let mut forged = vote(&mut people[1], StateId::from_bytes([7; 32]));
    *forged.last_mut().unwrap() ^= 1;
    let facts = people[1].engine.groups[&id].facts.clone();
    let facts = facts.values().next().unwrap();
    let report: Report = people[1]
        .engine
        .core()
        .unwrap()
        .report(facts, StateId::from_bytes([9; 32]), false)
        .unwrap();
    let report = report.encode().unwrap();
    for (topic, frame) in say(&mut people[1], vec![forged], vec![report], NOW) {
        people[0].hear(topic, &frame, NOW);
    }
    let waiting = people[0].engine.groups[&id].waiting.clone();
    assert!(waiting.contains_key(&StateId::from_bytes([9; 32])));
    let counts = people[0].engine.outcomes();
    assert_eq!(counts.get("waits"), Some(&1));
    for (topic, frame) in say(&mut people[1], vec![vec![1, 2, 3]], Vec::new(), NOW) {
        people[0].hear(topic, &frame, NOW);
    }
    assert_eq!(
        people[0].engine.outcomes().get("refused_malformed"),
        Some(&1)
    );
}

/// protocol §5.10.3
#[test]
fn whoever_is_alone_with_many_commits_waits_with_more() {
    let mut people = pair();
    let name = people[0].group().to_string();
    let before = path(&people[0]).len();
    for number in 0..40 {
        people[0]
            .engine
            .group_rename(&name, &format!("{number}"), NOW)
            .unwrap();
        people[0].attend(NOW);
    }
    let unsettled = path(&people[0]).len() - 1;
    assert_eq!(unsettled, 32, "{before} states before");
    let intents = people[0].engine.groups[&people[0].group()]
        .record
        .intents
        .len();
    assert!(intents >= 8, "what it means to do waits: {intents}");
}
