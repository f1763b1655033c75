//! OpenMLS' storage on a map in memory: one group's rows, and apart from them the rows of no group.
//!
//! Six helpers carry the 53 methods of the trait. A row's key is its kind (one byte) and the postcard form of the
//! key that OpenMLS gives; its value is postcard, except for the join configuration: that type is
//! `serde(untagged)`, which postcard cannot read back, so it is JSON.

use std::cell::RefCell;
use std::collections::BTreeSet;

use openmls_traits::storage::{CURRENT_VERSION, StorageProvider, traits};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::rows::{Changes, RowKind, Rows};
use crate::{GroupId, StateId, StorageFault};

/// Why a row could not be written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RowError {
    /// A value or key does not encode.
    #[error("row cannot be encoded")]
    Encode,
    /// A stored value does not decode.
    #[error("row cannot be decoded")]
    Decode,
    /// The map is in use: two operations at once.
    #[error("rows in use")]
    Busy,
}

/// The rows under one loaded group.
#[derive(Debug, Default)]
pub(crate) struct RowStore(RefCell<Tables>);

#[derive(Debug, Default)]
struct Tables {
    /// The group's rows: what a snapshot consists of.
    group: Rows,
    /// Keys in `group` written or deleted since the last [`RowStore::take_changes`].
    changed: BTreeSet<Vec<u8>>,
    /// KeyPackages and whatever else belongs to no group. Never stored.
    global: Rows,
}

/// Kinds of rows. Numbers are part of the stored format and never reused.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    /// Our own row: format version, group and state.
    Header = 0,
    JoinConfig = 1,
    Tree = 2,
    Context = 3,
    InterimTranscriptHash = 4,
    ConfirmationTag = 5,
    GroupState = 6,
    MessageSecrets = 7,
    ResumptionPsks = 8,
    OwnLeafIndex = 9,
    EpochSecrets = 10,
    OwnLeafNodes = 11,
    ProposalRefs = 12,
    Proposal = 13,
    EpochKeyPairs = 14,
    SignatureKeyPair = 64,
    EncryptionKeyPair = 65,
    KeyPackage = 66,
    Psk = 67,
}

/// Version of the stored format: kinds, keys, encodings, and that of OpenMLS 0.9.
const FORMAT_VERSION: u8 = 1;

impl Kind {
    /// Whether rows of this kind belong to the group and so into snapshots.
    const fn is_of_group(self) -> bool {
        (self as u8) < Self::SignatureKeyPair as u8
    }

    fn key<K: Serialize>(self, key: &K) -> Result<Vec<u8>, RowError> {
        postcard::to_extend(key, vec![self as u8]).map_err(|_| RowError::Encode)
    }
}

impl RowKind {
    /// What the row under this key of [`Rows`] holds.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        let is = |kind: Kind| key.first() == Some(&(kind as u8));
        if is(Kind::Tree) || is(Kind::Context) {
            Self::Public
        } else if is(Kind::MessageSecrets) {
            Self::Ratchet
        } else {
            Self::Secret
        }
    }
}

impl RowStore {
    /// The store of these rows, and the group and state that they are of.
    pub(crate) fn from_rows(rows: Rows) -> Result<(Self, GroupId, StateId), StorageFault> {
        let header = rows
            .get(&[Kind::Header as u8])
            .ok_or(StorageFault::Incomplete)?;
        let (version, header) = header.split_first().ok_or(StorageFault::Corrupt)?;
        if *version != FORMAT_VERSION {
            return Err(StorageFault::NewerVersion);
        }
        let (group, state) = header.split_first_chunk().ok_or(StorageFault::Corrupt)?;
        let (group, state) = (
            GroupId::from_bytes(*group),
            state.try_into().map_err(|_| StorageFault::Corrupt)?,
        );
        let tables = Tables {
            group: rows,
            ..Tables::default()
        };
        Ok((
            Self(RefCell::new(tables)),
            group,
            StateId::from_bytes(state),
        ))
    }

