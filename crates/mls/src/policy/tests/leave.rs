//! Class 3: orders to leave, and own devices.

use super::*;

/// protocol §5.3.4, §5.5.4
#[test]
fn orders_need_their_removal_and_removals_nothing_else() {
    let people = ranked(4);
    let order = |i: usize| people[i].core.leave_order(&people[i].snapshot()).unwrap();
    let owner = &people[0];
    let with = |orders: Vec<Order>, removed: &[usize], spent: &[Order]| {
        let mut data = crate::roles::after_orders(owner.snapshot().public(), spent).unwrap();
        data.admins
            .retain(|admin| !removed.iter().any(|i| people[*i].id() == *admin));
        let leaves = removed
            .iter()
            .map(|i| leaf(&people, &people[*i].id()))
            .collect::<Vec<_>>();
        craft_with(owner, aad(owner, orders), |builder| {
            set_data(builder.propose_removals(leaves), &data)
        })
    };
    assert_eq!(
        verdict(&people[1], &with(vec![order(3)], &[3], &[order(3)])),
        Err(Error::Refused(Refusal::GroupData))
    );
    let third = order(3);
    let spend = std::slice::from_ref(&third);
    assert_eq!(
        verdict(&people[2], &with(vec![third.clone()], &[3], spend)),
        Ok(Class::Leave)
    );
    // Another is removed along with, or instead of, who leaves.
    assert_refused(
        &people[1],
        &with(vec![third.clone()], &[2, 3], spend),
        Refusal::Order,
    );
    assert_refused(
        &people[1],
        &with(vec![third.clone()], &[2], spend),
        Refusal::Order,
    );
    // The same order twice.
    let twice = vec![third.clone(), third.clone()];
    assert_refused(&people[1], &with(twice, &[3], spend), Refusal::Order);
    // Not marked as spent, or another one marked.
    assert_refused(
        &people[1],
        &with(vec![third.clone()], &[3], &[]),
        Refusal::GroupData,
    );
    assert_refused(
        &people[1],
        &with(vec![third.clone()], &[3], &[order(2)]),
        Refusal::GroupData,
    );
    // An admin who leaves also leaves the table.
    let second = order(1);
    let mut data =
        crate::roles::after_orders(owner.snapshot().public(), std::slice::from_ref(&second))
            .unwrap();
    data.admins.push(people[1].id());
    let commit = craft_with(owner, aad(owner, vec![second]), |builder| {
        set_data(
            builder.propose_removals([leaf(&people, &people[1].id())]),
            &data,
        )
    });
    assert_refused(&people[2], &commit, Refusal::GroupData);
    // Orders without any content.
    let empty = craft_with(owner, aad(owner, vec![third]), |builder| {
        builder.force_self_update(true)
    });
    assert_refused(&people[2], &empty, Refusal::Content);
}

/// protocol §5.5.4
#[test]
fn orders_must_be_signed_current_and_of_this_group() {
    let mut people = group_of(3);
    let snapshot = people[2].snapshot();
    let order = people[2].core.leave_order(&snapshot).unwrap();
    let refused = Err(Error::Refused(Refusal::Order));
    let realise = |people: &mut [Person], order: Order| {
        people[1]
            .commit(&Operation::Realise {
                orders: vec![order],
            })
            .map(|commit| commit.header.key.class)
    };

    let mut forged = order.encode().unwrap();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(
        realise(&mut people, Order::decode(&forged).unwrap()),
        refused
    );
    let by_another = order.with(people[1].core.device(), |_| {});
    assert_eq!(realise(&mut people, by_another), refused);
    let device = people[2].core.device();
    let for_another = order.with(device, |body| {
        body.target = people[1].core.device().account()
    });
    let other_group = order.with(device, |body| {
        body.group = crate::GroupId::from_bytes([0; 16])
    });
    let far = order.with(device, |body| {
        body.base_epoch = Epoch(ORDER_AGE_EPOCHS_MAX + 2)
    });
    let near = order.with(device, |body| {
        body.base_epoch = Epoch(ORDER_AGE_EPOCHS_MAX + 1)
    });
    for order in [for_another, other_group, far] {
        assert_eq!(realise(&mut people, order), refused);
    }
    assert_eq!(realise(&mut people, near), Ok(Class::Leave));
    assert_eq!(realise(&mut people, order), Ok(Class::Leave));
}

/// protocol §5.5.3, §5.5.4
#[test]
fn nobody_realises_that_the_owner_leaves() {
    let mut people = group_of(2);
    let order = people[1].core.leave_order(&people[1].snapshot()).unwrap();
    let owner = people[0].core.device();
    let account = owner.account();
    let order = order.with(owner, |body| {
        (body.target, body.issuer, body.issuer_device) = (account, account, owner.id());
    });
    let refused = people[1]
        .commit(&Operation::Realise {
            orders: vec![order],
        })
        .unwrap_err();
    assert_eq!(refused, Error::Refused(Refusal::OwnerLeaves));
}

/// A commit that realises an order and removes this leaf.
fn realising(author: &Person, order: Order, leaf: u32) -> Vec<u8> {
    let orders = vec![order];
    let data = crate::roles::after_orders(author.snapshot().public(), &orders).unwrap();
    craft_with(author, aad(author, orders), |builder| {
        set_data(builder.propose_removals([LeafNodeIndex::new(leaf)]), &data)
    })
}

/// protocol §5.3.5
#[test]
fn accounts_are_removed_whole() {
    let mut people = group_of(2);
    let mut second = device_of(AccountKey::from_bytes(&[2; 32]), 50);
    let add = Operation::Add {
        key_packages: vec![second.key_package()],
    };
    let commit = people[1].commit(&add).unwrap();
    people[1].go(commit.header.id);
    people[0].follow(&commit.message).unwrap();
    second.join(&commit.welcome.unwrap()).unwrap();
    let owner = &people[0];
    let (core, account) = (&owner.core, people[1].id());
    let order = core.order(OrderKind::Remove, account, &owner.snapshot());
    let half = realising(owner, order.unwrap(), 1);
    assert_refused(&people[1], &half, Refusal::PartialRemoval);
    let whole = people[0].removal(people[1].id());
    assert_eq!(people[0].commit(&whole).unwrap().header.removed.len(), 2);
    // Who has several devices may remove one of them.
    let own = craft(&people[1], |builder| {
        builder.propose_removals([LeafNodeIndex::new(2)])
    });
    assert_eq!(verdict(&people[0], &own), Ok(Class::Leave));
    // An order to leave takes all devices, or it is not realised.
    let order = people[1].core.leave_order(&people[1].snapshot()).unwrap();
    let half = realising(&people[0], order, 1);
    assert_refused(&people[1], &half, Refusal::PartialRemoval);
    // The second device cannot realise that its own account leaves.
    second.go(second.head.unwrap());
    let order = people[1].core.leave_order(&people[1].snapshot()).unwrap();
    let own = realising(&second, order, 1);
    assert_refused(&people[0], &own, Refusal::NotAllowed);
}
