//! People together: what a group is when everybody is there, and when somebody is not.

mod world;

use sori_engine::{InviteOptions, Notices};
use world::World;

#[test]
fn two_people_meet_by_an_invite_and_talk() {
    let mut world = World::new(&["민지", "Jonas"], 1);
    let link = world
        .act(0, |engine, now| {
            engine.invite_create(InviteOptions::default(), now)
        })
        .unwrap();
    world.join(&link, 0, 1);
    world.until(10_000, "a conversation", |world| {
        !world
            .act(1, |engine, now| engine.group_list(now))
            .unwrap()
            .is_empty()
    });
    let group = world
        .act(1, |engine, now| engine.group_list(now))
        .unwrap()
        .remove(0);
    assert_eq!(
        (group.name.as_str(), group.direct, group.members),
        ("민지", true, 2)
    );
    world.say(0, &group.group, "안녕!");
    world.say(1, &group.group, "Hello.");
    world.until(5_000, "both heard", |world| {
        world.agree(&group.group, &[0, 1])
    });
    world.until(5_000, "both know", |world| {
        let list = world
            .act(0, |engine, now| {
                engine.message_list(&group.group, None, 10, Notices::Left, now)
            })
            .unwrap();
        list.iter()
            .all(|message| message.state == "delivered" || !message.mine)
    });
}

#[test]
fn five_people_who_all_talk_at_once_see_the_same() {
    let mut world = World::new(&["a", "b", "c", "d", "e"], 2);
    let group = world.group("산책", 0, &[1, 2, 3, 4]);
    for round in 0..20 {
        for who in 0..5 {
            world.say(who, &group, &format!("{who}-{round}"));
        }
        world.run(7);
    }
    world.until(60_000, "agreed", |world| {
        world.texts(0, &group).len() == 100 && world.agree(&group, &[0, 1, 2, 3, 4])
    });
}

#[test]
fn frames_that_get_lost_are_fetched() {
    let mut world = World::new(&["a", "b", "c"], 3);
    let group = world.group("noise", 0, &[1, 2]);
    world.loss = 3;
    for round in 0..30 {
        world.say(round % 3, &group, &format!("{round}"));
        world.run(50);
    }
    world.until(600_000, "agreed", |world| {
        world.texts(0, &group).len() == 30 && world.agree(&group, &[0, 1, 2])
    });
}

/// protocol §4.3.2
#[test]
fn who_was_away_gets_all_from_somebody_who_wrote_none_of_it() {
    let mut world = World::new(&["a", "b", "c"], 4);
    let group = world.group("trip", 0, &[1, 2]);
    world.run(5_000);
    world.kill(2);
    for round in 0..200 {
        world.say(0, &group, &format!("{round}"));
        if round % 20 == 0 {
            let name = format!("trip {round}");
            world
                .act(0, |engine, now| engine.group_rename(&group, &name, now))
                .unwrap();
        }
        world.run(10);
    }
    world.until(20_000, "b has all", |world| world.agree(&group, &[0, 1]));
    world.kill(0);
    world.relay(false);
    world.run(1_000);
    world.relay(true);
    world.start(2);
    world.until(60_000, "c has all", |world| {
        world.texts(2, &group).len() == 200 && world.agree(&group, &[1, 2])
    });
    let info = world
        .act(2, |engine, now| engine.group_info(&group, now))
        .unwrap();
    assert_eq!(info.name, "trip 180");
}

/// protocol §5.1.4
#[test]
fn more_messages_than_keys_are_kept_for_arrive_in_any_order() {
    let mut world = World::new(&["a", "b"], 13);
    let group = world.group("flood", 0, &[1]);
    world.run(5_000);
    world.kill(1);
    for round in 0..1_500 {
        world.say(0, &group, &format!("{round}"));
    }
    world.start(1);
    // The newest comes live, before any of the others.
    world.run(40);
    world.say(0, &group, "1500");
    world.until(60_000, "all", |world| {
        world.sync(1, &group).envelopes > 1_500 && world.messages(1, &group) == 1_501
    });
    assert!(
        world
            .act(0, |engine, now| engine.group_info(&group, now))
            .unwrap()
            .epoch
            >= 4
    );
}

