//! Devices that have lost their state: they come back by themselves, as the device they were, and
//! never use a key twice.

mod world;

use std::collections::BTreeSet;

use sori_engine::{Engine, InviteOptions, Notices};
use world::World;

/// protocol §5.2.3, §5.6.1, §5.6.6, §5.6.7, §5.6.8
#[test]
fn an_old_disk_put_back_comes_back_and_no_state_encrypts_twice() {
    for seed in 0..4 {
        let mut world = World::new(&["a", "b", "c"], 300 + seed);
        let group = world.group("tea", 0, &[1, 2]);
        world.say(0, &group, "first");
        world.until(10_000, "heard", |world| world.agree(&group, &[0, 1, 2]));
        let image = world.image(2);
        let mut used = BTreeSet::new();
        for round in 0..3 {
            used.insert(world.state(2, &group));
            world.say(2, &group, &format!("c {round}"));
            let name = format!("tea {round}");
            world
                .act(0, |engine, now| engine.group_rename(&group, &name, now))
                .unwrap();
            world.run(1_000);
        }
        world.until(10_000, "one state", |world| world.agree(&group, &[0, 1, 2]));
        used.insert(world.state(2, &group));
        world.say(2, &group, "c last");
        world.run(2_000);

        world.put_back(2, &image);
        assert_eq!(world.standing(2, &group), "rejoining");
        // What somebody says who has not heard of it yet is for a state that is lost.
        world.until(30_000, "back", |world| {
            let state = world.state(2, &group);
            world.standing(2, &group) == "active"
                && [0, 1].iter().all(|who| world.state(*who, &group) == state)
        });
        assert!(
            !used.contains(&world.state(2, &group)),
            "a state of its own"
        );
        for round in 0..3 {
            world.say(2, &group, &format!("again {round}"));
            world.say(0, &group, &format!("a {round}"));
            world.say(1, &group, &format!("b {round}"));
        }
        world.until(30_000, "all heard", |world| {
            let state = world.state(0, &group);
            (0..3).all(|who| {
                world.state(who, &group) == state
                    && world
                        .texts(who, &group)
                        .iter()
                        .filter(|t| t.contains("again"))
                        .count()
                        == 3
            })
        });
        let missing = ["c 0", "c 1", "c 2", "c last"].map(str::to_owned);
        let everything = world.texts(0, &group);
        assert_eq!(everything.len(), 14);
        assert_eq!(world.texts(1, &group), everything);
        // What it said itself in between is in the log, and no key of it on the disk.
        let expected: Vec<_> = everything
            .into_iter()
            .filter(|t| !missing.contains(t))
            .collect();
        assert_eq!(world.texts(2, &group), expected);
        let told = world.notices(2, &group);
        assert_eq!(told.iter().filter(|what| *what == "lost").count(), 1);
        assert_eq!(told.iter().filter(|what| *what == "back").count(), 1);
        assert!(world.notices(0, &group).contains(&"rejoined".to_owned()));
    }
}

/// protocol §5.6.6
#[test]
fn what_is_written_meanwhile_waits_and_is_sent_once() {
    let mut world = World::new(&["a", "b", "c"], 310);
    let group = world.group("tea", 0, &[1, 2]);
    world.say(0, &group, "before");
    world.run(5_000);
    let image = world.image(2);
    world.kill(0);
    world.kill(1);
    world.put_back(2, &image);
    let first = world.say(2, &group, "wrote this alone");
    world
        .act(2, |engine, now| {
            engine.message_edit(&group, &first, "wrote this quite alone", now)
        })
        .unwrap();
    world.say(2, &group, "and this");
    for refused in [
        world.act(2, |engine, now| engine.group_rename(&group, "x", now)),
        world.act(2, |engine, now| engine.group_leave(&group, now)),
    ] {
        assert_eq!(refused.unwrap_err().name(), "rejoining");
    }
    // Nobody is there to let it back in, and it says so, for days.
    world.run(3 * 86_400_000);
    assert_eq!(world.standing(2, &group), "rejoining");
    let list = world
        .act(2, |engine, now| {
            engine.message_list(&group, None, 10, Notices::Left, now)
        })
        .unwrap();
    assert_eq!(list[0].state, "waiting");
    assert_eq!((list[0].copies, list[0].members), (1, 3));
    world.kill(2);
    world.start(2);
    world.start(1);
    world.until(700_000, "all heard", |world| {
        world.texts(1, &group) == ["before", "wrote this quite alone", "and this"]
    });
    world.start(0);
    world.until(60_000, "agreed", |world| world.agree(&group, &[0, 1, 2]));
    assert_eq!(world.texts(0, &group).len(), 3);
}