    /// Names what the rows have become, and marks them all as changed: a new state is to be stored whole.
    pub(crate) fn become_state(&self, group: &GroupId, state: &StateId) -> Result<(), RowError> {
        let header = [
            &[FORMAT_VERSION],
            group.as_bytes().as_slice(),
            state.as_bytes(),
        ]
        .concat();
        let mut tables = self.0.try_borrow_mut().map_err(|_| RowError::Busy)?;
        tables.put(Kind::Header, vec![Kind::Header as u8], header);
        tables.changed = tables.group.iter().map(|(key, _)| key.clone()).collect();
        Ok(())
    }

    /// A copy of the group's rows.
    pub(crate) fn rows(&self) -> Rows {
        self.0
            .try_borrow()
            .map(|tables| tables.group.clone())
            .unwrap_or_default()
    }

    /// Rows written or deleted since the last call.
    pub(crate) fn take_changes(&self) -> Changes {
        let Ok(mut tables) = self.0.try_borrow_mut() else {
            return Changes::new();
        };
        let changed = std::mem::take(&mut tables.changed);
        let value_of = |key: &Vec<u8>| tables.group.get(key).map(<[u8]>::to_vec);
        changed
            .into_iter()
            .map(|key| {
                let value = value_of(&key);
                (key, value)
            })
            .collect()
    }

    fn put<K: Serialize, V: Serialize>(
        &self,
        kind: Kind,
        key: &K,
        value: &V,
    ) -> Result<(), RowError> {
        let key = kind.key(key)?;
        let value = encode(kind, value)?;
        self.0
            .try_borrow_mut()
            .map_err(|_| RowError::Busy)?
            .put(kind, key, value);
        Ok(())
    }

    fn get<K: Serialize, V: DeserializeOwned>(
        &self,
        kind: Kind,
        key: &K,
    ) -> Result<Option<V>, RowError> {
        let key = kind.key(key)?;
        let tables = self.0.try_borrow().map_err(|_| RowError::Busy)?;
        tables
            .rows(kind)
            .get(&key)
            .map(|value| decode(kind, value))
            .transpose()
    }

    fn delete<K: Serialize>(&self, kind: Kind, key: &K) -> Result<(), RowError> {
        let key = kind.key(key)?;
        self.0
            .try_borrow_mut()
            .map_err(|_| RowError::Busy)?
            .delete(kind, key);
        Ok(())
    }

    fn append<K: Serialize, V: Serialize>(
        &self,
        kind: Kind,
        key: &K,
        item: &V,
    ) -> Result<(), RowError> {
        let mut list: Vec<Vec<u8>> = self.get(kind, key)?.unwrap_or_default();
        list.push(encode(kind, item)?);
        self.put(kind, key, &list)
    }

    fn list<K: Serialize, V: DeserializeOwned>(
        &self,
        kind: Kind,
        key: &K,
    ) -> Result<Vec<V>, RowError> {
        let list: Vec<Vec<u8>> = self.get(kind, key)?.unwrap_or_default();
        list.iter().map(|item| decode(kind, item)).collect()
    }

    fn remove_from_list<K: Serialize, V: Serialize>(
        &self,
        kind: Kind,
        key: &K,
        item: &V,
    ) -> Result<(), RowError> {
        let item = encode(kind, item)?;
        let mut list: Vec<Vec<u8>> = self.get(kind, key)?.unwrap_or_default();
        list.retain(|other| *other != item);
        match list.is_empty() {
            true => self.delete(kind, key),
            false => self.put(kind, key, &list),
        }
    }
}

impl Tables {
    fn rows(&self, kind: Kind) -> &Rows {
        if kind.is_of_group() {
            &self.group
        } else {
            &self.global
        }
    }

    fn put(&mut self, kind: Kind, key: Vec<u8>, value: Vec<u8>) {
        if kind.is_of_group() {
            self.changed.insert(key.clone());
            self.group.insert(key, value);
        } else {
            self.global.insert(key, value);
        }
    }

    fn delete(&mut self, kind: Kind, key: Vec<u8>) {
        if kind.is_of_group() {
            self.group.remove(&key);
            self.changed.insert(key);
        } else {
            self.global.remove(&key);
        }
    }
}

