//! What is said about who has a message, who read it, whose messages are hidden, and who may let
//! others in.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod world;

use sori_engine::view::{CopiesView, MessageView, PersonView};
use sori_engine::{InviteOptions, Mute, NewFile, NewMessage, Notices};
use world::World;

fn copies(world: &mut World, who: usize, group: &str, id: &str) -> CopiesView {
    world
        .act(who, |engine, now| engine.message_copies(group, id, now))
        .unwrap()
}

fn names(people: &[PersonView]) -> Vec<&str> {
    people.iter().map(|person| person.name.as_str()).collect()
}

fn line(world: &mut World, who: usize, group: &str, id: &str) -> MessageView {
    let list = world
        .act(who, |engine, now| {
            engine.message_list(group, None, 100, Notices::Left, now)
        })
        .unwrap();
    list.into_iter().find(|line| line.id == id).unwrap()
}

/// protocol §6.3.2
#[test]
fn who_has_a_message_and_who_lacks_it_is_told_by_name() {
    let mut world = World::new(&["Ada", "Bo", "Cy", "Di"], 101);
    let group = world.group("truth", 0, &[1, 2]);
    world.run(5_000);
    for who in [1, 2] {
        world.kill(who);
    }
    let id = world.say(0, &group, "hello");
    world.run(3_000);
    let view = copies(&mut world, 0, &group, &id);
    assert_eq!((view.copies, view.members), (1, 3));
    assert_eq!(names(&view.missing), ["Bo", "Cy"]);
    world.start(1);
    world.until(20_000, "one has it", |world| {
        copies(world, 0, &group, &id).copies == 2
    });
    let view = copies(&mut world, 0, &group, &id);
    assert_eq!(
        (names(&view.holders), names(&view.missing)),
        (vec!["Bo"], vec!["Cy"])
    );
    world.start(2);
    world.until(20_000, "all have it", |world| {
        line(world, 0, &group, &id).state == "delivered"
    });
    // Who comes later was never to have it, and takes nothing of that back.
    let options = InviteOptions {
        group: Some(group.clone()),
        ..InviteOptions::default()
    };
    let link = world
        .act(0, |engine, now| engine.invite_create(options, now))
        .unwrap();
    world.join(&link, 0, 3);
    world.until(20_000, "in", |world| {
        world.act(3, |e, now| e.group_info(&group, now)).is_ok()
    });
    let view = copies(&mut world, 0, &group, &id);
    assert_eq!((view.copies, view.members), (3, 3));
    assert!(view.missing.is_empty());
    assert_eq!(line(&mut world, 0, &group, &id).state, "delivered");
    assert!(
        world
            .act(1, |engine, now| engine.message_copies(&group, &id, now))
            .is_err(),
        "somebody else's"
    );
}

/// protocol §6.3.3
#[test]
fn reading_is_told_only_by_who_wants_that_and_also_to_who_was_away() {
    let mut world = World::new(&["Ada", "Bo", "Cy"], 102);
    let group = world.group("read", 0, &[1, 2]);
    world.run(5_000);
    let read = |world: &mut World, id: &str| line(world, 0, &group, id).read;
    let mark = |world: &mut World, who: usize| {
        world
            .act(who, |engine, now| engine.mark_read(&group, now))
            .unwrap();
    };
    let first = world.say(0, &group, "first");
    world.run(2_000);
    mark(&mut world, 1);
    world.run(10_000);
    assert_eq!(read(&mut world, &first), 0, "off unless chosen");

    world
        .act(1, |engine, now| engine.settings_read_receipts(true, now))
        .unwrap();
    let second = world.say(0, &group, "second");
    world.run(2_000);
    world.kill(0);
    mark(&mut world, 1);
    mark(&mut world, 2);
    world.run(10_000);
    world.start(0);
    world.until(30_000, "told later", |world| read(world, &second) == 1);
    let view = copies(&mut world, 0, &group, &second);
    let readers: Vec<PersonView> = view.holders.into_iter().filter(|one| one.read).collect();
    assert_eq!(names(&readers), ["Bo"]);
    assert_eq!(read(&mut world, &first), 0, "nothing from before");

    world
        .act(1, |engine, now| {
            engine.group_read_receipts(&group, Some(false), now)
        })
        .unwrap();
    let third = world.say(0, &group, "third");
    world.run(2_000);
    mark(&mut world, 1);
    world.run(10_000);
    assert_eq!(read(&mut world, &third), 0, "not in this conversation");
    // What was told is kept.
    world.kill(0);
    world.start(0);
    assert_eq!(read(&mut world, &second), 1);
}

