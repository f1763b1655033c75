//! Small worlds with one question each. They hold in every build but the ones that are broken on purpose: each of
//! those ([`MUTANTS`]) must fail the scenario that is named for it, or the suite would prove nothing.

use std::collections::BTreeSet;

use sori_engine::Error;

use crate::world::World;

/// A question to a build; panics if the answer is wrong.
pub type Scenario = fn();

/// All of them by their names.
pub const SCENARIOS: [(&str, Scenario); 13] = [
    (
        "what was confirmed survives a crash",
        confirmed_survives_a_crash,
    ),
    (
        "a change that lost a race is made again",
        lost_change_is_made_again,
    ),
    ("rivals are judged alike everywhere", rivals_judged_alike),
    ("who asks to leave is let go", leaver_is_let_go),
    (
        "who has come in reads what is said",
        newcomer_reads_what_is_said,
    ),
    ("only who may puts somebody out", only_who_may_removes),
    (
        "no key serves twice over a restart",
        no_key_twice_over_a_restart,
    ),
    (
        "what one lacks the others keep",
        what_one_lacks_the_others_keep,
    ),
    ("one answer is enough", one_answer_is_enough),
    ("a gap is healed at once", gap_is_healed_at_once),
    ("a few settle nothing", few_settle_nothing),
    ("nobody votes twice", nobody_votes_twice),
    ("a copy stays halted", copy_stays_halted),
];

/// The builds that are broken on purpose, and the scenario that each must fail.
pub const MUTANTS: [(&str, &str); 13] = [
    (
        "apply before durable",
        "what was confirmed survives a crash",
    ),
    (
        "forget an intent",
        "a change that lost a race is made again",
    ),
    (
        "tie broken by arrival",
        "rivals are judged alike everywhere",
    ),
    ("an order not realised", "who asks to leave is let go"),
    (
        "encrypt from an old snapshot",
        "who has come in reads what is said",
    ),
    ("skip policy", "only who may puts somebody out"),
    ("reuse a generation", "no key serves twice over a restart"),
    ("prune before all have it", "what one lacks the others keep"),
    ("answer every hello", "one answer is enough"),
    ("drop the gap notice", "a gap is healed at once"),
    ("settle too early", "a few settle nothing"),
    ("a vote changed", "nobody votes twice"),
    ("forget a halt", "a copy stays halted"),
];

/// Breaks this build in each of the ways and runs the scenario that is to notice; the ways that went unnoticed.
#[cfg(sori_mutants)]
#[must_use]
pub fn survivors() -> Vec<&'static str> {
    let mut survivors = Vec::new();
    std::panic::set_hook(Box::new(|_| {}));
    for (mutant, name) in MUTANTS {
        let scenario = scenario(name).unwrap();
        let holds = std::panic::catch_unwind(scenario).is_ok();
        sori_mls::mutant::set(Some(mutant));
        let began = std::time::Instant::now();
        let noticed = std::panic::catch_unwind(scenario).is_err();
        sori_mls::mutant::set(None);
        let verdict = match (holds, noticed) {
            (false, _) => "the scenario fails in a whole build",
            (true, true) => "noticed",
            (true, false) => "SURVIVED",
        };
        println!(
            "{mutant:<30} {name:<42} {verdict} ({} ms)",
            began.elapsed().as_millis()
        );
        if !(holds && noticed) {
            survivors.push(mutant);
        }
    }
    survivors
}

/// The scenario of a name.
#[must_use]
pub fn scenario(name: &str) -> Option<Scenario> {
    let found = SCENARIOS.iter().find(|(known, _)| *known == name);
    found.map(|(_, scenario)| *scenario)
}

fn confirmed_survives_a_crash() {
    let mut world = World::new(&["a", "b"], 1);
    let group = world.group("g", 0, &[1]);
    world.run(5_000);
    world.say(0, &group, "said");
    world.kill(0);
    world.start(0);
    assert!(world.texts(0, &group).contains(&"said".to_owned()));
}

