//! A group so large that commits and Welcomes do not fit into one frame.

mod world;

use sori_engine::InviteOptions;
use world::World;

#[test]
fn forty_people_join_and_one_who_was_away_follows() {
    let names: Vec<String> = (0..40).map(|n| format!("p{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::new(&names, 40);
    let group = world.act(0, |e, now| e.group_create("forty", now)).unwrap();
    let options = InviteOptions {
        group: Some(group.clone()),
        ..InviteOptions::default()
    };
    let link = world
        .act(0, |e, now| e.invite_create(options, now))
        .unwrap();
    for who in 1..40 {
        world.join(&link, 0, who);
        world.until(20_000, "in", |world| {
            world.act(who, |e, now| e.group_info(&group, now)).is_ok()
        });
        if who == 3 {
            world.run(2_000);
            world.kill(2);
        }
    }
    world.say(5, &group, "hello, everybody");
    world.run(5_000);
    world.start(2);
    let all: Vec<usize> = (0..40).collect();
    world.until(60_000, "all agree", |world| world.agree(&group, &all[..5]));
    assert!(world.agree(&group, &all));
    assert_eq!(
        world
            .act(2, |e, now| e.group_info(&group, now))
            .unwrap()
            .members
            .len(),
        40
    );
}