#[test]
fn a_catch_up_that_breaks_off_keeps_nobody_from_the_next() {
    for seed in 100..130 {
        let mut world = World::new(&["a", "b", "c"], seed);
        let group = world.group("broken off", 0, &[1, 2]);
        world.run(5_000);
        world.kill(2);
        world.loss = 1;
        for round in 0..5 {
            world.say(0, &group, &format!("{round}"));
            world.say(1, &group, &format!("{round}"));
        }
        world.relay(false);
        world.run(500);
        world.loss = 0;
        world.relay(true);
        // Somewhere in the middle of what a and b have to tell each other.
        world.run(200 + seed % 10 * 60);
        world.kill(0);
        world.relay(false);
        world.run(100);
        world.relay(true);
        world.start(2);
        world.until(20_000, "agreed", |world| {
            world.texts(1, &group).len() >= 5 && world.agree(&group, &[1, 2])
        });
    }
}

/// protocol §5.4.2, §5.4.3
#[test]
fn two_admins_who_commit_at_the_same_instant_never_split_the_group() {
    let mut world = World::new(&["a", "b", "c"], 5);
    let group = world.group("race", 0, &[1, 2]);
    world.run(3_000);
    let b = world
        .act(1, |engine, now| engine.account_info(now))
        .unwrap()
        .account;
    world
        .act(0, |engine, now| engine.group_role(&group, &b, "admin", now))
        .unwrap();
    world.run(3_000);
    for round in 0..50 {
        for who in 0..2 {
            let name = format!("{who} {round}");
            world
                .act(who, |engine, now| engine.group_rename(&group, &name, now))
                .unwrap();
        }
        world.say(2, &group, &format!("{round}"));
        world.until(30_000, "one state", |world| world.agree(&group, &[0, 1, 2]));
    }
    assert_eq!(world.texts(2, &group).len(), 50);
}

/// protocol §4.3.3, §5.2.3
#[test]
fn killed_at_any_moment_nothing_confirmed_is_lost() {
    let mut world = World::new(&["a", "b", "c", "d"], 6);
    let group = world.group("storm", 0, &[1, 2, 3]);
    let mut said = 0;
    for round in 0..60_usize {
        for who in 0..4 {
            world.say(who, &group, &format!("{who}-{round}"));
            said += 1;
        }
        if round % 7 == 3 {
            let victim = round / 7 % 4;
            world.kill(victim);
            world.run(5);
            world.start(victim);
        }
        if round % 20 == 10 {
            world.relay(false);
            world.run(300);
            world.relay(true);
        }
        world.run(20);
    }
    world.until(300_000, "agreed", |world| {
        world.texts(0, &group).len() == said && world.agree(&group, &[0, 1, 2, 3])
    });
}

#[test]
fn a_removed_member_is_out_and_the_others_go_on() {
    let mut world = World::new(&["a", "b", "c"], 7);
    let group = world.group("room", 0, &[1, 2]);
    world.say(2, &group, "before");
    world.run(3_000);
    let c = world
        .act(2, |engine, now| engine.account_info(now))
        .unwrap()
        .account;
    world
        .act(0, |engine, now| engine.group_remove(&group, &c, now))
        .unwrap();
    world.run(3_000);
    world.say(0, &group, "after");
    world.until(10_000, "b heard", |world| world.texts(1, &group).len() == 2);
    assert_eq!(world.texts(2, &group), ["before"]);
    let refused = world.act(2, |engine, now| engine.message_send(&group, "x", None, now));
    assert_eq!(refused.unwrap_err().name(), "not_member");
    assert!(world.agree(&group, &[0, 1]));
    // It is told so, keeps what it had, and gets nothing of what follows, however long it listens.
    assert!(world.notices(2, &group).contains(&"removed".to_owned()));
    assert_eq!(world.standing(2, &group), "out");
    // Votes about its removal still reach it: from these it knows that it stands.
    world.run(60_000);
    let had = world.sync(2, &group).envelopes;
    world.kill(2);
    world.start(2);
    for round in 0..10 {
        world.say(round % 2, &group, &format!("later {round}"));
        world.run(60_000);
    }
    assert_eq!(world.texts(2, &group), ["before"]);
    assert!(
        world.sync(2, &group).envelopes <= had,
        "nothing to read later"
    );
    for other in [0, 1] {
        assert_eq!(world.texts(other, &group).len(), 12);
    }
}

/// protocol §4.1.4
#[test]
fn who_was_away_during_a_removal_finds_the_group_again() {
    let mut world = World::new(&["a", "b", "c", "d"], 8);
    let group = world.group("room", 0, &[1, 2, 3]);
    world.run(3_000);
    world.kill(1);
    let c = world
        .act(2, |engine, now| engine.account_info(now))
        .unwrap()
        .account;
    world
        .act(0, |engine, now| engine.group_remove(&group, &c, now))
        .unwrap();
    world.say(0, &group, "after");
    world.run(5_000);
    world.kill(0);
    world.start(1);
    world.until(60_000, "b heard", |world| world.agree(&group, &[1, 3]));
    assert_eq!(world.texts(1, &group), ["after"]);
}