/// Two change different things on two sides; one of them has to do it again.
fn lost_change_is_made_again() {
    let mut world = World::new(&["a", "b", "c"], 2);
    let group = world.group("g", 0, &[1, 2]);
    let (b, c) = (world.account(1), world.account(2));
    world
        .act(0, |e, now| e.group_role(&group, &b, "admin", now))
        .unwrap();
    world.run(10_000);
    world.part(1, 1);
    world.run(5_000);
    world
        .act(0, |e, now| e.group_rename(&group, "new", now))
        .unwrap();
    world
        .act(1, |e, now| e.group_remove(&group, &c, now))
        .unwrap();
    // Not long enough for anybody to vote: the removal comes first by its class.
    world.run(10_000);
    world.part(1, 0);
    world.until(120_000, "both changes", |world| {
        (0..2).all(|who| {
            let info = world.act(who, |e, now| e.group_info(&group, now)).unwrap();
            info.name == "new" && info.members.len() == 2
        })
    });
}

/// Commits of two on one parent, seen in either order: all end in one state.
fn rivals_judged_alike() {
    for seed in 0..4 {
        let mut world = World::new(&["a", "b", "c", "d"], seed);
        let group = world.group("g", 0, &[1, 2, 3]);
        for who in 1..4 {
            let account = world.account(who);
            world
                .act(0, |e, now| e.group_role(&group, &account, "admin", now))
                .unwrap();
            world.run(5_000);
        }
        // Each commits before it hears of the others.
        for who in 0..4 {
            let name = format!("{who}");
            world
                .act(who, |e, now| e.group_rename(&group, &name, now))
                .unwrap();
        }
        world.until(60_000, "one state", |world| {
            world.agree(&group, &[0, 1, 2, 3])
        });
    }
}

/// protocol §5.5
fn leaver_is_let_go() {
    let mut world = World::new(&["a", "b", "c"], 4);
    let group = world.group("g", 0, &[1, 2]);
    world.run(5_000);
    world.act(1, |e, now| e.group_leave(&group, now)).unwrap();
    world.until(60_000, "b is out", |world| {
        let info = world.act(0, |e, now| e.group_info(&group, now)).unwrap();
        info.members.len() == 2
    });
}

fn newcomer_reads_what_is_said() {
    let mut world = World::new(&["a", "b", "c"], 5);
    let group = world.group("g", 0, &[1, 2]);
    world.say(0, &group, "welcome");
    world.until(60_000, "c reads it", |world| {
        world.texts(2, &group).contains(&"welcome".to_owned())
    });
}

/// protocol §5.3
fn only_who_may_removes() {
    let mut world = World::new(&["a", "b", "c"], 6);
    let group = world.group("g", 0, &[1, 2]);
    world.run(5_000);
    let c = world.account(2);
    let answer = world.act(1, |e, now| e.group_remove(&group, &c, now));
    let renamed = world.act(1, |e, now| e.group_rename(&group, "mine", now));
    world.run(60_000);
    let info = world.act(0, |e, now| e.group_info(&group, now)).unwrap();
    assert_eq!(
        (info.members.len(), info.name.as_str()),
        (3, "g"),
        "somebody without the right put c out, or gave the group a name"
    );
    for answer in [answer, renamed] {
        assert_eq!(answer.as_ref().err().map(Error::name), Some("not_allowed"));
    }
}

fn no_key_twice_over_a_restart() {
    let mut world = World::new(&["a", "b"], 7);
    let group = world.group("g", 0, &[1]);
    world.run(5_000);
    for number in 0..4 {
        world.say(0, &group, &format!("{number}"));
        world.run(2_000);
        world.kill(0);
        world.start(0);
    }
    world.until(60_000, "b has all", |world| {
        world.texts(1, &group).len() == 4
    });
}

/// protocol §4.3.2
fn what_one_lacks_the_others_keep() {
    let mut world = World::new(&["a", "b", "c"], 8);
    let group = world.group("g", 0, &[1, 2]);
    world.run(5_000);
    world.kill(2);
    for number in 0..5 {
        world.say(0, &group, &format!("{number}"));
    }
    world.run(10_000);
    // A day later only b is there.
    world.kill(0);
    world.run(30 * 3_600_000);
    world.kill(1);
    world.start(1);
    world.start(2);
    world.until(120_000, "c has all", |world| {
        world.texts(2, &group).len() == 5
    });
}

