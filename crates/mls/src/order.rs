//! Orders: decisions that are objects of their own, signed by who decides, for others to carry into a commit.
//!
//! Today there is one kind: leaving. A member cannot commit its own removal (RFC 9420 §12.4), so it signs that it
//! leaves, and any other member realises that. Orders to remove or demote others will be further kinds.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::identity::verify_device_signature;
use crate::limits::{ORDER_AGE_EPOCHS_MAX, ORDER_LEN_MAX};
use crate::public::PublicState;
use crate::{
    AccountId, Device, DeviceId, Epoch, Error, GroupId, Invalid, Refusal, Snapshot, StateId,
};

const ORDER_LABEL: &[u8] = b"order-v1";
const VERSION: u8 = 1;

/// What an order decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum OrderKind {
    /// The target leaves the group with all its devices; only the target itself can order that.
    Leave,
}

/// A signed decision about a group.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    body: Body,
    signature: Signature,
}

/// The signed part. Its postcard form behind a version byte is what is signed and hashed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Body {
    pub(crate) kind: OrderKind,
    pub(crate) group: GroupId,
    pub(crate) target: AccountId,
    pub(crate) issuer: AccountId,
    pub(crate) issuer_device: DeviceId,
    pub(crate) base: StateId,
    pub(crate) base_epoch: Epoch,
    pub(crate) nonce: [u8; 16],
}

/// An Ed25519 signature in two halves, as serde knows arrays of up to 32.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Signature([u8; 32], [u8; 32]);

impl Order {
    /// Signs that the account of this device leaves. `base` is the state the device sees as the head.
    pub(crate) fn leave(device: &Device, base: &Snapshot, nonce: [u8; 16]) -> Result<Self, Error> {
        let body = Body {
            kind: OrderKind::Leave,
            group: base.group_id(),
            target: device.account(),
            issuer: device.account(),
            issuer_device: device.id(),
            base: base.state(),
            base_epoch: base.epoch(),
            nonce,
        };
        let signature = Signature::from_bytes(&device.sign(ORDER_LABEL, &body.encode()?));
        Ok(Self { body, signature })
    }

    /// What is decided.
    #[must_use]
    pub const fn kind(&self) -> OrderKind {
        self.body.kind
    }

    /// The group it is about.
    #[must_use]
    pub const fn group_id(&self) -> GroupId {
        self.body.group
    }

    /// The account it is about.
    #[must_use]
    pub const fn target(&self) -> AccountId {
        self.body.target
    }

    /// The account that decided.
    #[must_use]
    pub const fn issuer(&self) -> AccountId {
        self.body.issuer
    }

    /// The head of the issuer when it decided, and its epoch.
    #[must_use]
    pub const fn base(&self) -> (StateId, Epoch) {
        (self.body.base, self.body.base_epoch)
    }

    /// The name of the order: SHA-256 over what is signed, so the same decision has one name whatever its signature.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        let body = self.body.encode().unwrap_or_default();
        Sha256::new()
            .chain_update(b"order1")
            .chain_update(body)
            .finalize()
            .into()
    }

    /// The bytes that travel, fewer than 256.
    ///
    /// # Errors
    /// None that can occur; encoding is fallible by its interface.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        postcard::to_extend(self, vec![VERSION]).map_err(|_| Error::Internal("order"))
    }

    /// Reads an order. Its signature can only be checked against a state: [`Order::verify`].
    ///
    /// # Errors
    /// [`Invalid`] if the bytes are not the one encoding of an order.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > ORDER_LEN_MAX {
            return Err(Invalid::TooLong.into());
        }
        let (version, body) = bytes.split_first().ok_or(Invalid::Malformed)?;
        if *version != VERSION {
            return Err(Invalid::Malformed.into());
        }
        let order: Self = postcard::from_bytes(body).map_err(|_| Invalid::Malformed)?;
        if order.encode()? != bytes {
            return Err(Invalid::Malformed.into());
        }
        Ok(order)
    }

    /// Whether a commit on this state may realise the order (protocol §5.5.4).
    ///
    /// # Errors
    /// [`Refusal::OwnerLeaves`] if the owner would leave others behind; [`Refusal::Order`] if it is of another
    /// group, spent, more than 256 epochs away, about nobody in this state, or not signed by a device of its issuer.
    pub fn verify(&self, parent: &Snapshot) -> Result<(), Error> {
        self.holds_in(parent.public())
    }

    pub(crate) fn holds_in(&self, parent: &PublicState) -> Result<(), Error> {
        let body = &self.body;
        let here = parent.epoch.0;
        let times =
            here.saturating_sub(ORDER_AGE_EPOCHS_MAX)..=here.saturating_add(ORDER_AGE_EPOCHS_MAX);
        let id = self.id();
        let spent = parent
            .data
            .spent_orders
            .iter()
            .any(|(_, other)| *other == id);
        let issuer = parent
            .members
            .iter()
            .find(|member| member.account == body.issuer && member.device == body.issuer_device)
            .ok_or(Refusal::Order)?;
        let may = match body.kind {
            OrderKind::Leave => body.issuer == body.target,
        };
        if body.group != parent.group || spent || !times.contains(&body.base_epoch.0) || !may {
            return Err(Refusal::Order.into());
        }
        verify_device_signature(
            &issuer.signature_key,
            ORDER_LABEL,
            &body.encode()?,
            &self.signature.to_bytes(),
        )
        .map_err(|_| Refusal::Order)?;
        if body.target == parent.data.owner {
            return Err(Refusal::OwnerLeaves.into());
        }
        Ok(())
    }
}

