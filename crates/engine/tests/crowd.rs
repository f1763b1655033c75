//! What a group costs that comes together, and what catching up costs: frames and bytes, counted.
//!
//! Larger forms, which print what they count: `SORI_CROWD=100 SORI_MISSED=10000 cargo test --release
//! -p sori-engine --test crowd -- --nocapture`.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod world;

use sori_engine::{InviteOptions, Notices};
use world::World;

const DAY_MS: u64 = 86_400_000;

fn from_environment(name: &str, otherwise: usize) -> usize {
    let set = std::env::var(name).ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A group of so many, all there and quiet.
fn crowd(count: usize, seed: u64) -> (World, String) {
    let names: Vec<String> = (0..count).map(|n| format!("p{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::new(&names, seed);
    let group = world.act(0, |e, now| e.group_create("crowd", now)).unwrap();
    let options = InviteOptions {
        group: Some(group.clone()),
        ..InviteOptions::default()
    };
    let link = world
        .act(0, |e, now| e.invite_create(options, now))
        .unwrap();
    for who in 1..count {
        world.join(&link, 0, who);
        world.until(60_000, "in", |world| {
            world.act(who, |e, now| e.group_info(&group, now)).is_ok()
        });
    }
    world.until(600_000, "all agree", |world| {
        let all: Vec<usize> = (0..count).collect();
        world.agree(&group, &all)
    });
    world.run(600_000);
    (world, group)
}

fn delivered(world: &mut World, group: &str) -> bool {
    let list = world
        .act(0, |e, now| {
            e.message_list(group, None, 1, Notices::Left, now)
        })
        .unwrap();
    list[0].state == "delivered"
}

/// protocol §6.3.1
#[test]
fn receipts_of_a_message_are_spread_and_one_a_member() {
    let count = from_environment("SORI_CROWD", 10);
    let (mut world, group) = crowd(count, 201);
    // What is said anyway in as long a time.
    let span = 1_000 + 400 * count as u64;
    let before = world.wide;
    world.run(span);
    let quiet = world.wide - before;
    let before = world.wide;
    world.say(0, &group, "hello, everybody");
    world.run(span);
    let frames = world.wide - before;
    println!("{count} members: {frames} frames within {span} ms of a message, {quiet} without");
    assert!(delivered(&mut world, &group));
    assert!(frames <= 1 + 2 * count as u64 + quiet, "{frames} frames");
    // Under load as well: about five receipts a second, whatever the size.
    let before = world.wide;
    for round in 0..20 {
        world.say(0, &group, &format!("{round}"));
        world.run(500);
    }
    world.run(span);
    let seconds = (10_000 + span) / 1_000;
    let frames = world.wide - before;
    println!("{count} members: {frames} frames for 20 messages in {seconds} s");
    assert!(frames <= 20 + 6 * seconds + 2 * count as u64, "{frames}");
}

/// protocol §6.1.1, §6.1.3
#[test]
fn a_crowd_that_comes_back_at_once_makes_no_storm() {
    let count = from_environment("SORI_CROWD", 10);
    let (mut world, group) = crowd(count, 202);
    let away: Vec<usize> = (count / 2..count).collect();
    for who in &away {
        world.kill(*who);
    }
    for round in 0..20 {
        world.say(round % (count / 2), &group, &format!("{round}"));
        world.run(100);
    }
    world.run(60_000);
    let (frames, wide, now) = (world.frames, world.wide, world.now);
    for who in &away {
        world.start(*who);
    }
    world.until(600_000, "all have all", |world| {
        away.iter().all(|who| world.texts(*who, &group).len() >= 20)
    });
    let took = world.now - now;
    world.run(30_000);
    let (frames, wide) = (world.frames - frames, world.wide - wide);
    println!(
        "{} of {count} come back within {took} ms: {wide} frames to all, {frames} in all",
        away.len()
    );
    assert!(wide <= 10 * count as u64, "{wide} frames to all");
    assert!(frames <= 40 * count as u64, "{frames} frames");
}

/// protocol §6.1.4, §6.2.3
#[test]
fn who_missed_much_gets_it_from_several_and_in_small_pieces() {
    let missed = from_environment("SORI_MISSED", 3_000);
    // Chance decides who of two answers first, and one alone may be through before the other begins.
    let shared = (210..214).filter(|seed| {
        let given = catches_up(missed, *seed);
        let all: u64 = given.iter().sum();
        given.iter().all(|bytes| *bytes > all / 8)
    });
    let shared = shared.count();
    assert!(shared >= 2, "shared in {shared} of 4 worlds");
}

/// One of three missed so many envelopes; the bytes that each of the others gives it.
#[expect(clippy::print_stdout, reason = "figures are what this is about")]
fn catches_up(missed: usize, seed: u64) -> [u64; 2] {
    let mut world = World::new(&["a", "b", "c"], seed);
    let group = world.group("much", 0, &[1, 2]);
    world.run(5_000);
    world.kill(2);
    for round in 0..missed {
        world.say(round % 2, &group, &format!("{round}"));
        if round % 50 == 0 {
            world.run(20);
        }
    }
    world.until(60_000, "both have all", |world| {
        world.messages(0, &group) == missed && world.messages(1, &group) == missed
    });
    world.run(10_000);
    let before = [world.people[0].given, world.people[1].given];
    world.most_at_once = 0;
    world.delay = 150;
    let now = world.now;
    world.start(2);
    world.until(600_000, "c has all", |world| {
        world.sync(2, &group).envelopes >= missed as u64 && world.messages(2, &group) == missed
    });
    let given = [0, 1].map(|who| world.people[who].given - before[who]);
    println!(
        "{missed} envelopes in {} ms, {given:?} bytes from each, {} bytes at once at most",
        world.now - now,
        world.most_at_once
    );
    let all: u64 = given.iter().sum();
    assert!(
        all < missed as u64 * 1_600,
        "each came less than twice, padded: {all} bytes"
    );
    assert!(world.most_at_once <= 4 * 65_536, "{}", world.most_at_once);
    given
}

/// protocol §6.2.5
#[test]
fn a_catch_up_that_breaks_off_goes_on_where_it_was() {
    let mut world = World::new(&["a", "b"], 204);
    let group = world.group("broken", 0, &[1]);
    world.run(5_000);
    world.kill(1);
    for round in 0..2_000 {
        world.say(0, &group, &format!("{round}"));
    }
    let before = world.people[0].given;
    let mut last = 0;
    let mut breaks = 0;
    world.delay = 120;
    world.start(1);
    while world.messages(1, &group) < 2_000 {
        world.run(150);
        let have = world.messages(1, &group);
        assert!(have >= last, "what arrived is kept");
        if have > last && breaks < 4 {
            breaks += 1;
            world.kill(1);
            world.start(1);
        }
        last = have;
        assert!(world.people[0].given < 10_000_000, "no end");
    }
    let given = world.people[0].given - before;
    assert!(breaks >= 2, "{breaks}");
    assert!(given < 2_000 * 1_300, "{given} bytes");
}

/// protocol §4.3.2
#[test]
fn a_day_leaves_the_logs_when_all_have_it_and_not_before() {
    let mut world = World::new(&["a", "b", "c"], 205);
    let group = world.group("days", 0, &[1, 2]);
    // Votes about who came in are said as well.
    world.run(60_000);
    world.kill(2);
    for round in 0..20 {
        world.say(round % 2, &group, &format!("{round}"));
    }
    world.run(10_000);
    let held = |world: &mut World, who: usize| world.sync(who, &group).envelopes;
    let all = held(&mut world, 0);
    world.now += 2 * DAY_MS;
    world.relay(false);
    world.run(5_000);
    world.relay(true);
    world.run(600_000);
    assert_eq!(held(&mut world, 0), all, "one has not got it");
    world.start(2);
    world.until(60_000, "all have it", |world| {
        world.texts(2, &group).len() == 20
    });
    world.until(900_000, "nobody keeps it", |world| {
        [0, 1].iter().all(|who| held(world, *who) == 0)
    });
    // It does not come back, and what is said today is kept.
    world.say(2, &group, "today");
    world.kill(1);
    world.start(1);
    world.run(600_000);
    for who in [0, 1] {
        assert_eq!(held(&mut world, who), 1);
        assert_eq!(world.texts(who, &group).len(), 21);
    }
}

/// protocol §4.3.2
#[test]
fn logs_keep_to_the_size_that_a_person_chose() {
    let mut world = World::new(&["a", "b"], 206);
    let group = world.group("size", 0, &[1]);
    // Votes about who came in are said as well.
    world.run(60_000);
    world.kill(1);
    for round in 0..60 {
        world.say(0, &group, &format!("{round} {}", "x".repeat(30_000)));
    }
    let first = world.sync(0, &group).envelopes;
    world.now += DAY_MS;
    world.say(0, &group, "today");
    world
        .act(0, |engine, now| engine.settings_log(3, now))
        .unwrap();
    assert_eq!(world.sync(0, &group).envelopes, first + 1, "it fits");
    world
        .act(0, |engine, now| engine.settings_log(1, now))
        .unwrap();
    assert_eq!(world.sync(0, &group).envelopes, 1, "today stays");
    assert!(world.notices(0, &group).contains(&"undelivered".to_owned()));
    world.start(1);
    world.until(60_000, "what is there comes", |world| {
        world.texts(1, &group) == ["today"]
    });
    world.run(600_000);
    assert_eq!(world.sync(0, &group).envelopes, 1, "nothing comes back");
}

/// protocol §4.1.4
#[test]
fn who_was_away_for_a_month_finds_the_group_again() {
    let mut world = World::new(&["a", "b", "c", "d"], 207);
    let group = world.group("month", 0, &[1, 2, 3]);
    world.run(5_000);
    world.kill(2);
    let gone = world.account(3);
    world
        .act(0, |engine, now| engine.group_remove(&group, &gone, now))
        .unwrap();
    world.say(0, &group, "while you were away");
    world.run(30_000);
    for who in [0, 1, 3] {
        world.kill(who);
    }
    world.now += 29 * DAY_MS;
    for who in [0, 1, 2] {
        world.start(who);
    }
    world.until(120_000, "found", |world| {
        world.texts(2, &group) == ["while you were away"] && world.agree(&group, &[0, 1, 2])
    });
    world.say(2, &group, "back");
    world.until(60_000, "heard", |world| world.agree(&group, &[0, 1, 2]));
}

/// protocol §4.1.3
#[test]
fn clocks_that_differ_by_ten_minutes_meet_around_midnight() {
    let midnight = 20_780 * DAY_MS;
    let mut world = World::at(midnight - 15 * 60_000, &["a", "b", "c"], 208);
    let group = world.group("clocks", 0, &[1, 2]);
    world.people[1].skew = 290_000;
    world.people[2].skew = -290_000;
    for round in 0..60 {
        world.say(round % 3, &group, &format!("{round}"));
        world.run(30_000);
        if round % 10 == 9 {
            world.until(60_000, "all heard", |world| {
                world.texts(0, &group).len() == round + 1 && world.agree(&group, &[0, 1, 2])
            });
        }
    }
}

/// protocol §7.3.4
#[test]
fn key_packages_of_contacts_are_used_once_and_not_when_old() {
    let mut world = World::new(&["a", "b"], 209);
    let link = world
        .act(0, |engine, now| {
            engine.invite_create(InviteOptions::default(), now)
        })
        .unwrap();
    world.join(&link, 0, 1);
    world.run(20_000);
    let bo = world.account(1);
    let add = |world: &mut World| {
        let group = world.act(0, |e, now| e.group_create("more", now)).unwrap();
        world.act(0, |engine, now| engine.group_add(&group, &bo, now))
    };
    for who in [0, 1] {
        world.kill(who);
    }
    world.now += 100 * DAY_MS;
    world.start(0);
    world.run(10_000);
    assert!(add(&mut world).is_err(), "they are too old");
    world.start(1);
    // Who comes after so long gives new ones by itself.
    world.run(2 * 3_600_000);
    world.kill(1);
    let mut added = 0;
    while add(&mut world).is_ok() {
        added += 1;
        assert!(added < 20, "each is used once");
    }
    assert!(added >= 1);
    world.start(1);
    world.until(120_000, "in all of them", |world| {
        let groups = world.act(1, |e, now| e.group_list(now)).unwrap();
        groups.iter().filter(|group| group.name == "more").count() == added
    });
    world.run(20_000);
    add(&mut world).unwrap();
}

/// protocol §4.3.2
#[test]
fn logs_keep_to_the_age_that_a_person_chose_but_for_the_only_copy() {
    let mut world = World::new(&["a", "b", "c"], 210);
    let group = world.group("age", 0, &[1, 2]);
    // Votes about who came in are said as well.
    world.run(60_000);
    world.kill(2);
    world.say(0, &group, "two have it");
    world.run(10_000);
    world.now += 8 * DAY_MS;
    world.relay(false);
    world.run(5_000);
    world.relay(true);
    world.run(600_000);
    world.kill(1);
    world.say(0, &group, "one has it");
    let all = world.sync(0, &group).envelopes;
    for days in [0, 6, 31] {
        let refused = world.act(0, |engine, now| engine.settings_log_days(days, now));
        assert!(refused.is_err(), "{days}");
    }
    world
        .act(0, |engine, now| engine.settings_log_days(7, now))
        .unwrap();
    assert_eq!(world.sync(0, &group).envelopes, 1, "of {all}");
    world.now += 8 * DAY_MS;
    world.relay(false);
    world.run(5_000);
    assert_eq!(world.sync(0, &group).envelopes, 1, "nobody else has it");
    world.relay(true);
    for who in [1, 2] {
        world.start(who);
    }
    world.until(120_000, "it came from who kept it", |world| {
        [1, 2]
            .iter()
            .all(|who| world.texts(*who, &group) == ["two have it", "one has it"])
    });
    // Until the next midnight it stays.
    world.run(2 * DAY_MS);
    assert_eq!(world.sync(0, &group).envelopes, 0, "others have it now");
}

/// protocol §5.10.4
#[test]
fn who_asks_while_somebody_is_let_in_is_let_in_with_the_others() {
    let count = from_environment("SORI_TOGETHER", 20);
    let names: Vec<String> = (0..count).map(|n| format!("p{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::new(&names, 208);
    let group = world.group("at once", 0, &[1, 2]);
    let options = InviteOptions {
        group: Some(group.clone()),
        ..InviteOptions::default()
    };
    let link = world
        .act(0, |e, now| e.invite_create(options, now))
        .unwrap();
    let epoch = |world: &mut World| {
        let info = world.act(0, |e, now| e.group_info(&group, now));
        info.unwrap().epoch
    };
    let before = epoch(&mut world);
    for who in 3..count {
        world
            .act(who, |e, now| e.invite_accept(&link, now))
            .unwrap();
    }
    // Only so many requests wait at a time.
    world.until(60_000, "all who can have asked", |world| {
        let ready = world
            .joins(0)
            .into_iter()
            .filter(|join| join.code.len() == 7);
        ready.count() >= (count - 3).min(64)
    });
    let all: Vec<usize> = (0..count).collect();
    world.until(600_000, "all are in", |world| {
        for join in world.joins(0) {
            let _ = world.act(0, |e, now| e.join_approve(&join.id, now));
        }
        all.iter()
            .all(|who| world.act(*who, |e, now| e.group_info(&group, now)).is_ok())
            && world.agree(&group, &all)
    });
    let commits = epoch(&mut world) - before;
    println!("{} let in by {commits} commits", count - 3);
    assert!(commits <= 2 + (count as u64 - 3) / 6, "{commits} commits");
    for who in all {
        world.say(who, &group, "here");
    }
    world.until(60_000, "everybody hears everybody", |world| {
        (0..count).all(|who| world.texts(who, &group).len() == count)
    });
}
