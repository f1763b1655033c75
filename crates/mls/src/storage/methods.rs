//! Each of the 53 methods of the storage trait, family by family: what is written is read, is
//! kept apart from everything else, and is gone with every byte when it is deleted.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "the macro counts, and clippy does not see that it is in a test"
)]

use openmls_traits::storage::{CURRENT_VERSION as V, Entity, Key, StorageProvider as _, traits};
use serde::{Deserialize, Serialize};

use super::*;

/// Any key and any value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Any(u32);

impl Key<V> for Any {}
impl Entity<V> for Any {}

macro_rules! is_any {
    ($($name:ident)*) => {$(impl traits::$name<V> for Any {})*};
}

is_any! {
    GroupId SignaturePublicKey HashReference PskId EncryptionKey EpochKey QueuedProposal TreeSync GroupContext
    InterimTranscriptHash ConfirmationTag SignatureKeyPair PskBundle HpkeKeyPair GroupState GroupEpochSecrets
    LeafNodeIndex MessageSecrets ResumptionPskStore KeyPackage MlsGroupJoinConfig LeafNode ProposalRef
}

fn is_empty(store: &RowStore) -> bool {
    let tables = store.0.borrow();
    tables.group.is_empty() && tables.global.is_empty()
}

/// Write, read and delete of one value under one key, for each kind that has them; how many methods that is.
macro_rules! single_values {
    ($store:ident; $($write:ident $read:ident $delete:ident;)*) => {{
        let (one, two) = (Any(1), Any(2));
        // All at once, each with another value, so that kinds which share rows would show.
        let mut written = 0;
        $(
            written += 1;
            $store.$write(&one, &Any(0)).unwrap();
            $store.$write(&one, &Any(written)).unwrap();
            assert_eq!($store.$read::<Any, Any>(&two).unwrap(), None);
        )*
        let mut read = 0;
        $(
            read += 1;
            assert_eq!($store.$read(&one).unwrap(), Some(Any(read)), stringify!($read));
            $store.$delete(&two).unwrap();
            assert!($store.$read::<Any, Any>(&one).unwrap().is_some());
            $store.$delete(&one).unwrap();
            assert_eq!($store.$read::<Any, Any>(&one).unwrap(), None);
            $store.$delete(&one).unwrap();
        )*
        let methods = 3 * read;
        methods
    }};
}

#[test]
fn values_of_a_group_are_read_as_written_and_leave_nothing() {
    let store = RowStore::default();
    let methods = single_values! { store;
        write_mls_join_config mls_group_join_config delete_group_config;
        write_tree tree delete_tree;
        write_interim_transcript_hash interim_transcript_hash delete_interim_transcript_hash;
        write_context group_context delete_context;
        write_confirmation_tag confirmation_tag delete_confirmation_tag;
        write_group_state group_state delete_group_state;
        write_message_secrets message_secrets delete_message_secrets;
        write_resumption_psk_store resumption_psk_store delete_all_resumption_psk_secrets;
        write_own_leaf_index own_leaf_index delete_own_leaf_index;
        write_group_epoch_secrets group_epoch_secrets delete_group_epoch_secrets;
    };
    assert_eq!(methods, 30);
    assert!(is_empty(&store));
}

#[test]
fn values_of_no_group_are_read_as_written_and_leave_nothing() {
    let store = RowStore::default();
    let methods = single_values! { store;
        write_signature_key_pair signature_key_pair delete_signature_key_pair;
        write_encryption_key_pair encryption_key_pair delete_encryption_key_pair;
        write_key_package key_package delete_key_package;
        write_psk psk delete_psk;
    };
    assert_eq!(methods, 12);
    assert!(is_empty(&store));
}

#[test]
fn values_of_no_group_are_never_among_what_is_to_be_stored() {
    let store = RowStore::default();
    store.write_key_package(&Any(1), &Any(1)).unwrap();
    store.write_signature_key_pair(&Any(1), &Any(1)).unwrap();
    store.write_encryption_key_pair(&Any(1), &Any(1)).unwrap();
    store.write_psk(&Any(1), &Any(1)).unwrap();
    assert!(store.rows().is_empty());
    assert!(store.take_changes().is_empty());
}

/// append_own_leaf_node, own_leaf_nodes, delete_own_leaf_nodes.
#[test]
fn own_leaf_nodes_are_listed_in_order_and_leave_nothing() {
    let store = RowStore::default();
    let list = |group: u32| -> Vec<Any> { store.own_leaf_nodes(&Any(group)).unwrap() };
    for node in [5, 6, 5] {
        store.append_own_leaf_node(&Any(1), &Any(node)).unwrap();
    }
    assert_eq!(list(1), [Any(5), Any(6), Any(5)]);
    assert_eq!(list(2), []);
    store.delete_own_leaf_nodes(&Any(1)).unwrap();
    assert_eq!(list(1), []);
    assert!(is_empty(&store));
}

/// write_encryption_epoch_key_pairs, encryption_epoch_key_pairs, delete_encryption_epoch_key_pairs.
#[test]
fn key_pairs_of_an_epoch_are_apart_by_group_epoch_and_leaf_and_leave_nothing() {
    let store = RowStore::default();
    let places = [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)];
    let read = |(group, epoch, leaf)| -> Vec<Any> {
        let (group, epoch) = (Any(group), Any(epoch));
        store
            .encryption_epoch_key_pairs(&group, &epoch, leaf)
            .unwrap()
    };
    for (number, (group, epoch, leaf)) in (10..).zip(places) {
        let pairs = [Any(number), Any(number + 100)];
        let (group, epoch) = (Any(group), Any(epoch));
        store
            .write_encryption_epoch_key_pairs(&group, &epoch, leaf, &pairs)
            .unwrap();
    }
    for (number, (group, epoch, leaf)) in (10..).zip(places) {
        let place = (group, epoch, leaf);
        assert_eq!(read(place), [Any(number), Any(number + 100)]);
        let (group, epoch) = (Any(group), Any(epoch));
        store
            .delete_encryption_epoch_key_pairs(&group, &epoch, leaf)
            .unwrap();
        assert_eq!(read(place), []);
    }
    assert!(is_empty(&store));
}

/// queue_proposal, queued_proposal_refs, queued_proposals, remove_proposal, clear_proposal_queue.
#[test]
fn queued_proposals_go_one_by_one_or_all_at_once_and_leave_nothing() {
    let store = RowStore::default();
    let (group, other) = (Any(1), Any(2));
    let refs = |group: &Any| -> Vec<Any> { store.queued_proposal_refs(group).unwrap() };
    let queue = |group: &Any| -> Vec<(Any, Any)> { store.queued_proposals(group).unwrap() };
    for n in 1..4 {
        store.queue_proposal(&group, &Any(n), &Any(n + 10)).unwrap();
    }
    store.queue_proposal(&other, &Any(1), &Any(7)).unwrap();
    assert_eq!(refs(&group), [Any(1), Any(2), Any(3)]);
    store.remove_proposal(&group, &Any(2)).unwrap();
    assert_eq!(queue(&group), [(Any(1), Any(11)), (Any(3), Any(13))]);
    store.clear_proposal_queue::<Any, Any>(&group).unwrap();
    assert_eq!((refs(&group), queue(&group)), (vec![], vec![]));
    assert_eq!(queue(&other), [(Any(1), Any(7))]);
    store.remove_proposal(&other, &Any(1)).unwrap();
    assert!(is_empty(&store));
}