#[cfg(test)]
impl Order {
    /// The order with a changed body, signed anew by any device.
    pub(crate) fn with(&self, device: &Device, change: impl FnOnce(&mut Body)) -> Self {
        let mut body = self.body.clone();
        change(&mut body);
        let signature = Signature::from_bytes(&device.sign(ORDER_LABEL, &body.encode().unwrap()));
        Self { body, signature }
    }
}

impl Body {
    fn encode(&self) -> Result<Vec<u8>, Error> {
        postcard::to_extend(self, vec![VERSION]).map_err(|_| Error::Internal("order"))
    }
}

impl Signature {
    fn from_bytes(bytes: &[u8; 64]) -> Self {
        let mut halves = Self([0; 32], [0; 32]);
        for (to, from) in halves.0.iter_mut().chain(&mut halves.1).zip(bytes) {
            *to = *from;
        }
        halves
    }

    fn to_bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        for (to, from) in bytes.iter_mut().zip(self.0.iter().chain(&self.1)) {
            *to = *from;
        }
        bytes
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("kind", &self.body.kind)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::{AccountKey, Conversation, Core, GroupData};

    fn order() -> Order {
        let device = Device::generate(
            &AccountKey::from_bytes(&[1; 32]),
            &mut ChaCha20Rng::from_seed([1; 32]),
        );
        let core = Core::new(device, [1; 32]).unwrap();
        let data = GroupData::new(core.device().account(), String::new(), Conversation::Group);
        let head = core
            .create_group(GroupId::from_bytes([2; 16]), data)
            .unwrap();
        Order::leave(core.device(), head.snapshot(), [3; 16]).unwrap()
    }

    /// protocol §5.5.1
    #[test]
    fn orders_have_one_encoding_within_the_limit() {
        let order = order();
        let bytes = order.encode().unwrap();
        assert!(bytes.len() <= ORDER_LEN_MAX, "{}", bytes.len());
        assert_eq!(Order::decode(&bytes), Ok(order));
        let malformed = Err(Error::Invalid(Invalid::Malformed));
        assert_eq!(Order::decode(&[]), malformed);
        assert_eq!(Order::decode(&bytes[1..]), malformed);
        assert_eq!(Order::decode(&[bytes.as_slice(), &[0]].concat()), malformed);
        assert_eq!(
            Order::decode(&[&[VERSION + 1], &bytes[1..]].concat()),
            malformed
        );
        assert_eq!(
            Order::decode(&vec![VERSION; ORDER_LEN_MAX + 1]),
            Err(Error::Invalid(Invalid::TooLong))
        );
    }

    #[test]
    fn the_longest_order_fits() {
        let device = Device::with_id(
            &AccountKey::from_bytes(&[1; 32]),
            DeviceId::from_bytes([9; 16]),
            &[4; 32],
        );
        let longest = order().with(&device, |body| body.base_epoch = Epoch(u64::MAX));
        let bytes = longest.encode().unwrap();
        assert!(
            u8::try_from(bytes.len()).is_ok(),
            "its length is one byte in a commit"
        );
        assert_eq!(Order::decode(&bytes), Ok(longest));
    }

    /// protocol §5.5.1
    #[test]
    fn the_name_of_an_order_follows_from_what_is_signed() {
        let device = Device::with_id(
            &AccountKey::from_bytes(&[1; 32]),
            DeviceId::from_bytes([9; 16]),
            &[4; 32],
        );
        let order = order();
        assert_eq!(order.with(&device, |_| {}).id(), order.id());
        assert_ne!(
            order.with(&device, |body| body.nonce = [0; 16]).id(),
            order.id()
        );
    }
}
