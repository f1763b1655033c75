//! What a device asks a commit to do.

use std::fmt;

use crate::{AccountId, Avatar, JoinPolicy, Order, Role};

/// What a commit is to do.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Add the devices of these KeyPackages.
    Add {
        /// As others got them from [`Core::new_key_package`](crate::Core::new_key_package); at most 64.
        key_packages: Vec<Vec<u8>>,
    },
    /// Realise what was ordered, also by this account.
    Realise {
        /// Different orders that hold in this state, none about this account; at most 32.
        orders: Vec<Order>,
    },
    /// Change the name.
    Rename {
        /// The new name.
        name: String,
    },
    /// Change or take away the picture.
    SetAvatar {
        /// The new one.
        avatar: Option<Avatar>,
    },
    /// Change after what time messages disappear.
    SetDisappearing {
        /// Not zero; `None` for never.
        seconds: Option<u32>,
    },
    /// Change how long files may be.
    SetFileLimit {
        /// In bytes; zero for no files, `None` for as long as files can be.
        limit: Option<u32>,
    },
    /// Change who may add others.
    SetJoinPolicy {
        /// The new rule.
        policy: JoinPolicy,
    },
    /// Change the relays.
    SetRelays {
        /// The new list.
        relays: Vec<String>,
    },
    /// Make an account an admin, or resign. Making somebody the owner hands over: the former owner becomes first admin.
    /// Taking a role from somebody else needs an order.
    SetRole {
        /// The account.
        account: AccountId,
        /// Its new role.
        role: Role,
    },
    /// Renew the keys of this device.
    Update,
}

impl fmt::Debug for Operation {
    /// Which operation, not on what: names and KeyPackages are not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add { .. } => "Add(..)",
            Self::Realise { .. } => "Realise(..)",
            Self::Rename { .. } => "Rename(..)",
            Self::SetAvatar { .. } => "SetAvatar(..)",
            Self::SetDisappearing { .. } => "SetDisappearing(..)",
            Self::SetFileLimit { .. } => "SetFileLimit(..)",
            Self::SetJoinPolicy { .. } => "SetJoinPolicy(..)",
            Self::SetRelays { .. } => "SetRelays(..)",
            Self::SetRole { .. } => "SetRole(..)",
            Self::Update => "Update",
        })
    }
}