/// protocol §6.1.3
fn one_answer_is_enough() {
    const MISSED: usize = 200;
    let names: Vec<String> = (0..14).map(|n| format!("p{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::new(&names, 9);
    let others: Vec<usize> = (1..14).collect();
    let group = world.group("g", 0, &others);
    world.run(200_000);
    world.kill(13);
    for number in 0..MISSED {
        world.say(0, &group, &format!("{number}"));
    }
    world.run(120_000);
    // Whoever answers attaches to a topic for it. It takes longer to catch up than to answer.
    let before: Vec<usize> = (0..13).map(|who| world.topics(who)).collect();
    world.ways.delay = 100;
    world.start(13);
    let mut answered = BTreeSet::new();
    for _ in 0..100 {
        world.run(10);
        let more = |who: &usize| world.topics(*who) > before[*who];
        answered.extend((0..13).filter(more));
    }
    world.until(20_000, "all is there", |world| {
        world.texts(13, &group).len() == MISSED
    });
    let answered = answered.len();
    assert!((1..=5).contains(&answered), "{answered} of 13 answer");
}

/// protocol §2.4
fn gap_is_healed_at_once() {
    let mut world = World::new(&["a", "b", "c"], 10);
    let group = world.group("g", 0, &[1, 2]);
    // The hellos of the beginning are over, and what happens ten minutes after it: the next one comes 15 seconds after the
    // message at the earliest.
    world.run(900_000);
    world.ways.loss = 1;
    world.ways.silent = false;
    world.say(0, &group, "lost on the way");
    world.run(100);
    world.ways.loss = 0;
    world.until(6_000, "all have it", |world| {
        (1..3).all(|who| world.texts(who, &group).len() == 1)
    });
}

/// Two of five and the other three, each side with a commit of its own on one state: the owner's with the smaller
/// key is on the smaller side. They vote, and meet again.
fn majority_and_minority(seed: u64) -> (World, String) {
    let mut world = World::new(&["a", "b", "c", "d", "e"], seed);
    let group = world.group("g", 0, &[1, 2, 3, 4]);
    let b = world.account(1);
    world
        .act(0, |e, now| e.group_role(&group, &b, "admin", now))
        .unwrap();
    world.run(60_000);
    for who in [0, 4] {
        world.part(who, 1);
    }
    world.run(5_000);
    for (who, name) in [(0, "of the few"), (1, "of the many")] {
        world
            .act(who, |e, now| e.group_rename(&group, name, now))
            .unwrap();
    }
    world.run(60_000);
    for who in [0, 4] {
        world.part(who, 0);
    }
    world.run(180_000);
    (world, group)
}

/// protocol §5.4.4
fn few_settle_nothing() {
    let (mut world, group) = majority_and_minority(11);
    assert!(world.agree(&group, &[0, 1, 2, 3, 4]));
    // The owner came second, so its name is the later one.
    let info = world.act(3, |e, now| e.group_info(&group, now)).unwrap();
    assert_eq!(info.name, "of the few");
}

/// protocol §5.4.5
fn nobody_votes_twice() {
    let (mut world, group) = majority_and_minority(12);
    for who in 0..5 {
        let told = world.notices(who, &group);
        assert!(!told.contains(&"equivocated".to_owned()), "{told:?}");
    }
}

/// protocol §5.7.5
fn copy_stays_halted() {
    let mut world = World::new(&["a", "b", "c"], 13);
    let group = world.group("g", 0, &[1, 2]);
    let b = world.account(1);
    world
        .act(0, |e, now| e.group_role(&group, &b, "admin", now))
        .unwrap();
    world.run(60_000);
    let image = world.image(2);
    let copy = world.copy_of(&image);
    world.part(1, 1);
    world.part(copy, 1);
    world.start(copy);
    world.run(5_000);
    for (who, name) in [(0, "one"), (1, "other")] {
        world
            .act(who, |e, now| e.group_rename(&group, name, now))
            .unwrap();
    }
    world.run(60_000);
    world.part(1, 0);
    world.part(copy, 0);
    world.until(120_000, "both are halted", |world| {
        [2, copy].map(|who| world.standing(who, &group)) == ["halted", "halted"]
    });
    world.until(60_000, "the owner is told", |world| {
        let told = world.notices(0, &group);
        told.contains(&"equivocated".to_owned())
    });
    world.kill(copy);
    world.kill(2);
    world.start(2);
    let said = world.act(2, |e, now| e.message_send(&group, "on", None, now));
    assert_eq!(said.err().map(|error| error.name()), Some("halted"));
}
