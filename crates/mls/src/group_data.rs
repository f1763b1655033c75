//! What all members of a group agree on beside its membership: roles, name, relays, rules.
//!
//! It lives in the GroupContext extension [`GROUP_DATA_EXTENSION`], so that it is part of every state's transcript,
//! and RequiredCapabilities names the extension, so that no member can be without it.

use std::collections::BTreeSet;
use std::fmt;

use openmls::prelude::{
    CredentialType, Extension, ExtensionType, Extensions, GroupContext,
    RequiredCapabilitiesExtension, UnknownExtension,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::limits::{
    ADMINS_MAX, AVATAR_LEN_MAX, FILE_LIMIT_MAX, GROUP_DATA_LEN_MAX, NAME_LEN_MAX, RELAY_LEN_MAX,
    RELAYS_MAX, SPENT_ORDERS_MAX,
};
use crate::{AccountId, Epoch, Error, Invalid, Misuse, Order, Role};

/// The number of the extension, from the range for private use (RFC 9420 §17.3).
pub const GROUP_DATA_EXTENSION: u16 = 0xF0A1;

/// Who may add others. Everybody may add own devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinPolicy {
    /// The owner and admins.
    Admins,
    /// Every member.
    Members,
}

/// What a group is to its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Conversation {
    /// A conversation of exactly two accounts; nobody else can be added.
    Direct,
    /// A group with a name and any number of members.
    Group,
}

/// The picture of a group: a file that members fetch from each other, and what opens it (protocol §9.8).
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Avatar {
    /// The name of the file, a hash over all of it.
    pub hash: [u8; 32],
    /// Its length in bytes: 1 to [`AVATAR_LEN_MAX`].
    pub size: u32,
    /// The key under which it is sealed, drawn for it alone.
    pub key: [u8; 32],
    /// The nonce, likewise.
    pub nonce: [u8; 12],
}

impl Avatar {
    /// What is behind the fields of version 1, the hash among which names it.
    const fn behind(self, file_limit: Option<u32>) -> Behind {
        Behind {
            file_limit,
            size: self.size,
            key: self.key,
            nonce: self.nonce,
        }
    }
}

impl fmt::Debug for Avatar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Avatar(..)")
    }
}

/// The agreed data of a group. Encoded with postcard behind a version byte; one value has one encoding. What other types
/// keep of it with serde is what commits are judged by: neither how long files may be nor the picture.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Fields", into = "Fields")]
pub struct GroupData {
    /// The name, at most 256 bytes of UTF-8; empty for direct conversations.
    pub name: String,
    /// The account that owns the group: rank 0.
    pub owner: AccountId,
    /// The admins by seniority: rank 1 and on. At most 64, distinct, without the owner.
    pub admins: Vec<AccountId>,
    /// Where the group meets, as relay addresses: at most 8 of at most 512 bytes.
    pub relays: Vec<String>,
    /// Who may add others.
    pub join_policy: JoinPolicy,
    /// Whether this is a conversation of two.
    pub direct: Conversation,
    /// After how many seconds messages disappear; never zero.
    pub disappearing_seconds: Option<u32>,
    /// The picture.
    pub avatar: Option<Avatar>,
    /// Orders that were realised, and accounts that were removed by one ([`GroupData::is_spent`]), with the epoch of
    /// the commit's parent: ascending, at most 1,024, of the last 256 epochs. No commit may realise them again.
    pub spent_orders: Vec<(Epoch, [u8; 32])>,
    /// The longest file that may be sent, in bytes: at most [`FILE_LIMIT_MAX`], zero for none at all; `None` where nobody
    /// has chosen, which is encoded as it was before there was a choice.
    pub file_limit: Option<u32>,
}

/// What all versions have.
#[derive(Serialize, Deserialize)]
struct Fields {
    name: String,
    owner: AccountId,
    admins: Vec<AccountId>,
    relays: Vec<String>,
    join_policy: JoinPolicy,
    direct: Conversation,
    disappearing_seconds: Option<u32>,
    avatar_hash: Option<[u8; 32]>,
    spent_orders: Vec<(Epoch, [u8; 32])>,
}

const VERSION: u8 = 1;
/// Version 1 and the longest file behind it.
const VERSION_WITH_FILES: u8 = 2;
/// Version 1, and behind it the longest file, if somebody has chosen, and what opens the picture.
const VERSION_WITH_AVATAR: u8 = 3;

