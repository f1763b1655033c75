//! How the role table and the list of spent orders move from one state to the next.

use crate::group_data::gone as gone_name;
use crate::limits::{ORDER_AGE_EPOCHS_MAX, SPENT_ORDERS_MAX};
use crate::public::PublicState;
use crate::{AccountId, Error, GroupData, Misuse, Order, Refusal, Role};

/// The data after one account gets a role.
pub(crate) fn with_role(
    data: &GroupData,
    account: &AccountId,
    role: Role,
) -> Result<GroupData, Error> {
    let mut after = without(data, &[*account]);
    match role {
        Role::Owner if *account != data.owner => {
            after.admins.insert(0, data.owner);
            after.owner = *account;
        }
        Role::Owner => {}
        Role::Admin | Role::Member if *account == data.owner => {
            return Err(Refusal::OwnerLeaves.into());
        }
        // An admin who becomes an admin keeps the seniority.
        Role::Admin if data.role_of(account) == Role::Admin => return Err(Misuse::NoChange.into()),
        Role::Admin => after.admins.push(*account),
        Role::Member => {}
    }
    Ok(after)
}

/// The data after these accounts are no admins any more.
pub(crate) fn without(data: &GroupData, accounts: &[AccountId]) -> GroupData {
    let mut after = data.clone();
    after.admins.retain(|admin| !accounts.contains(admin));
    after
}

/// The data after these orders are realised on a parent: their targets are no admins, the orders are spent, and with a
/// removal all that were given about the target before it; spent ones are forgotten that are too old to be realised
/// again.
pub(crate) fn after_orders(parent: &PublicState, orders: &[Order]) -> Result<GroupData, Error> {
    let targets: Vec<_> = orders.iter().map(Order::target).collect();
    let mut after = without(&parent.data, &targets);
    let epoch = parent.epoch;
    let oldest = epoch.0.saturating_sub(ORDER_AGE_EPOCHS_MAX);
    after
        .spent_orders
        .retain(|(spent_in, _)| spent_in.0 >= oldest);
    // An order may stem from a longer branch: it is remembered as long as it could be realised.
    let spent_in = |order: &Order| epoch.max(order.base().1);
    after
        .spent_orders
        .extend(orders.iter().map(|order| (spent_in(order), order.id())));
    // This epoch, whatever the order claims: else who is removed could see to it that nobody can do so again.
    let gone = orders.iter().filter(|order| order.removes());
    let gone = gone.map(|order| (epoch, gone_name(&order.target())));
    after.spent_orders.extend(gone);
    after.spent_orders.sort_unstable();
    after.spent_orders.dedup();
    if after.spent_orders.len() > SPENT_ORDERS_MAX {
        return Err(Refusal::TooMany.into());
    }
    Ok(after)
}

/// Whether an account may remove or demote another one.
pub(crate) fn check_outranks(
    data: &GroupData,
    issuer: &AccountId,
    target: &AccountId,
) -> Result<(), Refusal> {
    if data.role_of(issuer) == Role::Member {
        return Err(Refusal::NotAllowed);
    }
    if data.rank_of(issuer) >= data.rank_of(target) {
        return Err(Refusal::Outranked);
    }
    Ok(())
}
