//! Class 0: what was ordered about others.

use super::*;

/// A commit that realises orders as it should, or with `change` to the group data and other leaves removed.
fn craft_realising(
    people: &[Person],
    author: usize,
    orders: Vec<Order>,
    removed: &[AccountId],
    change: impl FnOnce(&mut GroupData),
) -> Vec<u8> {
    let author = &people[author];
    let mut data = crate::roles::after_orders(author.snapshot().public(), &orders).unwrap();
    change(&mut data);
    let leaves: Vec<_> = removed
        .iter()
        .map(|account| leaf(people, account))
        .collect();
    craft_with(author, aad(author, orders), |builder| {
        set_data(builder.propose_removals(leaves), &data)
    })
}

fn order(people: &[Person], issuer: usize, kind: OrderKind, target: usize) -> Order {
    let issuer = &people[issuer];
    let order = issuer
        .core
        .order(kind, people[target].id(), &issuer.snapshot());
    order.unwrap()
}

fn realise(
    people: &mut [Person],
    author: usize,
    orders: Vec<Order>,
) -> Result<crate::OwnCommit, Error> {
    people[author].commit(&Operation::Realise { orders })
}

/// Owner, two admins by seniority, two members.
fn five() -> Vec<Person> {
    let mut people = ranked(5);
    let account = people[2].id();
    let role = Role::Admin;
    commit_by(&mut people, 0, &Operation::SetRole { account, role });
    people
}

/// protocol §5.3.3, §5.5.1
#[test]
fn any_member_realises_what_somebody_else_ordered() {
    let mut people = five();
    let removal = order(&people, 0, OrderKind::Remove, 1);
    let header = realise(&mut people, 4, vec![removal.clone()])
        .unwrap()
        .header;
    assert_eq!(header.key.class, Class::Moderation);
    assert_eq!(
        header.key.rank, 0,
        "of who decided, not of who carries it out"
    );
    assert_eq!(header.removed.len(), 1);
    assert_eq!(header.orders, [removal]);
    let demotion = order(&people, 1, OrderKind::Demote, 2);
    let commit = realise(&mut people, 3, vec![demotion]).unwrap();
    assert_eq!(commit.header.key.class, Class::Moderation);
    assert_eq!(commit.header.key.rank, 1);
    assert!(commit.header.removed.is_empty());
    let child = commit.child.snapshot();
    assert_eq!(child.role_of(&people[2].id()), Some(Role::Member));
    assert_eq!(child.data().admins, [people[1].id()]);
}

/// protocol §5.3.3, §5.3.4
#[test]
fn nobody_is_removed_or_demoted_without_an_order() {
    let people = five();
    let [junior, member] = [2, 4].map(|i| people[i].id());
    for author in [0, 1] {
        let target = leaf(&people, &member);
        let removal = craft(&people[author], |builder| {
            builder.propose_removals([target])
        });
        assert_refused(&people[3], &removal, Refusal::Order);
        let demotion = craft_data(&people[author], |data| {
            data.admins.retain(|admin| *admin != junior);
        });
        assert_refused(&people[3], &demotion, Refusal::Order);
    }
}

/// protocol §5.5.4
#[test]
fn who_is_ordered_out_does_not_realise_it() {
    let mut people = five();
    for kind in [OrderKind::Remove, OrderKind::Demote] {
        let order = order(&people, 0, kind, 1);
        let refused = realise(&mut people, 1, vec![order.clone()]).unwrap_err();
        assert_eq!(refused, Error::Misuse(Misuse::RemovesSelf));
        if kind == OrderKind::Demote {
            let commit = craft_realising(&people, 1, vec![order], &[], |_| {});
            assert_refused(&people[3], &commit, Refusal::NotAllowed);
        }
    }
}

/// protocol §5.3.1, §5.3.4, §5.5.4
#[test]
fn equal_and_higher_ranks_are_safe() {
    let mut people = five();
    let outranked = Some(Error::Refused(Refusal::Outranked));
    for kind in [OrderKind::Remove, OrderKind::Demote] {
        for (issuer, target) in [(1, 0), (2, 0), (2, 1), (2, 2)] {
            let honest =
                people[issuer]
                    .core
                    .order(kind, people[target].id(), &people[issuer].snapshot());
            assert!(honest.is_err());
            let account = people[target].id();
            let template = order(&people, issuer, OrderKind::Remove, 4);
            let forged = template.with(people[issuer].core.device(), |body| {
                (body.kind, body.target) = (kind, account);
            });
            assert_eq!(realise(&mut people, 3, vec![forged]).err(), outranked);
        }
    }
    let account = people[4].id();
    let member = &people[3];
    let honest = member
        .core
        .order(OrderKind::Remove, account, &member.snapshot());
    let refused = Error::Refused(Refusal::NotAllowed);
    assert_eq!(honest.unwrap_err(), refused);
    let device = member.core.device();
    let forged = order(&people, 0, OrderKind::Remove, 4).with(device, |body| {
        (body.issuer, body.issuer_device) = (device.account(), device.id());
    });
    assert_eq!(realise(&mut people, 2, vec![forged]).err(), Some(refused));
}