/// What version 3 has behind the fields of version 1.
#[derive(Serialize, Deserialize)]
struct Behind {
    file_limit: Option<u32>,
    size: u32,
    key: [u8; 32],
    nonce: [u8; 12],
}

/// How the removal of an account is named among the orders that were realised.
pub(crate) fn gone(account: &AccountId) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"gone1")
        .chain_update(account.as_bytes())
        .finalize()
        .into()
}

impl GroupData {
    /// Data of a new group that nobody but its owner is in.
    #[must_use]
    pub const fn new(owner: AccountId, name: String, direct: Conversation) -> Self {
        Self {
            name,
            owner,
            admins: Vec::new(),
            relays: Vec::new(),
            join_policy: JoinPolicy::Admins,
            direct,
            disappearing_seconds: None,
            avatar: None,
            spent_orders: Vec::new(),
            file_limit: None,
        }
    }

    /// Whether an order was realised before, or another one that removed its target when this one had been given: who
    /// was let in again since is not meant by it.
    #[must_use]
    pub fn is_spent(&self, order: &Order) -> bool {
        let (id, gone) = (order.id(), gone(&order.target()));
        let given = order.base().1;
        let mut spent = self.spent_orders.iter();
        spent.any(|(epoch, name)| *name == id || (*name == gone && given <= *epoch))
    }

    /// The role of an account, provided that it is a member.
    #[must_use]
    pub fn role_of(&self, account: &AccountId) -> Role {
        if *account == self.owner {
            return Role::Owner;
        }
        if self.admins.contains(account) {
            return Role::Admin;
        }
        Role::Member
    }

    /// The rank of an account: 0 for the owner, then the admins by seniority, then one number for all others.
    /// Smaller outranks greater.
    #[must_use]
    pub fn rank_of(&self, account: &AccountId) -> u32 {
        if *account == self.owner {
            return 0;
        }
        let seniority = self
            .admins
            .iter()
            .position(|admin| admin == account)
            .unwrap_or(self.admins.len());
        u32::try_from(seniority)
            .unwrap_or(u32::MAX)
            .saturating_add(1)
    }

    /// Reads the extension's content.
    ///
    /// # Errors
    /// [`Invalid::GroupData`] unless it is the one encoding of data within the limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Self::decode_checked(bytes).ok_or_else(|| Invalid::GroupData.into())
    }

    /// The extension's content.
    ///
    /// # Errors
    /// [`Misuse::Limits`] if a field is outside its limits.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        if !self.is_within_limits() {
            return Err(Misuse::Limits.into());
        }
        let version = match (self.avatar, self.file_limit) {
            (Some(_), _) => VERSION_WITH_AVATAR,
            (None, Some(_)) => VERSION_WITH_FILES,
            (None, None) => VERSION,
        };
        let fields = postcard::to_extend(&Fields::from(self.clone()), vec![version]);
        let bytes = fields.and_then(|fields| match (self.avatar, self.file_limit) {
            (Some(avatar), file_limit) => postcard::to_extend(&avatar.behind(file_limit), fields),
            (None, Some(limit)) => postcard::to_extend(&limit, fields),
            (None, None) => Ok(fields),
        });
        let bytes = bytes.map_err(|_| Error::Internal("group data"))?;
        if bytes.len() > GROUP_DATA_LEN_MAX {
            return Err(Misuse::Limits.into());
        }
        Ok(bytes)
    }

    /// All GroupContext extensions of a group with this data.
    pub(crate) fn to_extensions(&self) -> Result<Extensions<GroupContext>, Error> {
        let ours = ExtensionType::Unknown(GROUP_DATA_EXTENSION);
        let required = RequiredCapabilitiesExtension::new(&[ours], &[], &[CredentialType::Basic]);
        Extensions::from_vec(vec![
            Extension::RequiredCapabilities(required),
            Extension::Unknown(GROUP_DATA_EXTENSION, UnknownExtension(self.encode()?)),
        ])
        .map_err(|_| Error::Internal("extensions"))
    }

    /// The data in these GroupContext extensions, which must be ours and nothing else.
    pub(crate) fn from_extensions(extensions: &Extensions<GroupContext>) -> Result<Self, Error> {
        let content = extensions
            .unknown(GROUP_DATA_EXTENSION)
            .ok_or(Invalid::GroupData)?;
        let data = Self::decode(&content.0)?;
        if data.to_extensions()? != *extensions {
            return Err(Invalid::GroupData.into());
        }
        Ok(data)
    }

    fn decode_checked(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > GROUP_DATA_LEN_MAX {
            return None;
        }
        let (version, body) = bytes.split_first()?;
        let (fields, rest): (Fields, _) = postcard::take_from_bytes(body).ok()?;
        let hash = fields.avatar_hash;
        let mut data = Self::from(fields);
        match *version {
            VERSION if rest.is_empty() => {}
            VERSION_WITH_FILES => data.file_limit = Some(postcard::from_bytes(rest).ok()?),
            VERSION_WITH_AVATAR => {
                let behind: Behind = postcard::from_bytes(rest).ok()?;
                data.file_limit = behind.file_limit;
                data.avatar = Some(Avatar {
                    hash: hash?,
                    size: behind.size,
                    key: behind.key,
                    nonce: behind.nonce,
                });
            }
            _ => return None,
        }
        // Encoding again refuses a picture that is not told whole, trailing bytes, and numbers written longer than needed.
        (data.encode().ok()? == bytes).then_some(data)
    }

    fn is_within_limits(&self) -> bool {
        let distinct: BTreeSet<_> = self.admins.iter().chain([&self.owner]).collect();
        let spent_ascending = self.spent_orders.is_sorted_by(|a, b| a < b);
        self.name.len() <= NAME_LEN_MAX
            && self.admins.len() <= ADMINS_MAX
            && distinct.len() == self.admins.len().saturating_add(1)
            && self.relays.len() <= RELAYS_MAX
            && self.relays.iter().all(|relay| relay.len() <= RELAY_LEN_MAX)
            && self.disappearing_seconds != Some(0)
            && self.file_limit.is_none_or(|limit| limit <= FILE_LIMIT_MAX)
            && (self.avatar).is_none_or(|avatar| (1..=AVATAR_LEN_MAX).contains(&avatar.size))
            && self.spent_orders.len() <= SPENT_ORDERS_MAX
            && spent_ascending
    }
}