#[test]
fn messages_of_a_blocked_member_are_hidden_and_come_back() {
    let mut world = World::new(&["Ada", "Bo"], 103);
    let group = world.group("block", 0, &[1]);
    world.run(5_000);
    let bo = world.account(1);
    let before = world.say(1, &group, "before");
    world.run(2_000);
    let block = |world: &mut World, blocked: bool| {
        world
            .act(0, |engine, now| engine.member_block(&bo, blocked, now))
            .unwrap();
    };
    world
        .act(0, |engine, now| engine.mark_read(&group, now))
        .unwrap();
    block(&mut world, true);
    let during = world.say(1, &group, "during");
    world.run(2_000);
    world.kill(0);
    world.start(0);
    for id in [&before, &during] {
        let line = line(&mut world, 0, &group, id);
        assert!(line.hidden && line.text.is_empty());
    }
    let found = world
        .act(0, |engine, now| {
            engine.message_search("during", None, 10, now)
        })
        .unwrap();
    assert!(found.hits.is_empty());
    let list = world
        .act(0, |engine, now| engine.group_list(now))
        .unwrap()
        .remove(0);
    assert_eq!(list.unread, 0, "nobody is called for it");
    let blocked = world.act(0, |engine, _| engine.blocked_list()).unwrap();
    assert_eq!(names(&blocked), ["Bo"]);
    block(&mut world, false);
    assert_eq!(line(&mut world, 0, &group, &before).text, "before");
    assert_eq!(line(&mut world, 0, &group, &during).text, "during");
    let ada = world.account(0);
    assert!(
        world
            .act(0, |engine, now| engine.member_block(&ada, true, now))
            .is_err(),
        "oneself"
    );
}

#[test]
fn who_may_let_others_in_is_the_admins_choice() {
    let mut world = World::new(&["Ada", "Bo", "Cy"], 104);
    let group = world.group("policy", 0, &[1]);
    world.run(5_000);
    let invite = |world: &mut World, who: usize| {
        let options = InviteOptions {
            group: Some(group.clone()),
            ..InviteOptions::default()
        };
        world.act(who, |engine, now| engine.invite_create(options, now))
    };
    let policy = |world: &mut World, who: usize, policy: &str| {
        world.act(who, |engine, now| engine.group_policy(&group, policy, now))
    };
    assert!(invite(&mut world, 1).is_err());
    assert!(policy(&mut world, 1, "members").is_err());
    assert!(policy(&mut world, 0, "nobody").is_err());
    policy(&mut world, 0, "members").unwrap();
    world.until(20_000, "told", |world| {
        world.notices(1, &group).contains(&"policy".to_owned())
    });
    let link = invite(&mut world, 1).unwrap();
    world.join(&link, 1, 2);
    world.until(20_000, "let in by a member", |world| {
        world.act(2, |e, now| e.group_info(&group, now)).is_ok()
    });
    policy(&mut world, 0, "admins").unwrap();
    world.until(20_000, "told", |world| {
        let info = world.act(1, |e, now| e.group_info(&group, now)).unwrap();
        info.policy == "admins"
    });
    assert!(invite(&mut world, 1).is_err());
}

#[test]
fn a_muted_conversation_says_so_and_goes_on() {
    let mut world = World::new(&["Ada", "Bo"], 105);
    let group = world.group("mute", 0, &[1]);
    world.run(5_000);
    world
        .act(0, |engine, now| {
            engine.group_mute(&group, Mute::Always, now)
        })
        .unwrap();
    world.say(1, &group, "hello");
    world.run(2_000);
    world.kill(0);
    world.start(0);
    let view = world
        .act(0, |engine, now| engine.group_list(now))
        .unwrap()
        .remove(0);
    assert_eq!((view.muted, view.unread), (true, 1));
    world
        .act(0, |engine, now| engine.group_mute(&group, Mute::Off, now))
        .unwrap();
    let info = world.act(0, |e, now| e.group_info(&group, now)).unwrap();
    assert!(!info.muted);
}

