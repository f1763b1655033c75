//! From what is asked to what a commit contains.

use openmls::prelude::KeyPackage;

use crate::{AccountId, Core, Error, GroupData, Misuse, Operation, Order, Snapshot, roles};

/// The content of a commit to be.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) adds: Vec<KeyPackage>,
    pub(crate) removes: Vec<u32>,
    pub(crate) data: Option<GroupData>,
    pub(crate) orders: Vec<Order>,
}

impl Plan {
    /// What the operation means in this state; whether it is allowed is for the policy to say.
    pub(crate) fn of(parent: &Snapshot, core: &Core, operation: &Operation) -> Result<Self, Error> {
        match operation {
            Operation::Add { key_packages } => Self::add(core, key_packages),
            Operation::Realise { orders } => Self::realise(parent, core, orders),
            Operation::Rename { name } => Self::change(parent, |data| data.name.clone_from(name)),
            Operation::SetAvatar { avatar } => Self::change(parent, |data| data.avatar = *avatar),
            Operation::SetDisappearing { seconds } => {
                Self::change(parent, |data| data.disappearing_seconds = *seconds)
            }
            Operation::SetFileLimit { limit } => {
                Self::change(parent, |data| data.file_limit = *limit)
            }
            Operation::SetJoinPolicy { policy } => {
                Self::change(parent, |data| data.join_policy = *policy)
            }
            Operation::SetRelays { relays } => {
                Self::change(parent, |data| data.relays.clone_from(relays))
            }
            Operation::SetRole { account, role } => {
                parent.role_of(account).ok_or(Misuse::UnknownAccount)?;
                let after = roles::with_role(parent.data(), account, *role)?;
                Self::change(parent, |data| *data = after)
            }
            Operation::Update => Ok(Self::default()),
        }
    }

    fn add(core: &Core, key_packages: &[Vec<u8>]) -> Result<Self, Error> {
        if key_packages.is_empty() {
            return Err(Misuse::Empty.into());
        }
        let parse = |bytes: &Vec<u8>| core.parse_key_package(bytes);
        let adds = key_packages.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self {
            adds,
            ..Self::default()
        })
    }

    fn realise(parent: &Snapshot, core: &Core, orders: &[Order]) -> Result<Self, Error> {
        if orders.is_empty() {
            return Err(Misuse::Empty.into());
        }
        orders.iter().try_for_each(|order| order.verify(parent))?;
        if orders
            .iter()
            .any(|order| order.target() == core.device().account())
        {
            return Err(Misuse::RemovesSelf.into());
        }
        let going = orders.iter().filter(|order| order.removes());
        let targets: Vec<_> = going.map(Order::target).collect();
        let removes = leaves_of(parent, &targets);
        let data = Some(roles::after_orders(parent.public(), orders)?);
        Ok(Self {
            removes,
            data,
            orders: orders.to_vec(),
            ..Self::default()
        })
    }

    fn change(parent: &Snapshot, change: impl FnOnce(&mut GroupData)) -> Result<Self, Error> {
        let mut data = parent.data().clone();
        change(&mut data);
        if data == *parent.data() {
            return Err(Misuse::NoChange.into());
        }
        Ok(Self {
            data: Some(data),
            ..Self::default()
        })
    }
}

fn leaves_of(parent: &Snapshot, accounts: &[AccountId]) -> Vec<u32> {
    let listed = parent
        .members()
        .iter()
        .filter(|member| accounts.contains(&member.account));
    listed.map(|member| member.leaf).collect()
}