fn encode<V: Serialize>(kind: Kind, value: &V) -> Result<Vec<u8>, RowError> {
    if matches!(kind, Kind::JoinConfig) {
        return serde_json::to_vec(value).map_err(|_| RowError::Encode);
    }
    postcard::to_allocvec(value).map_err(|_| RowError::Encode)
}

fn decode<V: DeserializeOwned>(kind: Kind, value: &[u8]) -> Result<V, RowError> {
    if matches!(kind, Kind::JoinConfig) {
        return serde_json::from_slice(value).map_err(|_| RowError::Decode);
    }
    postcard::from_bytes(value).map_err(|_| RowError::Decode)
}

/// Methods that write one value under one key: `method<type parameters>(key, value) => kind`.
macro_rules! writers {
    ($($name:ident<$($generic:ident: $bound:ident),*>($key:ident, $value:ident) => $kind:ident;)*) => {$(
        fn $name<$($generic: traits::$bound<CURRENT_VERSION>),*>(
            &self, key: &$key, value: &$value,
        ) -> Result<(), RowError> {
            self.put(Kind::$kind, key, value)
        }
    )*};
}

/// Methods that read one value under one key.
macro_rules! readers {
    ($($name:ident<$($generic:ident: $bound:ident),*>($key:ident) -> $value:ident => $kind:ident;)*) => {$(
        fn $name<$($generic: traits::$bound<CURRENT_VERSION>),*>(
            &self, key: &$key,
        ) -> Result<Option<$value>, RowError> {
            self.get(Kind::$kind, key)
        }
    )*};
}

/// Methods that delete what is under one key.
macro_rules! deleters {
    ($($name:ident<$generic:ident> => $kind:ident;)*) => {$(
        fn $name<K: traits::$generic<CURRENT_VERSION>>(&self, key: &K) -> Result<(), RowError> {
            self.delete(Kind::$kind, key)
        }
    )*};
}

impl StorageProvider<CURRENT_VERSION> for RowStore {
    type Error = RowError;

    writers! {
        write_mls_join_config<G: GroupId, V: MlsGroupJoinConfig>(G, V) => JoinConfig;
        write_tree<G: GroupId, V: TreeSync>(G, V) => Tree;
        write_interim_transcript_hash<G: GroupId, V: InterimTranscriptHash>(G, V) => InterimTranscriptHash;
        write_context<G: GroupId, V: GroupContext>(G, V) => Context;
        write_confirmation_tag<G: GroupId, V: ConfirmationTag>(G, V) => ConfirmationTag;
        write_group_state<V: GroupState, G: GroupId>(G, V) => GroupState;
        write_message_secrets<G: GroupId, V: MessageSecrets>(G, V) => MessageSecrets;
        write_resumption_psk_store<G: GroupId, V: ResumptionPskStore>(G, V) => ResumptionPsks;
        write_own_leaf_index<G: GroupId, V: LeafNodeIndex>(G, V) => OwnLeafIndex;
        write_group_epoch_secrets<G: GroupId, V: GroupEpochSecrets>(G, V) => EpochSecrets;
        write_signature_key_pair<K: SignaturePublicKey, V: SignatureKeyPair>(K, V) => SignatureKeyPair;
        write_encryption_key_pair<K: EncryptionKey, V: HpkeKeyPair>(K, V) => EncryptionKeyPair;
        write_key_package<K: HashReference, V: KeyPackage>(K, V) => KeyPackage;
        write_psk<K: PskId, V: PskBundle>(K, V) => Psk;
    }

    readers! {
        mls_group_join_config<G: GroupId, V: MlsGroupJoinConfig>(G) -> V => JoinConfig;
        tree<G: GroupId, V: TreeSync>(G) -> V => Tree;
        group_context<G: GroupId, V: GroupContext>(G) -> V => Context;
        interim_transcript_hash<G: GroupId, V: InterimTranscriptHash>(G) -> V => InterimTranscriptHash;
        confirmation_tag<G: GroupId, V: ConfirmationTag>(G) -> V => ConfirmationTag;
        group_state<V: GroupState, G: GroupId>(G) -> V => GroupState;
        message_secrets<G: GroupId, V: MessageSecrets>(G) -> V => MessageSecrets;
        resumption_psk_store<G: GroupId, V: ResumptionPskStore>(G) -> V => ResumptionPsks;
        own_leaf_index<G: GroupId, V: LeafNodeIndex>(G) -> V => OwnLeafIndex;
        group_epoch_secrets<G: GroupId, V: GroupEpochSecrets>(G) -> V => EpochSecrets;
        signature_key_pair<K: SignaturePublicKey, V: SignatureKeyPair>(K) -> V => SignatureKeyPair;
        encryption_key_pair<V: HpkeKeyPair, K: EncryptionKey>(K) -> V => EncryptionKeyPair;
        key_package<K: HashReference, V: KeyPackage>(K) -> V => KeyPackage;
        psk<V: PskBundle, K: PskId>(K) -> V => Psk;
    }