/// protocol §8.7
#[test]
fn the_time_after_which_all_disappears_is_the_admins_choice() {
    let mut world = World::new(&["Ada", "Bo"], 105);
    let group = world.group("timer", 0, &[1]);
    world.run(5_000);
    let timer = |world: &mut World, who: usize, seconds: Option<u32>| {
        world.act(who, |engine, now| engine.group_timer(&group, seconds, now))
    };
    assert!(timer(&mut world, 1, Some(3600)).is_err());
    assert!(timer(&mut world, 0, Some(59)).is_err());
    timer(&mut world, 0, Some(3600)).unwrap();
    world.until(20_000, "told", |world| {
        world.notices(1, &group).contains(&"timer".to_owned())
    });
    let goes = |world: &mut World, new: NewMessage| {
        let id = world
            .act(1, |engine, now| engine.message_post(&group, &new, now))
            .unwrap();
        let list = world
            .act(1, |e, now| {
                e.message_list(&group, None, 5, Notices::Left, now)
            })
            .unwrap();
        let message = list.into_iter().find(|message| message.id == id).unwrap();
        message.expires_at.map(|at| (at - message.sent_at) / 60_000)
    };
    let said = |timer_s| NewMessage {
        text: "goes".to_owned(),
        timer_s,
        ..NewMessage::default()
    };
    // The shorter of the two holds.
    assert_eq!(goes(&mut world, said(None)), Some(60));
    assert_eq!(goes(&mut world, said(Some(600))), Some(10));
    assert_eq!(goes(&mut world, said(Some(7200))), Some(60));
    timer(&mut world, 0, None).unwrap();
    world.until(20_000, "told", |world| {
        let info = world.act(1, |e, now| e.group_info(&group, now)).unwrap();
        info.timer_s.is_none()
    });
    assert_eq!(goes(&mut world, said(None)), None);
    assert_eq!(goes(&mut world, said(Some(7200))), Some(120));
}

/// protocol §9.7
#[test]
fn no_file_is_longer_than_the_group_permits() {
    let mut world = World::new(&["Ada", "Bo"], 106);
    let group = world.group("files", 0, &[1]);
    world.run(5_000);
    let limit = |world: &mut World, who: usize, bytes: Option<u32>| {
        world.act(who, |engine, now| {
            engine.group_file_limit(&group, bytes, now)
        })
    };
    let send = |world: &mut World, len: usize| {
        let file = NewFile {
            name: "a.bin".to_owned(),
            media_type: String::new(),
            bytes: vec![7; len].into(),
        };
        world.act(1, |engine, now| {
            engine.message_send_file(&group, &file, "", now)
        })
    };
    send(&mut world, 2000).unwrap();
    assert!(limit(&mut world, 1, Some(1000)).is_err());
    assert!(limit(&mut world, 0, Some(16 * 1024 * 1024 + 1)).is_err());
    limit(&mut world, 0, Some(1000)).unwrap();
    world.until(20_000, "told", |world| {
        world.notices(1, &group).contains(&"file_limit".to_owned())
    });
    assert!(send(&mut world, 1001).is_err());
    send(&mut world, 1000).unwrap();
    limit(&mut world, 0, Some(0)).unwrap();
    world.until(20_000, "told", |world| {
        let info = world.act(1, |e, now| e.group_info(&group, now)).unwrap();
        info.file_limit == Some(0)
    });
    assert!(send(&mut world, 1).is_err());
}

#[test]
fn a_file_answers_a_message_too() {
    let mut world = World::new(&["Ada", "Bo"], 107);
    let group = world.group("answers", 0, &[1]);
    world.run(5_000);
    let asked = world.say(0, &group, "the map?");
    world.run(5_000);
    let new = NewMessage {
        text: "here".to_owned(),
        reply_to: Some(asked.clone()),
        file: Some(NewFile {
            name: "map.pdf".to_owned(),
            media_type: "application/pdf".to_owned(),
            bytes: vec![7; 100].into(),
        }),
        ..NewMessage::default()
    };
    world
        .act(1, |engine, now| engine.message_post(&group, &new, now))
        .unwrap();
    world.until(20_000, "the answer", |world| {
        let list = world
            .act(0, |e, now| {
                e.message_list(&group, None, 5, Notices::Left, now)
            })
            .unwrap();
        list[0].in_reply_to.as_ref() == Some(&asked)
            && list[0]
                .file
                .as_ref()
                .is_some_and(|file| file.name == "map.pdf")
    });
}