/// protocol §5.4.2, §5.6.8
#[test]
fn comebacks_that_race_with_commits_end_in_one_state() {
    for seed in 0..12 {
        let mut world = World::new(&["a", "b", "c", "d"], 320 + seed);
        let group = world.group("race", 0, &[1, 2, 3]);
        world.run(5_000);
        let images = [world.image(2), world.image(3)];
        world.say(2, &group, "in between");
        world.run(500);
        world.put_back(2, &images[0]);
        world.put_back(3, &images[1]);
        world.delay = 400;
        for round in 0..30 {
            let name = format!("race {round}");
            world
                .act(0, |engine, now| engine.group_rename(&group, &name, now))
                .unwrap();
            let pause = 50 + world.seed % 7 * 40;
            world.run(pause);
        }
        world.delay = 20;
        world.until(900_000, "all back in one state", |world| {
            let state = world.state(0, &group);
            (0..4).all(|who| {
                world.standing(who, &group) == "active" && world.state(who, &group) == state
            })
        });
        for who in 0..4 {
            world.say(who, &group, &format!("hello from {who}"));
        }
        world.until(60_000, "all talk", |world| {
            (0..4).all(|who| {
                let texts = world.texts(who, &group);
                (0..4).all(|from| texts.contains(&format!("hello from {from}")))
            })
        });
    }
}

/// protocol §5.6.3, §5.6.7
#[test]
fn who_was_removed_while_away_learns_that_it_is_out() {
    for restored_before in [false, true] {
        let mut world = World::new(&["a", "b", "c"], 340);
        let group = world.group("room", 0, &[1, 2]);
        world.run(5_000);
        let image = world.image(2);
        let c = world.account(2);
        if restored_before {
            world.kill(2);
        }
        world
            .act(0, |engine, now| engine.group_remove(&group, &c, now))
            .unwrap();
        world.run(5_000);
        world.put_back(2, &image);
        world.until(120_000, "out", |world| world.standing(2, &group) == "out");
        assert_eq!(world.notices(2, &group).last().unwrap(), "out_meanwhile");
        let refused = world.act(2, |engine, now| engine.message_send(&group, "x", None, now));
        assert_eq!(refused.unwrap_err().name(), "not_member");
        // The name of the group and its history stay.
        let info = world
            .act(2, |engine, now| engine.group_info(&group, now))
            .unwrap();
        assert_eq!((info.name.as_str(), info.active), ("room", false));
        // And it can be let in anew.
        let options = InviteOptions {
            group: Some(group.clone()),
            ..InviteOptions::default()
        };
        let link = world
            .act(0, |engine, now| engine.invite_create(options, now))
            .unwrap();
        world.join(&link, 0, 2);
        world.until(30_000, "in again", |world| {
            world.standing(2, &group) == "active"
        });
        world.until(30_000, "one state", |world| {
            world.state(2, &group) == world.state(0, &group)
        });
    }
}

/// protocol §5.4.1, §5.6.8
#[test]
fn a_removal_wins_over_the_comeback_of_who_is_removed() {
    for seed in 0..6 {
        let mut world = World::new(&["a", "b", "c"], 350 + seed);
        let group = world.group("room", 0, &[1, 2]);
        world.run(5_000);
        let (image, c) = (world.image(2), world.account(2));
        // a is on the other side and removes c; c comes back by way of b.
        world.people[0].side = 1;
        world
            .act(0, |engine, now| engine.group_remove(&group, &c, now))
            .unwrap();
        world.put_back(2, &image);
        world.until(60_000, "back", |world| {
            world.standing(2, &group) == "active"
        });
        world.say(2, &group, "am I in?");
        world.run(2_000);
        world.people[0].side = 0;
        world.until(900_000, "out for all", |world| {
            world.standing(2, &group) == "out" && world.state(0, &group) == world.state(1, &group)
        });
        let members = world
            .act(1, |engine, now| engine.group_info(&group, now))
            .unwrap()
            .members;
        assert_eq!(members.len(), 2);
    }
}