    deleters! {
        delete_own_leaf_nodes<GroupId> => OwnLeafNodes;
        delete_group_config<GroupId> => JoinConfig;
        delete_tree<GroupId> => Tree;
        delete_confirmation_tag<GroupId> => ConfirmationTag;
        delete_group_state<GroupId> => GroupState;
        delete_context<GroupId> => Context;
        delete_interim_transcript_hash<GroupId> => InterimTranscriptHash;
        delete_message_secrets<GroupId> => MessageSecrets;
        delete_all_resumption_psk_secrets<GroupId> => ResumptionPsks;
        delete_own_leaf_index<GroupId> => OwnLeafIndex;
        delete_group_epoch_secrets<GroupId> => EpochSecrets;
        delete_signature_key_pair<SignaturePublicKey> => SignatureKeyPair;
        delete_encryption_key_pair<EncryptionKey> => EncryptionKeyPair;
        delete_key_package<HashReference> => KeyPackage;
        delete_psk<PskId> => Psk;
    }

    fn append_own_leaf_node<
        G: traits::GroupId<CURRENT_VERSION>,
        V: traits::LeafNode<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        node: &V,
    ) -> Result<(), RowError> {
        self.append(Kind::OwnLeafNodes, group, node)
    }

    fn own_leaf_nodes<G: traits::GroupId<CURRENT_VERSION>, V: traits::LeafNode<CURRENT_VERSION>>(
        &self,
        group: &G,
    ) -> Result<Vec<V>, RowError> {
        self.list(Kind::OwnLeafNodes, group)
    }

    fn write_encryption_epoch_key_pairs<
        G: traits::GroupId<CURRENT_VERSION>,
        E: traits::EpochKey<CURRENT_VERSION>,
        V: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
        pairs: &[V],
    ) -> Result<(), RowError> {
        self.put(Kind::EpochKeyPairs, &(group, epoch, leaf), &pairs)
    }

    fn encryption_epoch_key_pairs<
        G: traits::GroupId<CURRENT_VERSION>,
        E: traits::EpochKey<CURRENT_VERSION>,
        V: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<Vec<V>, RowError> {
        Ok(self
            .get(Kind::EpochKeyPairs, &(group, epoch, leaf))?
            .unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<
        G: traits::GroupId<CURRENT_VERSION>,
        E: traits::EpochKey<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<(), RowError> {
        self.delete(Kind::EpochKeyPairs, &(group, epoch, leaf))
    }

    fn queue_proposal<
        G: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
        V: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        reference: &R,
        proposal: &V,
    ) -> Result<(), RowError> {
        self.put(Kind::Proposal, &(group, reference), proposal)?;
        self.append(Kind::ProposalRefs, group, reference)
    }

    fn queued_proposal_refs<
        G: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
    ) -> Result<Vec<R>, RowError> {
        self.list(Kind::ProposalRefs, group)
    }

    fn queued_proposals<
        G: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
        V: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
    ) -> Result<Vec<(R, V)>, RowError> {
        let references: Vec<R> = self.list(Kind::ProposalRefs, group)?;
        let with_proposal = |reference: R| {
            let proposal = self
                .get(Kind::Proposal, &(group, &reference))?
                .ok_or(RowError::Decode)?;
            Ok((reference, proposal))
        };
        references.into_iter().map(with_proposal).collect()
    }

    fn remove_proposal<
        G: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        reference: &R,
    ) -> Result<(), RowError> {
        self.remove_from_list(Kind::ProposalRefs, group, reference)?;
        self.delete(Kind::Proposal, &(group, reference))
    }

    /// Deletes the bodies too, not just the list.
    fn clear_proposal_queue<
        G: traits::GroupId<CURRENT_VERSION>,
        R: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
    ) -> Result<(), RowError> {
        let references: Vec<R> = self.list(Kind::ProposalRefs, group)?;
        for reference in references {
            self.delete(Kind::Proposal, &(group, reference))?;
        }
        self.delete(Kind::ProposalRefs, group)
    }
}