#[test]
fn what_somebody_pins_is_pinned_for_all() {
    let mut world = World::new(&["Ada", "Bo", "Cy"], 108);
    let group = world.group("pins", 0, &[1, 2]);
    world.run(5_000);
    let first = world.say(0, &group, "at eight");
    let second = world.say(1, &group, "bring tea");
    world.run(5_000);
    let pinned = |world: &mut World, who: usize| -> Vec<String> {
        let list = world.act(who, |engine, now| engine.message_pinned(&group, now));
        list.unwrap()
            .into_iter()
            .map(|message| message.id)
            .collect()
    };
    let pin = |world: &mut World, who: usize, id: &str, pinned: bool| {
        world.act(who, |engine, now| {
            engine.message_pin(&group, id, pinned, now)
        })
    };
    // protocol §8.8
    world
        .act(1, |e, now| {
            e.message_react(&group, &first, "\u{1f44d}", now)
        })
        .unwrap();
    pin(&mut world, 1, &first, true).unwrap();
    world.until(20_000, "the first pin", |world| {
        (0..3).all(|who| pinned(world, who).len() == 1)
    });
    pin(&mut world, 2, &second, true).unwrap();
    world.until(20_000, "pins", |world| {
        (0..3).all(|who| pinned(world, who).len() == 2)
    });
    assert_eq!(pinned(&mut world, 2)[0], second);
    // Nobody takes the pin of somebody else, and the other reaction stays.
    assert!(pin(&mut world, 0, &first, false).is_err());
    pin(&mut world, 1, &first, false).unwrap();
    world.until(20_000, "no pin", |world| {
        (0..3).all(|who| pinned(world, who) == [second.as_str()])
    });
    let list = world
        .act(0, |e, now| {
            e.message_list(&group, None, 10, Notices::Left, now)
        })
        .unwrap();
    let message = list
        .into_iter()
        .find(|message| message.id == first)
        .unwrap();
    assert_eq!(message.reactions[0].emoji, "\u{1f44d}");
    // What is taken back, and what was pinned by who is out, is not pinned.
    let cy = world
        .act(2, |engine, now| engine.account_info(now))
        .unwrap();
    world
        .act(0, |e, now| e.group_remove(&group, &cy.account, now))
        .unwrap();
    world.until(20_000, "no pin of who is out", |world| {
        pinned(world, 0).is_empty() && pinned(world, 1).is_empty()
    });
}

/// protocol §9.8
#[test]
fn a_groups_picture_reaches_its_members_and_who_comes_later() {
    let mut world = World::new(&["Ada", "Bo", "Cy"], 108);
    let group = world.group("hills", 0, &[1]);
    world.run(5_000);
    let set = |world: &mut World, who: usize, picture: Option<&[u8]>| {
        world.act(who, |engine, now| {
            engine.group_avatar_set(&group, picture, now)
        })
    };
    let has = |world: &mut World, who: usize, picture: Option<&[u8]>| {
        let info = world.act(who, |e, now| e.group_info(&group, now)).unwrap();
        let bytes = world.act(who, |e, now| e.group_avatar(&group, now));
        let bytes = bytes.unwrap();
        bytes.as_ref().map(|bytes| bytes.as_slice()) == picture
            && info.avatar.is_some() == picture.is_some()
    };
    let (hill, sea) = (vec![7; 60 * 1024], vec![8; 1]);
    assert!(set(&mut world, 1, Some(&sea)).is_err(), "no admin");
    assert!(set(&mut world, 0, Some(&vec![7; 60 * 1024 + 1])).is_err());
    assert!(set(&mut world, 0, Some(&[])).is_err());
    // No file is to be longer; the picture is none of those.
    world
        .act(0, |e, now| e.group_file_limit(&group, Some(0), now))
        .unwrap();
    set(&mut world, 0, Some(&hill)).unwrap();
    assert!(has(&mut world, 0, Some(&hill)));
    world.until(30_000, "Bo has it", |world| {
        has(world, 1, Some(&hill)) && world.notices(1, &group).contains(&"avatar".to_owned())
    });
    let options = InviteOptions {
        group: Some(group.clone()),
        ..InviteOptions::default()
    };
    let link = world
        .act(0, |engine, now| engine.invite_create(options, now))
        .unwrap();
    world.join(&link, 0, 2);
    world.until(20_000, "in", |world| {
        world.act(2, |e, now| e.group_info(&group, now)).is_ok()
    });
    // Who gave it is gone: Bo has it too.
    world.kill(0);
    world.until(60_000, "Cy has it", |world| has(world, 2, Some(&hill)));
    world.start(0);
    assert!(has(&mut world, 0, Some(&hill)), "kept over a restart");
    set(&mut world, 0, Some(&sea)).unwrap();
    world.until(60_000, "another one", |world| {
        (1..3).all(|who| has(world, who, Some(&sea)))
    });
    set(&mut world, 0, None).unwrap();
    world.until(30_000, "none", |world| {
        (0..3).all(|who| has(world, who, None))
    });
}