/// protocol §5.6.8
#[test]
fn a_conversation_of_two_goes_on_and_the_safety_number_stays() {
    let mut world = World::new(&["민지", "Jonas"], 360);
    let link = world
        .act(0, |engine, now| {
            engine.invite_create(InviteOptions::default(), now)
        })
        .unwrap();
    world.join(&link, 0, 1);
    world.until(20_000, "a conversation", |world| {
        !world.act(1, |e, now| e.group_list(now)).unwrap().is_empty()
    });
    world.run(5_000);
    let group = world
        .act(1, |e, now| e.group_list(now))
        .unwrap()
        .remove(0)
        .group;
    let number = |world: &mut World| {
        let contact = world
            .act(1, |e, now| e.contact_list(now))
            .unwrap()
            .remove(0);
        (contact.safety_number, contact.verified)
    };
    let id = world.account(0);
    world
        .act(1, |engine, now| engine.contact_verify(&id, now))
        .unwrap();
    let before = number(&mut world);
    let image = world.image(0);
    world.say(0, &group, "안녕!");
    world.run(2_000);
    world.put_back(0, &image);
    world.say(0, &group, "다시 왔어요");
    world.until(60_000, "heard", |world| {
        world.texts(1, &group) == ["안녕!", "다시 왔어요"]
    });
    world.say(1, &group, "Welcome back.");
    world.until(10_000, "heard", |world| {
        world.texts(0, &group) == ["다시 왔어요", "Welcome back."]
    });
    assert_eq!(number(&mut world), before);
    assert_eq!(world.notices(1, &group).last().unwrap(), "rejoined");
    // KeyPackages that were handed out before are void, and new ones are there.
    world.run(10_000);
    let tea = world
        .act(1, |engine, now| engine.group_create("tea", now))
        .unwrap();
    world
        .act(1, |engine, now| engine.group_add(&tea, &id, now))
        .unwrap();
    world.until(30_000, "in the other group", |world| {
        world.act(0, |e, now| e.group_info(&tea, now)).is_ok()
    });
    world.until(30_000, "one state", |world| world.agree(&tea, &[0, 1]));
}

/// protocol §5.6.5
#[test]
fn the_copy_that_was_left_behind_is_told_that_it_is_out() {
    let mut world = World::new(&["a", "b", "c"], 370);
    let group = world.group("tea", 0, &[1, 2]);
    world.run(5_000);
    let image = world.image(2);
    let elsewhere = world.copy_of(&image);
    // On another machine the same profile is opened from the copy.
    world.put_back(elsewhere, &image);
    world.until(60_000, "the copy is in", |world| {
        world.standing(elsewhere, &group) == "active"
    });
    world.until(30_000, "the first is out", |world| {
        world.standing(2, &group) == "out"
    });
    assert_eq!(world.notices(2, &group).last().unwrap(), "elsewhere");
    let refused = world.act(2, |engine, now| engine.message_send(&group, "x", None, now));
    assert_eq!(refused.unwrap_err().name(), "not_member");
    world.say(elsewhere, &group, "hello");
    world.until(10_000, "heard", |world| {
        world.agree(&group, &[0, 1, elsewhere])
    });
    assert_eq!(world.texts(0, &group), ["hello"]);
}

#[test]
fn a_disk_put_back_again_and_again_comes_back_each_time() {
    let mut world = World::new(&["a", "b"], 380);
    let group = world.group("tea", 0, &[1]);
    world.run(5_000);
    let image = world.image(1);
    for round in 0..6 {
        world.put_back(1, &image);
        // Sometimes it dies on the way back.
        if round % 2 == 1 {
            world.run(700 + round * 150);
            world.kill(1);
            world.start(1);
        }
        world.until(120_000, "back", |world| {
            world.standing(1, &group) == "active"
        });
        world.say(1, &group, &format!("{round}"));
        world.until(120_000, "heard", |world| {
            world.texts(0, &group).len() as u64 == round + 1
                && world.state(0, &group) == world.state(1, &group)
        });
    }
}

