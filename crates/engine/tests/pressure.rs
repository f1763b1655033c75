//! What a device wants while much is not settled yet (protocol §5.10.3).

mod world;

use world::World;

/// protocol §5.10.3, §5.7.4
#[test]
fn change_after_change_waits_for_votes_and_for_nothing_else() {
    let seed = 6;
    println!("seed {seed}");
    let mut world = World::new(&["a", "b", "c"], seed);
    let group = world.group("g", 0, &[1, 2]);
    world.run(30_000);
    // Two were away by turns, so that they have not said hello to each other for a while; one stays away.
    for who in [0, 1] {
        world.kill(who);
    }
    world.say(2, &group, "while you were away");
    world.run(2_000);
    world.kill(2);
    world.start(0);
    world.run(600);
    world.start(1);
    world.run(1_000);
    let mut longest = 0;
    for number in 0..70 {
        let name = format!("change {number}");
        let renamed = world.act(0, |engine, now| engine.group_rename(&group, &name, now));
        renamed.unwrap();
        let asked = world.now;
        world.until(400_000, "it has come about", |world| {
            let info = world.act(0, |engine, now| engine.group_info(&group, now));
            info.unwrap().name == name
        });
        longest = longest.max(world.now - asked);
    }
    println!("the longest wait was {longest} ms");
    // Votes come 20 seconds after a commit, and all votes of a run come together.
    assert!(longest <= 30_000, "{longest} ms");
}
