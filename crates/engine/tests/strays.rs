//! What was written on a branch that lost: sent again to those whom it was written for, or a person decides.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod world;

use sori_engine::Notices;
use sori_engine::view::MessageView;
use world::World;

const WORDS: &str = "on the way that loses";

/// The line with the words, as somebody's window shows it.
fn line(world: &mut World, who: usize, group: &str) -> Option<MessageView> {
    let list = world.act(who, |engine, now| {
        engine.message_list(group, None, 100, Notices::Left, now)
    });
    list.unwrap().into_iter().find(|line| line.text == WORDS)
}

fn state(world: &mut World, who: usize, group: &str) -> String {
    line(world, who, group).map_or_else(String::new, |line| line.state)
}

/// Four people, of whom `d` is away; `b` and `c` go a way that loses, and `b` says something on it. If `joins`,
/// `e` is let in on the way that wins.
fn apart(seed: u64, joins: bool) -> (World, String) {
    let mut world = World::new(&["a", "b", "c", "d", "e"], seed);
    let group = world.group("group", 0, &[1, 2, 3]);
    let admin = world.account(1);
    world
        .act(0, |e, now| e.group_role(&group, &admin, "admin", now))
        .unwrap();
    world.until(10_000, "an admin", |world| {
        world.agree(&group, &[0, 1, 2, 3])
    });
    world.kill(3);
    world.people[1].side = 1;
    world.people[2].side = 1;
    world
        .act(0, |e, now| e.group_rename(&group, "of a", now))
        .unwrap();
    world
        .act(1, |e, now| e.group_rename(&group, "of b", now))
        .unwrap();
    world.run(1_000);
    world.say(1, &group, WORDS);
    world.until(5_000, "c hears it", |world| {
        line(world, 2, &group).is_some()
    });
    if joins {
        let options = sori_engine::InviteOptions {
            group: Some(group.clone()),
            ..Default::default()
        };
        let link = world
            .act(0, |e, now| e.invite_create(options, now))
            .unwrap();
        world.join(&link, 0, 4);
        world.until(40_000, "e is in", |world| {
            world.act(4, |e, now| e.group_info(&group, now)).is_ok()
        });
    }
    world.people[1].side = 0;
    world.people[2].side = 0;
    (world, group)
}

/// protocol §5.8.1, §5.8.4
#[test]
fn own_messages_of_a_way_that_lost_are_sent_again_under_their_ids() {
    let (mut world, group) = apart(1, false);
    let first = line(&mut world, 1, &group).unwrap();
    world.until(400_000, "c sees that the way lost", |world| {
        state(world, 2, &group) == "superseded"
    });
    world.until(60_000, "and that it came again", |world| {
        state(world, 2, &group) == "received"
    });
    assert_ne!(state(&mut world, 1, &group), "held");
    world.start(3);
    world.until(60_000, "d has it, too", |world| {
        state(world, 1, &group) == "delivered" && world.agree(&group, &[0, 1, 2, 3])
    });
    for who in 0..4 {
        let again = line(&mut world, who, &group).unwrap();
        assert_eq!(again.id, first.id);
        let lines = world.texts(who, &group);
        assert_eq!(lines.iter().filter(|text| *text == WORDS).count(), 1);
    }
}

/// protocol §5.8.2
#[test]
fn what_somebody_new_would_read_waits_for_a_decision() {
    let (mut world, group) = apart(2, true);
    world.until(400_000, "a decision is asked for", |world| {
        state(world, 1, &group) == "held"
    });
    world.run(60_000);
    assert!(line(&mut world, 4, &group).is_none(), "e was not meant");
    let id = line(&mut world, 1, &group).unwrap().id;
    // Only b decides, and only about what waits.
    let by_others = world.act(2, |e, now| e.message_resend(&group, &id, now));
    assert_eq!(by_others.unwrap_err().name(), "not_found");
    world
        .act(1, |e, now| e.message_resend(&group, &id, now))
        .unwrap();
    world.start(3);
    world.until(60_000, "all have it", |world| {
        state(world, 1, &group) == "delivered" && world.agree(&group, &[0, 1, 2, 3, 4])
    });
    assert!(line(&mut world, 4, &group).is_some());
}

/// protocol §5.8.2
#[test]
fn what_is_given_up_is_not_sent_again() {
    let (mut world, group) = apart(3, true);
    world.until(400_000, "a decision is asked for", |world| {
        state(world, 1, &group) == "held"
    });
    let id = line(&mut world, 1, &group).unwrap().id;
    // The question is there after a start as well.
    world.kill(1);
    world.start(1);
    assert_eq!(state(&mut world, 1, &group), "held");
    world
        .act(1, |e, now| e.message_drop(&group, &id, now))
        .unwrap();
    assert_ne!(state(&mut world, 1, &group), "held");
    let again = world.act(1, |e, now| e.message_resend(&group, &id, now));
    assert_eq!(again.unwrap_err().name(), "not_found");
    world.run(60_000);
    assert!(line(&mut world, 4, &group).is_none());
    assert_eq!(state(&mut world, 2, &group), "superseded");
}