/// protocol §5.6.6
#[test]
fn who_is_alone_in_a_group_goes_on_with_fresh_keys() {
    let mut world = World::new(&["a", "b"], 390);
    let group = world
        .act(0, |engine, now| engine.group_create("alone", now))
        .unwrap();
    world.say(0, &group, "note to self");
    let (image, state) = (world.image(0), world.state(0, &group));
    world.say(0, &group, "another");
    world.put_back(0, &image);
    assert_eq!(world.standing(0, &group), "active");
    assert_ne!(world.state(0, &group), state);
    world.say(0, &group, "a third");
    assert_eq!(world.texts(0, &group), ["note to self", "a third"]);
}

/// protocol §5.6.6
#[test]
fn who_was_alone_in_the_copy_finds_those_who_came_in_since() {
    let mut world = World::new(&["a", "b", "c"], 395);
    let group = world
        .act(0, |engine, now| engine.group_create("tea", now))
        .unwrap();
    world.say(0, &group, "note to self");
    let image = world.image(0);
    let options = InviteOptions {
        group: Some(group.clone()),
        uses: Some(2),
        ..InviteOptions::default()
    };
    let link = world
        .act(0, |engine, now| engine.invite_create(options, now))
        .unwrap();
    for who in [1, 2] {
        world.join(&link, 0, who);
        world.until(20_000, "in", |world| {
            world.act(who, |e, now| e.group_info(&group, now)).is_ok()
        });
    }
    world.say(1, &group, "hello");
    world.run(5_000);
    world.put_back(0, &image);
    assert_eq!(world.standing(0, &group), "active");
    world.say(0, &group, "am I alone?");
    world.say(1, &group, "no");
    world.until(600_000, "found", |world| {
        let state = world.state(0, &group);
        [1, 2].iter().all(|who| world.state(*who, &group) == state)
    });
    world.say(0, &group, "back");
    world.until(20_000, "heard", |world| {
        (0..3).all(|who| world.texts(who, &group).contains(&"back".to_owned()))
    });
    for who in [1, 2] {
        assert!(!world.texts(who, &group).contains(&"am I alone?".to_owned()));
        assert!(!world.notices(who, &group).contains(&"lost".to_owned()));
    }
}

/// protocol §5.6.6
#[test]
fn a_profile_without_any_state_comes_back_into_all_its_groups() {
    let mut world = World::new(&["a", "b", "c"], 430);
    let groups: Vec<String> = ["tea", "cake", "tart"]
        .iter()
        .map(|name| world.group(name, 0, &[1, 2]))
        .collect();
    let own = world
        .act(2, |engine, now| engine.group_create("alone", now))
        .unwrap();
    for group in &groups {
        world.say(1, group, "before");
        world.say(2, group, "mine");
    }
    world.run(5_000);
    let history: Vec<_> = groups.iter().map(|g| world.texts(2, g)).collect();
    world.restore_without_state(2);
    for (group, history) in groups.iter().zip(history) {
        assert_eq!(world.standing(2, group), "rejoining");
        assert_eq!(history.len(), 2);
        assert_eq!(world.texts(2, group), history);
    }
    assert_eq!(world.standing(2, &own), "active");
    world.say(2, &own, "note to self");
    world.until(60_000, "back everywhere", |world| {
        groups
            .iter()
            .all(|group| world.standing(2, group) == "active" && world.agree(group, &[0, 1, 2]))
    });
    for group in &groups {
        for who in 0..3 {
            world.say(who, group, &format!("after, by {who}"));
        }
    }
    world.until(30_000, "all heard", |world| {
        groups
            .iter()
            .all(|group| world.agree(group, &[0, 1, 2]) && world.texts(2, group).len() == 5)
    });
}