/// protocol §5.5.4
#[test]
fn orders_have_to_make_a_difference_and_are_spent_with_it() {
    let mut people = five();
    let template = order(&people, 0, OrderKind::Demote, 2);
    let account = people[4].id();
    let of_no_admin = template.with(people[0].core.device(), |body| body.target = account);
    let refused = Error::Refused(Refusal::Order);
    assert_eq!(
        realise(&mut people, 3, vec![of_no_admin]).err(),
        Some(refused.clone())
    );
    let commit = realise(&mut people, 3, vec![template.clone()]).unwrap();
    for person in &mut people {
        if person.snapshot().state() == commit.header.parent && person.id() != commit.header.author
        {
            person.follow(&commit.message).unwrap();
        }
    }
    people[3].go(commit.header.id);
    let role = Role::Admin;
    let account = people[2].id();
    commit_by(&mut people, 0, &Operation::SetRole { account, role });
    assert_eq!(realise(&mut people, 3, vec![template]).err(), Some(refused));
    common::assert_agree(&people);
}

/// protocol §5.4.1, §5.5.4
#[test]
fn an_order_of_a_later_epoch_has_no_priority() {
    let mut people = five();
    let now = order(&people, 1, OrderKind::Remove, 4);
    let device = people[0].core.device();
    let later = order(&people, 0, OrderKind::Remove, 3).with(device, |body| body.base_epoch.0 += 1);
    let header = realise(&mut people, 2, vec![later.clone()]).unwrap().header;
    assert_eq!((header.key.class, header.key.rank), (Class::Leave, 0));
    // It may come along, and lends the other one no rank.
    let header = realise(&mut people, 2, vec![later, now]).unwrap().header;
    assert_eq!((header.key.class, header.key.rank), (Class::Moderation, 1));
    assert_eq!(header.removed.len(), 2);
}

/// protocol §5.5.4
#[test]
fn all_orders_about_somebody_are_spent_at_once() {
    let mut people = five();
    let orders = vec![
        order(&people, 0, OrderKind::Remove, 2),
        order(&people, 1, OrderKind::Remove, 2),
        order(&people, 1, OrderKind::Demote, 2),
    ];
    let commit = realise(&mut people, 3, orders.clone()).unwrap();
    let child = commit.child.snapshot();
    assert_eq!(child.role_of(&people[2].id()), None);
    assert_eq!(
        child.data().spent_orders.len(),
        4,
        "three orders, and who is gone"
    );
    for order in orders {
        assert_eq!(order.verify(child), Err(Error::Refused(Refusal::Order)));
    }
}

/// protocol §5.3.5
#[test]
fn a_removed_admin_leaves_the_table_in_the_same_commit() {
    let people = five();
    let admin = people[1].id();
    let removal = order(&people, 0, OrderKind::Remove, 1);
    let craft = |removed: &[AccountId], change: fn(&mut GroupData, AccountId)| {
        craft_realising(&people, 3, vec![removal.clone()], removed, |data| {
            change(data, admin);
        })
    };
    let right = craft(&[admin], |_, _| {});
    assert_eq!(verdict(&people[4], &right), Ok(Class::Moderation));
    let kept = craft(&[admin], |data, admin| data.admins.insert(0, admin));
    assert_refused(&people[4], &kept, Refusal::GroupData);
    let renamed = craft(&[admin], |data, _| data.name.push('x'));
    assert_refused(&people[4], &renamed, Refusal::GroupData);
    let unspent = craft(&[admin], |data, _| data.spent_orders.clear());
    assert_refused(&people[4], &unspent, Refusal::GroupData);
    // A demotion takes nobody out, and a removal nobody else.
    assert_refused(&people[4], &craft(&[], |_, _| {}), Refusal::Order);
    let another = craft(&[admin, people[2].id()], |_, _| {});
    assert_refused(&people[4], &another, Refusal::Order);
    let demotion = order(&people, 0, OrderKind::Demote, 1);
    let removed = craft_realising(&people, 3, vec![demotion], &[admin], |_| {});
    assert_refused(&people[4], &removed, Refusal::Order);
}
