//! A device that is gone, and another one made of its backup.

mod world;

use world::World;

/// protocol §5.6.1, §5.6.6, §5.6.8
#[test]
fn a_restored_device_takes_the_place_of_the_one_that_is_gone_and_goes_on() {
    for seed in 0..3 {
        let mut world = World::new(&["a", "b", "c"], 400 + seed);
        let group = world.group("tea", 0, &[1, 2]);
        world.say(2, &group, "from me");
        world.until(10_000, "heard", |world| world.agree(&group, &[0, 1, 2]));
        world.say(0, &group, "to you");
        world.until(10_000, "heard", |world| world.agree(&group, &[0, 1, 2]));
        let before = world.state(2, &group);
        let backup = world.backup(2);
        world.restore(2, &backup);
        assert_eq!(world.standing(2, &group), "rejoining");
        assert_eq!(world.texts(2, &group), ["from me", "to you"]);
        world.until(30_000, "back", |world| {
            world.standing(2, &group) == "active"
        });
        assert_ne!(world.state(2, &group), before);
        world.until(10_000, "followed", |world| {
            world.state(0, &group) == world.state(2, &group)
                && world.state(1, &group) == world.state(2, &group)
        });
        for who in 0..3 {
            world.say(who, &group, &format!("again {who}"));
        }
        world.until(30_000, "all heard", |world| {
            (0..3).all(|who| world.texts(who, &group).len() == 5) && world.agree(&group, &[0, 1, 2])
        });
    }
}

/// protocol §5.6.6
#[test]
fn what_nobody_had_when_the_backup_was_made_arrives_once() {
    let mut world = World::new(&["a", "b"], 410);
    let group = world.group("tea", 0, &[1]);
    world.say(0, &group, "before");
    world.until(10_000, "heard", |world| world.agree(&group, &[0, 1]));
    world.kill(0);
    world.say(1, &group, "nobody is there");
    world.run(2_000);
    let backup = world.backup(1);
    world.restore(1, &backup);
    world.run(2_000);
    world.start(0);
    let expected = ["before", "nobody is there"];
    world.until(60_000, "arrived", |world| {
        world.texts(0, &group) == expected && world.texts(1, &group) == expected
    });
    world.run(60_000);
    assert_eq!(world.texts(0, &group), expected);
}

#[test]
fn a_backup_is_made_while_messages_come_in() {
    let mut world = World::new(&["a", "b"], 420);
    let group = world.group("tea", 0, &[1]);
    for n in 0..20 {
        world.say(0, &group, &format!("early {n}"));
    }
    world.until(20_000, "heard", |world| world.agree(&group, &[0, 1]));
    let mut backup = world.act(1, |engine, now| engine.backup(now)).unwrap();
    let mut records = Vec::new();
    let mut round = 0;
    loop {
        let part = world.act(1, |engine, _| engine.backup_next(&mut backup));
        let Some(part) = part.unwrap() else { break };
        records.extend(part);
        world.say(0, &group, &format!("meanwhile {round}"));
        world.say(1, &group, &format!("answer {round}"));
        world.run(500);
        round += 1;
    }
    world.restore(1, &records);
    let texts = world.texts(1, &group);
    for n in 0..20 {
        assert!(texts.contains(&format!("early {n}")), "{texts:?}");
    }
    world.until(30_000, "back", |world| {
        world.standing(1, &group) == "active"
    });
    world.say(1, &group, "done");
    world.until(30_000, "heard", |world| {
        world.texts(0, &group).contains(&"done".to_owned())
    });
}