/// protocol §5.5.2, §5.5.3
#[test]
fn who_leaves_is_taken_out_by_the_others() {
    let mut world = World::new(&["a", "b", "c"], 9);
    let group = world.group("room", 0, &[1, 2]);
    world.run(3_000);
    world
        .act(1, |engine, now| engine.group_leave(&group, now))
        .unwrap();
    world.until(30_000, "two left", |world| {
        world
            .act(0, |e, now| e.group_info(&group, now))
            .unwrap()
            .members
            .len()
            == 2
            && world.agree(&group, &[0, 2])
    });
    let owner = world.act(0, |engine, now| engine.group_leave(&group, now));
    assert_eq!(owner.unwrap_err().name(), "owner_cannot_leave");
}

/// protocol §7.3.4
#[test]
fn a_contact_who_is_away_is_added_and_finds_the_welcome() {
    let mut world = World::new(&["a", "b", "c"], 10);
    let first = world.group("first", 0, &[1]);
    world.run(3_000);
    world.kill(1);
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
    world.say(0, &second, "welcome");
    world.run(2_000);
    world.start(1);
    world.until(30_000, "b is in", |world| {
        world
            .act(1, |engine, now| engine.group_info(&second, now))
            .is_ok()
    });
    world.until(30_000, "b heard", |world| world.agree(&second, &[0, 1]));
    assert!(world.agree(&first, &[0, 1]));
}

/// protocol §4.1.3
#[test]
fn a_conversation_goes_on_over_midnight() {
    let mut world = World::new(&["a", "b"], 11);
    let group = world.group("night", 0, &[1]);
    let midnight = (world.now / 86_400_000 + 1) * 86_400_000;
    let wait = midnight - world.now - 30_000;
    world.run(wait);
    for round in 0..12_usize {
        world.say(round % 2, &group, &format!("{round}"));
        world.run(10_000);
    }
    world.until(30_000, "agreed", |world| {
        world.texts(0, &group).len() == 12 && world.agree(&group, &[0, 1])
    });
}

/// protocol §8.4
#[test]
fn messages_are_answered_changed_and_taken_back() {
    let mut world = World::new(&["a", "b"], 12);
    let group = world.group("words", 0, &[1]);
    let first = world.say(0, &group, "frist");
    world.run(1_000);
    world
        .act(0, |e, now| e.message_edit(&group, &first, "first", now))
        .unwrap();
    world
        .act(1, |e, now| e.message_react(&group, &first, "👍", now))
        .unwrap();
    world
        .act(1, |e, now| e.message_send(&group, "yes", Some(&first), now))
        .unwrap();
    let gone = world.say(1, &group, "secret");
    world.run(1_000);
    world
        .act(1, |e, now| e.message_delete(&group, &gone, now))
        .unwrap();
    let foreign = world.act(0, |e, now| e.message_edit(&group, &gone, "mine", now));
    assert_eq!(foreign.unwrap_err().name(), "not_sender");
    world.run(3_000);
    for who in 0..2 {
        let list = world
            .act(who, |e, now| {
                e.message_list(&group, None, 10, Notices::Left, now)
            })
            .unwrap();
        let [deleted, answer, edited] = list.as_slice() else {
            panic!("{list:?}")
        };
        assert_eq!((deleted.text.as_str(), deleted.deleted), ("", true));
        assert_eq!(answer.in_reply_to.as_deref(), Some(first.as_str()));
        assert_eq!((edited.text.as_str(), edited.edited), ("first", true));
        assert_eq!(edited.reactions.len(), 1);
        let older = world
            .act(who, |e, now| {
                e.message_list(&group, Some(&answer.id), 10, Notices::Left, now)
            })
            .unwrap();
        assert_eq!(older.len(), 1);
    }
    world
        .act(1, |e, now| e.message_react(&group, &first, "", now))
        .unwrap();
    let nothing = world.act(1, |e, now| e.message_react(&group, &first, "", now));
    assert_eq!(nothing.unwrap_err().name(), "not_found");
    world.run(2_000);
    for who in 0..2 {
        let list = world
            .act(who, |e, now| {
                e.message_list(&group, None, 10, Notices::Left, now)
            })
            .unwrap();
        assert!(list.iter().all(|message| message.reactions.is_empty()));
    }
}