impl From<GroupData> for Fields {
    fn from(data: GroupData) -> Self {
        Self {
            name: data.name,
            owner: data.owner,
            admins: data.admins,
            relays: data.relays,
            join_policy: data.join_policy,
            direct: data.direct,
            disappearing_seconds: data.disappearing_seconds,
            avatar_hash: data.avatar.map(|avatar| avatar.hash),
            spent_orders: data.spent_orders,
        }
    }
}

impl From<Fields> for GroupData {
    fn from(fields: Fields) -> Self {
        Self {
            name: fields.name,
            owner: fields.owner,
            admins: fields.admins,
            relays: fields.relays,
            join_policy: fields.join_policy,
            direct: fields.direct,
            disappearing_seconds: fields.disappearing_seconds,
            avatar: None,
            spent_orders: fields.spent_orders,
            file_limit: None,
        }
    }
}

impl fmt::Debug for GroupData {
    /// Sizes only: names and relays are content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupData")
            .field("admins", &self.admins.len())
            .field("relays", &self.relays.len())
            .field("spent_orders", &self.spent_orders.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: u8) -> AccountId {
        AccountId::from_bytes([number; 32])
    }

    const fn avatar() -> Avatar {
        Avatar {
            hash: [1; 32],
            size: AVATAR_LEN_MAX,
            key: [2; 32],
            nonce: [3; 12],
        }
    }

    fn full() -> GroupData {
        GroupData {
            name: "n".repeat(NAME_LEN_MAX),
            owner: account(255),
            admins: (0..u8::try_from(ADMINS_MAX).unwrap())
                .map(account)
                .collect(),
            relays: vec!["r".repeat(RELAY_LEN_MAX); RELAYS_MAX],
            join_policy: JoinPolicy::Members,
            direct: Conversation::Direct,
            disappearing_seconds: Some(u32::MAX),
            avatar: Some(avatar()),
            spent_orders: (u64::MAX - 2000..)
                .take(SPENT_ORDERS_MAX)
                .map(|epoch| (Epoch(epoch), [2; 32]))
                .collect(),
            file_limit: Some(FILE_LIMIT_MAX),
        }
    }

    #[test]
    fn the_largest_data_and_the_smallest_come_back() {
        let mut unlimited = full();
        unlimited.file_limit = None;
        let mut plain = full();
        plain.avatar = None;
        for data in [
            full(),
            unlimited,
            plain,
            GroupData::new(account(1), String::new(), Conversation::Group),
        ] {
            let bytes = data.encode().unwrap();
            assert_eq!(GroupData::decode(&bytes), Ok(data.clone()));
            let extensions = data.to_extensions().unwrap();
            assert_eq!(GroupData::from_extensions(&extensions), Ok(data));
        }
    }