/// protocol §5.6.6
#[test]
fn what_nobody_had_got_goes_out_again_after_a_backup_but_not_to_who_came_in_since() {
    for came_in in [false, true] {
        let mut world = World::new(&["a", "b", "c", "d"], 435);
        let group = world.group("tea", 0, &[1, 2]);
        world.say(2, &group, "heard");
        world.run(5_000);
        world.kill(0);
        world.kill(1);
        world.say(2, &group, "only here");
        let taken_back = world.say(2, &group, "never mind");
        let delete = |engine: &mut Engine, now| engine.message_delete(&group, &taken_back, now);
        world.act(2, delete).unwrap();
        world.run(1_000);
        world.restore_without_state(2);
        world.start(0);
        if came_in {
            // Somebody comes in before the others have heard of it.
            world.people[2].side = 1;
            let options = InviteOptions {
                group: Some(group.clone()),
                ..InviteOptions::default()
            };
            let invite = |engine: &mut Engine, now| engine.invite_create(options.clone(), now);
            let link = world.act(0, invite).unwrap();
            world.join(&link, 0, 3);
            world.run(20_000);
            world.people[2].side = 0;
        }
        world.start(1);
        world.until(700_000, "back", |world| {
            world.standing(2, &group) == "active"
                && world.state(2, &group) == world.state(0, &group)
                && world.state(2, &group) == world.state(1, &group)
        });
        world.run(30_000);
        let expected: &[&str] = match came_in {
            true => &["heard"],
            false => &["heard", "only here"],
        };
        for who in [0, 1] {
            assert_eq!(world.texts(who, &group), expected);
        }
        let held = world.notices(2, &group).contains(&"held".to_owned());
        assert_eq!(held, came_in);
    }
}

/// protocol §5.6.7, §5.6.8
#[test]
fn a_copy_put_back_after_weeks_comes_back_and_has_what_is_still_kept() {
    let mut world = World::new(&["a", "b", "c", "d"], 440);
    let group = world.group("tea", 0, &[1, 2, 3]);
    world.say(1, &group, "before");
    world.run(5_000);
    let image = world.image(2);
    world.kill(2);
    let d = world.account(3);
    world
        .act(0, |engine, now| engine.group_remove(&group, &d, now))
        .unwrap();
    for week in 0..3 {
        world.say(1, &group, &format!("week {week}"));
        world.run(7 * 86_400_000);
    }
    world.put_back(2, &image);
    world.until(900_000, "back", |world| {
        world.standing(2, &group) == "active" && world.state(2, &group) == world.state(0, &group)
    });
    assert!(
        world
            .notices(2, &group)
            .contains(&"gone_meanwhile".to_owned())
    );
    world.say(2, &group, "again");
    world.until(30_000, "heard", |world| {
        [0, 1]
            .iter()
            .all(|who| world.texts(*who, &group).contains(&"again".to_owned()))
    });
    world.say(0, &group, "welcome");
    world.until(30_000, "heard", |world| {
        world.texts(2, &group).contains(&"welcome".to_owned())
    });
}

/// protocol §5.6.7
#[test]
fn who_has_just_come_in_gives_the_way_to_all_who_lost_it() {
    let mut world = World::new(&["a", "b", "c"], 371);
    let group = world.group("tea", 0, &[1]);
    world.say(1, &group, "first");
    world.run(5_000);
    let options = InviteOptions {
        group: Some(group.clone()),
        ..InviteOptions::default()
    };
    let link = world
        .act(0, |engine, now| engine.invite_create(options, now))
        .unwrap();
    world.join(&link, 0, 2);
    world.until(60_000, "in", |world| {
        world.act(2, |e, now| e.group_info(&group, now)).is_ok()
    });
    // Nobody has said a word to it when the others lose what they have.
    for who in [0, 1] {
        world.restore_without_state(who);
    }
    world.until(120_000, "all are back", |world| {
        let state = world.state(2, &group);
        [0, 1].iter().all(|who| {
            world.standing(*who, &group) == "active" && world.state(*who, &group) == state
        })
    });
    world.say(0, &group, "again");
    world.until(60_000, "heard", |world| {
        [1, 2]
            .iter()
            .all(|who| world.texts(*who, &group).contains(&"again".to_owned()))
    });
}

/// What is written down here has to be so: those who lost it all cannot let each other in, and wait.
#[test]
fn where_everybody_lost_the_state_all_wait_until_one_who_has_it_is_there() {
    let mut world = World::new(&["a", "b", "c"], 450);
    let group = world.group("tea", 0, &[1, 2]);
    world.run(20_000);
    let images = [world.image(0), world.image(1)];
    world.kill(2);
    for who in [0, 1] {
        world.put_back(who, &images[who]);
    }
    world.run(600_000);
    for who in [0, 1] {
        assert_eq!(world.standing(who, &group), "rejoining");
    }
    world.start(2);
    world.until(900_000, "all back", |world| {
        let state = world.state(2, &group);
        [0, 1].iter().all(|who| world.state(*who, &group) == state)
    });
}

