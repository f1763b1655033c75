//! What messages cost. Not judged, only told:
//! `cargo test -p sori-engine --release --test cost -- --ignored --nocapture`.

mod world;

use std::time::Instant;

use world::World;

#[test]
#[ignore = "tells figures and judges nothing"]
fn messages_in_a_group_of_five() {
    let mut world = World::new(&["a", "b", "c", "d", "e"], 31);
    let group = world.group("five", 0, &[1, 2, 3, 4]);
    world.run(10_000);
    for round in 0..5 {
        let (begin, frames) = (Instant::now(), world.frames);
        for number in 0..200 {
            let who = number % 5;
            world.say(who, &group, &format!("{round} {number}"));
            world.run(200);
        }
        let sent = begin.elapsed();
        println!(
            "messages {} to {}: {:?} for each message at all five, {} frames for each",
            round * 200,
            round * 200 + 200,
            sent / 200,
            (world.frames - frames) / 200
        );
    }
    let begin = Instant::now();
    for _ in 0..100 {
        world.texts(1, &group);
    }
    println!("list of 1000: {:?}", begin.elapsed() / 100);
    world.kill(1);
    let begin = Instant::now();
    world.start(1);
    world.texts(1, &group);
    println!("start and list: {:?}", begin.elapsed());
}
