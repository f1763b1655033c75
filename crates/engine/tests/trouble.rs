//! Things that once went wrong.

mod world;

use sori_engine::Notices;
use world::World;

#[test]
fn a_contact_is_added_with_a_key_package_from_long_ago() {
    let mut world = World::new(&["a", "b"], 21);
    world.group("first", 0, &[1]);
    world.run(20 * 60_000);
    let second = world
        .act(0, |engine, now| engine.group_create("second", now))
        .unwrap();
    let b = world
        .act(0, |engine, now| engine.contact_list(now))
        .unwrap()
        .remove(0)
        .id;
    world
        .act(0, |engine, now| engine.group_add(&second, &b, now))
        .unwrap();
    world.until(10_000, "b is in", |world| {
        world
            .act(1, |engine, now| engine.group_info(&second, now))
            .is_ok()
    });
}

#[test]
fn a_change_that_was_wiped_is_no_line_after_a_restart() {
    let mut world = World::new(&["a", "b"], 22);
    let group = world.group("words", 0, &[1]);
    let id = world.say(0, &group, "frist");
    world
        .act(0, |e, now| e.message_edit(&group, &id, "first", now))
        .unwrap();
    world
        .act(0, |e, now| e.message_delete(&group, &id, now))
        .unwrap();
    world.run(2_000);
    for who in 0..2 {
        world.kill(who);
        world.start(who);
        assert_eq!(world.texts(who, &group), [""]);
    }
}

#[test]
fn a_relay_that_is_gone_keeps_nobody_from_catching_up_at_another() {
    let mut world = World::new(&["a", "b"], 23);
    let group = world.group("two relays", 0, &[1]);
    let gone = format!("relay://127.0.0.1:9/#{}", "A".repeat(43));
    for who in 0..2 {
        world
            .act(who, |engine, now| engine.relay_set(&gone, now))
            .unwrap();
    }
    world.run(120_000);
    world.loss = 1;
    world.say(0, &group, "lost");
    world.run(1_000);
    world.loss = 0;
    world.until(300_000, "b has it", |world| {
        world.texts(1, &group) == ["lost"]
    });
}

#[test]
fn what_was_refused_is_not_done_later() {
    let mut world = World::new(&["a", "b"], 24);
    let group = world.group("calm", 0, &[1]);
    let refused = world.act(1, |engine, now| engine.group_rename(&group, "mine", now));
    assert_eq!(refused.unwrap_err().name(), "not_allowed");
    let b = world
        .act(1, |engine, now| engine.account_info(now))
        .unwrap()
        .account;
    world
        .act(0, |engine, now| engine.group_role(&group, &b, "admin", now))
        .unwrap();
    world.say(0, &group, "go on");
    world.run(60_000);
    let info = world
        .act(1, |engine, now| engine.group_info(&group, now))
        .unwrap();
    assert_eq!(info.name, "calm");
    let lines = world
        .act(1, |e, now| {
            e.message_list(&group, None, 100, Notices::Shown, now)
        })
        .unwrap();
    let told = |what: &str| {
        let of = |line: &&sori_engine::view::MessageView| {
            line.notice
                .as_ref()
                .is_some_and(|notice| notice.what == what)
        };
        lines.iter().filter(of).count()
    };
    assert_eq!((told("withdrawn"), told("renamed")), (0, 0));
}

#[test]
fn who_asks_for_what_is_so_already_gets_it() {
    let mut world = World::new(&["a"], 25);
    let group = world.group("same", 0, &[]);
    let state = world.state(0, &group);
    world
        .act(0, |engine, now| engine.group_rename(&group, "same", now))
        .unwrap();
    assert_eq!(world.state(0, &group), state);
}

#[test]
fn a_conversation_of_two_cannot_be_left_by_its_maker_and_says_so() {
    let mut world = World::new(&["a", "b"], 26);
    let link = world
        .act(0, |engine, now| {
            engine.invite_create(sori_engine::InviteOptions::default(), now)
        })
        .unwrap();
    world.join(&link, 0, 1);
    world.run(5_000);
    let group = world
        .act(0, |engine, now| engine.group_list(now))
        .unwrap()
        .remove(0)
        .group;
    let left = world.act(0, |engine, now| engine.group_leave(&group, now));
    assert_eq!(left.unwrap_err().name(), "owner_cannot_leave");
}