#[test]
fn loss_on_the_way_only_delays() {
    for seed in 0..5 {
        let mut world = World::new(&["a", "b", "c"], 400 + seed);
        let group = world.group("noise", 0, &[1, 2]);
        world.run(5_000);
        let image = world.image(2);
        world.say(2, &group, "lost");
        world.run(1_000);
        world.loss = 3;
        world.put_back(2, &image);
        world.say(2, &group, "kept");
        world.until(3_600_000, "back and heard", |world| {
            (0..2).all(|who| world.texts(who, &group).contains(&"kept".to_owned()))
                && world.state(0, &group) == world.state(2, &group)
        });
    }
}

/// protocol §5.6.9
#[test]
fn who_cannot_process_what_the_others_follow_comes_back() {
    for restarted in [false, true] {
        let mut world = World::new(&["a", "b", "c", "d"], 410);
        let group = world.group("tea", 0, &[1, 2, 3]);
        world.say(2, &group, "before");
        world.until(10_000, "heard", |world| world.agree(&group, &[0, 1, 2, 3]));
        world.forget_path_keys(2);
        world.run(5_000);
        world
            .act(0, |engine, now| engine.group_rename(&group, "cake", now))
            .unwrap();
        world.run(1_000);
        // One who says that there is more proves nothing yet, but this device keeps trying.
        assert_eq!(world.standing(2, &group), "active");
        world.say(0, &group, "can you hear me?");
        if restarted {
            world.run(1_500);
            world.kill(2);
            world.start(2);
        }
        world.until(120_000, "lost and back", |world| {
            world.notices(2, &group).contains(&"back".to_owned())
        });
        world.say(2, &group, "again");
        world.until(30_000, "all heard", |world| {
            (0..4).all(|who| {
                world.texts(who, &group).contains(&"again".to_owned())
                    && world.state(who, &group) == world.state(0, &group)
            })
        });
        let info = world.act(2, |e, now| e.group_info(&group, now)).unwrap();
        assert_eq!(info.name, "cake");
    }
}

/// protocol §5.6.6
#[test]
fn what_was_written_meanwhile_is_not_sent_to_who_came_in_unasked() {
    let mut world = World::new(&["a", "b", "c", "d"], 420);
    let group = world.group("tea", 0, &[1, 2]);
    world.run(5_000);
    let image = world.image(2);
    world.kill(2);
    let options = InviteOptions {
        group: Some(group.clone()),
        ..InviteOptions::default()
    };
    let link = world
        .act(0, |engine, now| engine.invite_create(options, now))
        .unwrap();
    world.join(&link, 0, 3);
    world.until(20_000, "d is in", |world| {
        world.act(3, |e, now| e.group_info(&group, now)).is_ok()
    });
    world.run(5_000);
    for who in [0, 1, 3] {
        world.kill(who);
    }
    world.put_back(2, &image);
    world.say(2, &group, "for you two");
    let regretted = world.say(2, &group, "and this");
    for who in [0, 1, 3] {
        world.start(who);
    }
    world.until(700_000, "back", |world| {
        world.standing(2, &group) == "active"
    });
    world.run(60_000);
    assert_eq!(
        world.notices(2, &group)[1..],
        ["lost", "back", "added_meanwhile", "held"]
    );
    for who in [0, 1, 3] {
        assert!(world.texts(who, &group).is_empty());
    }
    // What is taken back is never sent; a word that is meant for all brings the rest with it.
    world
        .act(2, |engine, now| {
            engine.message_delete(&group, &regretted, now)
        })
        .unwrap();
    world.run(5_000);
    assert!(world.texts(0, &group).is_empty());
    world.say(2, &group, "hello d");
    world.until(10_000, "heard", |world| {
        [0, 1, 3]
            .into_iter()
            .all(|who| world.texts(who, &group) == ["for you two", "hello d"])
    });
}
