//! Roles: a strict order of accounts within a group.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{AccountId, DeviceId, ParseIdError};

/// What an account may do in a group. Owner and admins are listed in the group data; all others are members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// The one account that nobody can remove; it appoints admins and may hand over.
    Owner,
    /// May add, remove lower ranks and change group data. Admins are ranked by seniority.
    Admin,
    /// Everybody else.
    Member,
}

/// One device in a group: a leaf of the ratchet tree with its verified credential.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The account the device belongs to.
    pub account: AccountId,
    /// The device.
    pub device: DeviceId,
    /// Its MLS signature key (Ed25519).
    pub signature_key: [u8; 32],
    /// Its leaf index in the tree (RFC 9420 §4.2).
    pub leaf: u32,
    /// The role of the account.
    pub role: Role,
}

impl Role {
    /// The name used on interfaces: `owner`, `admin`, `member`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }
}

impl fmt::Debug for Member {
    /// The place, not the person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member({}, {})", self.leaf, self.role)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        match text {
            "owner" => Ok(Self::Owner),
            "admin" => Ok(Self::Admin),
            "member" => Ok(Self::Member),
            _ => Err(ParseIdError),
        }
    }
}
