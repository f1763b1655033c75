//! Orders, as members have to treat them (protocol §5.5).

use sori_mls::{Order, OrderKind};

use super::*;
use crate::outcome::Outcome;

/// Ada, who owns a group, Bo and Cy.
pub(super) fn trio() -> [Peer; 3] {
    let mut people = [Peer::new("Ada", 1), Peer::new("Bo", 2), Peer::new("Cy", 3)];
    let group = people[0].engine.group_create("room", NOW).unwrap();
    let options = InviteOptions {
        group: Some(group),
        ..InviteOptions::default()
    };
    let link = people[0].engine.invite_create(options, NOW).unwrap();
    round(&mut people, 0);
    for joiner in [1, 2] {
        let join = people[joiner].engine.invite_accept(&link, NOW).unwrap();
        round(&mut people, joiner);
        people[0].engine.join_approve(&join, NOW).unwrap();
        round(&mut people, 0);
        round(&mut people, joiner);
    }
    for person in &mut people {
        assert_eq!(members(person), 3);
    }
    people
}

fn members(person: &mut Peer) -> usize {
    let group = person.group();
    let accounts = person
        .engine
        .with_group(group, |engine, group| engine.accounts(group));
    accounts.unwrap().len()
}

fn orders(person: &Peer) -> Vec<Order> {
    let orders = person.engine.groups[&person.group()].record.orders.iter();
    orders.map(|order| Order::decode(order).unwrap()).collect()
}

/// Ada decides to be rid of Cy; what of that reached the network first: the order alone.
fn order_alone(people: &mut [Peer; 3]) -> Published {
    let group = people[0].group().to_string();
    let cy = people[2].engine.me().unwrap().id.to_string();
    people[0].engine.group_remove(&group, &cy, NOW).unwrap();
    let mut said = people[0].attend(NOW).into_iter();
    let (topic, frame) = said.next().unwrap();
    assert!(said.next().is_some(), "the commit that realises it");
    (0, topic, frame)
}

/// protocol §5.5.2
#[test]
fn who_hears_of_an_order_realises_it_before_it_says_anything() {
    let mut people = trio();
    let (_, topic, frame) = order_alone(&mut people);
    let said = people[1].hear(topic, &frame, NOW);
    assert_eq!(said, [], "it waits, for somebody else may do it");
    assert_eq!(orders(&people[1]).len(), 1);
    assert_eq!(members(&mut people[1]), 3);
    let group = people[1].group();
    let name = group.to_string();
    people[1]
        .engine
        .message_send(&name, "without Cy", None, NOW)
        .unwrap();
    assert_eq!(members(&mut people[1]), 2);
    round(&mut people, 1);
    assert!(people[2].texts(group).is_empty());
    assert_eq!(
        people[2].engine.group_info(&name, NOW).unwrap().standing,
        "out"
    );
}

/// protocol §5.5.2
#[test]
fn who_is_ordered_out_realises_nothing_and_the_others_do_so_by_themselves() {
    let mut people = trio();
    let (_, topic, frame) = order_alone(&mut people);
    for who in [1, 2] {
        people[who].hear(topic, &frame, NOW);
    }
    let later = Time::from_unix_ms(NOW.unix_ms() + 3_300);
    for who in [2, 1] {
        people[who].engine.handle_timeout(later).unwrap();
        people[who].attend(later);
    }
    assert_eq!(members(&mut people[2]), 3);
    assert_eq!(members(&mut people[1]), 2);
}

/// protocol §5.5.2
#[test]
fn an_order_is_known_from_the_commit_that_realises_it() {
    let mut people = trio();
    let group = people[0].group().to_string();
    let cy = people[2].engine.me().unwrap().id.to_string();
    people[0].engine.group_remove(&group, &cy, NOW).unwrap();
    let said = people[0].attend(NOW);
    for (topic, frame) in said.into_iter().skip(1) {
        people[1].hear(topic, &frame, NOW);
    }
    assert_eq!(members(&mut people[1]), 2);
    let kinds: Vec<_> = orders(&people[1]).iter().map(Order::kind).collect();
    assert_eq!(kinds, [OrderKind::Remove]);
    // Told again, it is not kept twice, and not realised again.
    let order = orders(&people[1])[0].encode().unwrap();
    let id = people[1].group();
    let told = people[1]
        .engine
        .with_group(id, |engine, group| engine.take_order(group, &order, NOW));
    assert_eq!(told.unwrap(), Outcome::Known);
    assert_eq!(orders(&people[1]).len(), 1);
    let open = people[1]
        .engine
        .with_group(id, |engine, group| engine.open_orders(group));
    assert!(open.unwrap().is_empty());
}

/// protocol §5.4.4
#[test]
fn what_somebody_commits_who_is_ordered_out_does_not_count() {
    let mut people = trio();
    let group = people[0].group().to_string();
    let cy = people[2].engine.me().unwrap().id.to_string();
    people[0]
        .engine
        .group_role(&group, &cy, "admin", NOW)
        .unwrap();
    round(&mut people, 0);
    let id = people[0].group();
    let path = |person: &Peer| person.engine.groups[&id].record.path.clone();
    let (before, bos) = (path(&people[2]), path(&people[1]));
    assert_eq!(before.last(), bos.last());
    let (_, topic, frame) = order_alone(&mut people);
    people[2].engine.group_rename(&group, "mine", NOW).unwrap();
    assert_ne!(path(&people[2]), before);
    let renamed = people[2].attend(NOW);
    people[1].hear(topic, &frame, NOW);
    for (topic, frame) in &renamed {
        people[1].hear(*topic, frame, NOW);
    }
    assert_eq!(path(&people[1]), bos, "Bo does not follow");
    // Who followed before it heard of the order goes back, and so does Cy, who cannot do anything more.
    people[2].hear(topic, &frame, NOW);
    assert_eq!(path(&people[2]), before);
    let refused = people[2].engine.group_rename(&group, "again", NOW);
    assert_eq!(refused.unwrap_err().name(), "not_allowed");
    let later = Time::from_unix_ms(NOW.unix_ms() + 10_000);
    people[2].engine.handle_timeout(later).unwrap();
    assert_eq!(path(&people[2]), before);
}
