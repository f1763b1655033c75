//! Who decides, and what becomes of it when others decide something else at the same time.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod world;

use world::World;

fn members(world: &mut World, who: usize, group: &str) -> Vec<String> {
    let info = world.act(who, |engine, now| engine.group_info(group, now));
    let members = info.unwrap().members.into_iter();
    let mut members: Vec<String> = members
        .map(|member| format!("{} {}", member.name, member.role))
        .collect();
    members.sort_unstable();
    members
}

fn role(world: &mut World, who: usize, group: &str, whom: usize, role: &str) {
    let account = world.account(whom);
    let done = world.act(who, |engine, now| {
        engine.group_role(group, &account, role, now)
    });
    done.unwrap();
}

fn remove(world: &mut World, who: usize, group: &str, whom: usize) {
    let account = world.account(whom);
    let done = world.act(who, |engine, now| engine.group_remove(group, &account, now));
    done.unwrap();
}

/// protocol §5.5.2
#[test]
fn two_who_decide_the_same_need_no_second_commit() {
    let mut world = World::new(&["a", "b", "c", "d"], 41);
    let group = world.group("room", 0, &[1, 2, 3]);
    role(&mut world, 0, &group, 1, "admin");
    world.run(10_000);
    remove(&mut world, 0, &group, 2);
    remove(&mut world, 1, &group, 2);
    world.until(60_000, "all agree", |world| world.agree(&group, &[0, 1, 3]));
    world.run(30_000);
    for who in [0, 1, 3] {
        assert_eq!(
            members(&mut world, who, &group),
            ["a owner", "b admin", "d member"]
        );
        let told = world.notices(who, &group);
        assert!(!told.contains(&"withdrawn".to_owned()), "{told:?}");
        assert_eq!(told.iter().filter(|kind| *kind == "removed").count(), 1);
    }
}

/// protocol §5.4.1, §5.5.4
#[test]
fn what_somebody_ordered_who_is_demoted_meanwhile_is_withdrawn() {
    let mut world = World::new(&["a", "b", "c", "d"], 42);
    let group = world.group("room", 0, &[1, 2, 3]);
    role(&mut world, 0, &group, 1, "admin");
    world.run(10_000);
    world.people[1].side = 1;
    remove(&mut world, 1, &group, 2);
    role(&mut world, 0, &group, 1, "member");
    world.run(10_000);
    world.people[1].side = 0;
    world.until(120_000, "all agree", |world| {
        world.agree(&group, &[0, 1, 2, 3])
    });
    world.run(30_000);
    let all = ["a owner", "b member", "c member", "d member"];
    assert_eq!(members(&mut world, 1, &group), all);
    assert!(world.notices(1, &group).contains(&"withdrawn".to_owned()));
}