    /// protocol §5.1.2
    #[test]
    fn data_one_past_a_limit_is_neither_written_nor_read() {
        let one_past: [fn(&mut GroupData); 13] = [
            |data| data.name.push('n'),
            |data| data.admins.push(account(200)),
            |data| data.admins[0] = data.admins[1],
            |data| data.admins[0] = data.owner,
            |data| data.relays.push(String::new()),
            |data| data.relays[0].push('r'),
            |data| data.disappearing_seconds = Some(0),
            |data| data.file_limit = Some(FILE_LIMIT_MAX + 1),
            |data| data.avatar.as_mut().unwrap().size = 0,
            |data| data.avatar.as_mut().unwrap().size = AVATAR_LEN_MAX + 1,
            |data| data.spent_orders.push((Epoch(u64::MAX), [3; 32])),
            |data| data.spent_orders.swap(0, 1),
            |data| data.spent_orders[1] = data.spent_orders[0],
        ];
        for (i, change) in one_past.into_iter().enumerate() {
            let mut data = full();
            change(&mut data);
            assert_eq!(
                data.encode(),
                Err(Error::Misuse(Misuse::Limits)),
                "change {i}"
            );
            let behind = data.avatar.unwrap().behind(data.file_limit);
            let bytes = postcard::to_extend(&Fields::from(data.clone()), vec![VERSION_WITH_AVATAR])
                .unwrap();
            let bytes = postcard::to_extend(&behind, bytes).unwrap();
            assert_eq!(
                GroupData::decode(&bytes),
                Err(Error::Invalid(Invalid::GroupData)),
                "change {i}"
            );
        }
    }

    /// protocol §5.1.2
    #[test]
    fn data_has_one_encoding() {
        let bytes = GroupData::new(account(1), "n".to_owned(), Conversation::Group)
            .encode()
            .unwrap();
        let refused = Err(Error::Invalid(Invalid::GroupData));
        assert_eq!(GroupData::decode(&[]), refused);
        assert_eq!(GroupData::decode(&bytes[..bytes.len() - 1]), refused);
        assert_eq!(
            GroupData::decode(&[bytes.as_slice(), &[0]].concat()),
            refused
        );
        assert_eq!(
            GroupData::decode(&[&[VERSION + 1], &bytes[1..]].concat()),
            refused
        );
        let mut limited = GroupData::new(account(1), "n".to_owned(), Conversation::Group);
        limited.file_limit = Some(0);
        let with_limit = [&[VERSION_WITH_FILES], &bytes[1..], &[0]].concat();
        assert_eq!(limited.encode(), Ok(with_limit.clone()));
        assert_eq!(
            GroupData::decode(&[with_limit.as_slice(), &[0]].concat()),
            refused
        );
        // A picture without what opens it, and what opens none.
        let mut pictured = GroupData::new(account(1), "n".to_owned(), Conversation::Group);
        pictured.avatar = Some(avatar());
        let whole = pictured.encode().unwrap();
        let behind = postcard::to_allocvec(&avatar().behind(None)).unwrap();
        let fields = &whole[1..whole.len() - behind.len()];
        assert_eq!(GroupData::decode(&whole), Ok(pictured));
        assert_eq!(GroupData::decode(&[&[VERSION], fields].concat()), refused);
        assert_eq!(
            GroupData::decode(&[&[VERSION_WITH_AVATAR], &bytes[1..], &behind].concat()),
            refused
        );
        // The name's length as two bytes where one does.
        assert_eq!(
            GroupData::decode(&[&[VERSION, 0x81, 0x00], &bytes[2..]].concat()),
            refused
        );
        assert_eq!(
            GroupData::decode(&vec![VERSION; GROUP_DATA_LEN_MAX + 1]),
            refused
        );
    }

    /// protocol §5.3.1
    #[test]
    fn ranks_are_strict_above_members() {
        let mut data = GroupData::new(account(1), String::new(), Conversation::Group);
        data.admins = vec![account(3), account(2)];
        let ranks = [1, 3, 2, 4, 5].map(|number| data.rank_of(&account(number)));
        assert_eq!(ranks, [0, 1, 2, 3, 3]);
        let roles = [1, 3, 4].map(|number| data.role_of(&account(number)));
        assert_eq!(roles, [Role::Owner, Role::Admin, Role::Member]);
    }
}
