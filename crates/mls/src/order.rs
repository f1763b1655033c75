//! Orders: decisions that are objects of their own, signed by who decides, for others to carry into a commit.
//!
//! An order outlives the race of commits: whichever branch wins, the next commit on it can realise what was decided.
//! A member cannot commit its own removal (RFC 9420 §12.4), so leaving is an order, too.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::limits::{ORDER_AGE_EPOCHS_MAX, ORDER_LEN_MAX};
use crate::public::PublicState;
use crate::signed::Signed;
use crate::{
    AccountId, Device, DeviceId, Epoch, Error, GroupData, GroupId, Member, Refusal, Role, Snapshot,
    StateId, roles,
};

/// What an order decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum OrderKind {
    /// The target leaves the group with all its devices; only the target itself can order that.
    Leave,
    /// The target is removed with all its devices; only who outranks it can order that.
    Remove,
    /// The target, an admin, becomes a member; only who outranks it can order that.
    Demote,
}

/// A signed decision about a group.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order(Signed<Body>);

/// The signed part.
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

impl crate::signed::Body for Body {
    const LABEL: &'static [u8] = b"order-v1";
    const LEN_MAX: usize = ORDER_LEN_MAX;
}

impl Order {
    /// Signs what this device decides about an account. `base` is the state the device sees as the head.
    pub(crate) fn new(
        device: &Device,
        kind: OrderKind,
        target: AccountId,
        base: &Snapshot,
        nonce: [u8; 16],
    ) -> Result<Self, Error> {
        let body = Body {
            kind,
            group: base.group_id(),
            target,
            issuer: device.account(),
            issuer_device: device.id(),
            base: base.state(),
            base_epoch: base.epoch(),
            nonce,
        };
        Signed::new(device, body).map(Self)
    }

    /// What is decided.
    #[must_use]
    pub const fn kind(&self) -> OrderKind {
        self.0.body.kind
    }

    /// The group it is about.
    #[must_use]
    pub const fn group_id(&self) -> GroupId {
        self.0.body.group
    }

    /// The account it is about.
    #[must_use]
    pub const fn target(&self) -> AccountId {
        self.0.body.target
    }

    /// The account that decided.
    #[must_use]
    pub const fn issuer(&self) -> AccountId {
        self.0.body.issuer
    }

    /// The head of the issuer when it decided, and its epoch.
    #[must_use]
    pub const fn base(&self) -> (StateId, Epoch) {
        (self.0.body.base, self.0.body.base_epoch)
    }

    /// Whether it takes the target out of the group.
    pub(crate) const fn removes(&self) -> bool {
        matches!(self.kind(), OrderKind::Leave | OrderKind::Remove)
    }

    /// Whether a commit on a state of this epoch that realises it comes before others. Not so an order of a later
    /// epoch: else anybody could go back and decide anew with it.
    pub(crate) fn has_priority(&self, epoch: Epoch) -> bool {
        self.kind() != OrderKind::Leave && self.0.body.base_epoch <= epoch
    }

    /// The name of the order: SHA-256 over what is signed, so the same decision has one name whatever its signature.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        let body = self.0.signed_bytes().unwrap_or_default();
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
        self.0.encode()
    }

    /// Reads an order. Its signature can only be checked against a state: [`Order::verify`].
    ///
    /// # Errors
    /// [`Invalid`](crate::Invalid) if the bytes are not the one encoding of an order.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Signed::decode(bytes).map(Self)
    }

    /// Whether a commit on this state may realise the order (protocol §5.5.4).
    ///
    /// # Errors
    /// [`Refusal::OwnerLeaves`] if the owner would leave others behind; [`Refusal::NotAllowed`] and
    /// [`Refusal::Outranked`] if the issuer may not decide that about the target here; [`Refusal::Order`] if it is of
    /// another group, spent, more than 256 epochs away, about nobody in this state, or not signed by a device of its
    /// issuer in this state.
    pub fn verify(&self, parent: &Snapshot) -> Result<(), Error> {
        self.holds_in(parent.public())
    }

    pub(crate) fn holds_in(&self, parent: &PublicState) -> Result<(), Error> {
        let role = parent.role_of(&self.target()).ok_or(Refusal::Order)?;
        if self.kind() == OrderKind::Demote && role == Role::Member {
            return Err(Refusal::Order.into());
        }
        self.holds_among(parent.group, parent.epoch, &parent.data, &parent.members)
    }

    /// Whether it holds in a state, apart from the target being there: `devices` has those of the issuer at least.
    pub(crate) fn holds_among(
        &self,
        group: GroupId,
        epoch: Epoch,
        data: &GroupData,
        devices: &[Member],
    ) -> Result<(), Error> {
        let body = &self.0.body;
        let times = epoch.0.saturating_sub(ORDER_AGE_EPOCHS_MAX)
            ..=epoch.0.saturating_add(ORDER_AGE_EPOCHS_MAX);
        let spent = data.is_spent(self);
        let issuer = devices
            .iter()
            .find(|member| member.account == body.issuer && member.device == body.issuer_device)
            .ok_or(Refusal::Order)?;
        if body.group != group || spent || !times.contains(&body.base_epoch.0) {
            return Err(Refusal::Order.into());
        }
        self.0
            .verify(&issuer.signature_key)
            .map_err(|_| Refusal::Order)?;
        match body.kind {
            OrderKind::Leave if body.issuer != body.target => Err(Refusal::Order.into()),
            OrderKind::Leave if body.target == data.owner => Err(Refusal::OwnerLeaves.into()),
            OrderKind::Leave => Ok(()),
            OrderKind::Remove | OrderKind::Demote if crate::broken!("skip policy") => Ok(()),
            OrderKind::Remove | OrderKind::Demote => {
                Ok(roles::check_outranks(data, &body.issuer, &body.target)?)
            }
        }
    }
}

#[cfg(test)]
impl Order {
    /// An order by any device about anything.
    pub(crate) fn any(device: &Device, body: Body) -> Self {
        Self(Signed::new(device, body).unwrap())
    }

    /// The order with a changed body, signed anew by any device.
    pub(crate) fn with(&self, device: &Device, change: impl FnOnce(&mut Body)) -> Self {
        let mut body = self.0.body.clone();
        change(&mut body);
        Self(Signed::new(device, body).unwrap())
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::{AccountKey, Conversation, Core, Invalid};

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
        Order::new(
            core.device(),
            OrderKind::Leave,
            core.device().account(),
            head.snapshot(),
            [3; 16],
        )
        .unwrap()
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
        assert_eq!(Order::decode(&[&[2], &bytes[1..]].concat()), malformed);
        assert_eq!(
            Order::decode(&vec![1; ORDER_LEN_MAX + 1]),
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