#[cfg(test)]
mod methods;

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds() -> impl Iterator<Item = Kind> {
        use Kind as K;
        [
            K::Tree,
            K::MessageSecrets,
            K::OwnLeafNodes,
            K::EpochKeyPairs,
            K::KeyPackage,
            K::Psk,
        ]
        .into_iter()
    }

    #[test]
    fn what_is_put_is_there_until_it_is_deleted() {
        let store = RowStore::default();
        for kind in kinds() {
            assert_eq!(store.get::<_, u32>(kind, &7_u8), Ok(None));
            store.put(kind, &7_u8, &1_u32).unwrap();
            store.put(kind, &7_u8, &2_u32).unwrap();
            assert_eq!(store.get(kind, &7_u8), Ok(Some(2_u32)));
            assert_eq!(store.get::<_, u32>(kind, &8_u8), Ok(None));
            store.delete(kind, &7_u8).unwrap();
            assert_eq!(store.get::<_, u32>(kind, &7_u8), Ok(None));
        }
        let tables = store.0.into_inner();
        assert!(
            tables.group.is_empty() && tables.global.is_empty(),
            "deleting leaves nothing"
        );
    }

    #[test]
    fn lists_grow_and_shrink_by_item() {
        let store = RowStore::default();
        for item in [1_u32, 2, 3, 2] {
            store.append(Kind::OwnLeafNodes, &1_u8, &item).unwrap();
        }
        assert_eq!(
            store.list(Kind::OwnLeafNodes, &1_u8),
            Ok(vec![1_u32, 2, 3, 2])
        );
        store
            .remove_from_list(Kind::OwnLeafNodes, &1_u8, &2_u32)
            .unwrap();
        assert_eq!(store.list(Kind::OwnLeafNodes, &1_u8), Ok(vec![1_u32, 3]));
        assert_eq!(store.list::<_, u32>(Kind::OwnLeafNodes, &2_u8), Ok(vec![]));
    }

    #[test]
    fn changes_name_rows_of_the_group_once() {
        let store = RowStore::default();
        store.put(Kind::Tree, &1_u8, &1_u8).unwrap();
        store.put(Kind::KeyPackage, &1_u8, &1_u8).unwrap();
        store.delete(Kind::Context, &1_u8).unwrap();
        let (tree, context) = (vec![Kind::Tree as u8, 1], vec![Kind::Context as u8, 1]);
        assert_eq!(
            store.take_changes(),
            Changes::from([(tree, Some(vec![1])), (context, None)])
        );
        assert!(store.take_changes().is_empty());
    }

    #[test]
    fn rows_name_their_version_group_and_state() {
        let (group, state) = (GroupId::from_bytes([1; 16]), StateId::from_bytes([2; 32]));
        let store = RowStore::default();
        store.become_state(&group, &state).unwrap();
        let rows = store.rows();
        let (_, found_group, found_state) = RowStore::from_rows(rows.clone()).unwrap();
        assert_eq!((found_group, found_state), (group, state));
        let with_header = |header: Vec<u8>| {
            let mut rows = rows.clone();
            rows.insert(vec![Kind::Header as u8], header);
            RowStore::from_rows(rows).unwrap_err()
        };
        assert_eq!(with_header(vec![]), StorageFault::Corrupt);
        assert_eq!(with_header(vec![FORMAT_VERSION; 48]), StorageFault::Corrupt);
        assert_eq!(
            with_header(vec![FORMAT_VERSION + 1; 49]),
            StorageFault::NewerVersion
        );
        assert_eq!(
            RowStore::from_rows(Rows::default()).unwrap_err(),
            StorageFault::Incomplete
        );
    }
}
