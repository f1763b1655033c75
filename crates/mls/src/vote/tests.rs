use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::*;
use crate::{AccountKey, Conversation, Core, Device, GroupData, Head, Operation};

fn core(number: u8) -> Core {
    let account = AccountKey::from_bytes(&[number; 32]);
    device_core(&account, number)
}

fn device_core(account: &AccountKey, number: u8) -> Core {
    let device = Device::generate(account, &mut ChaCha20Rng::from_seed([number; 32]));
    Core::new(device, [number; 32]).unwrap()
}

/// A group of one account, and one of it with a second device and another account.
fn states() -> (Core, Core, Core, Head, Head) {
    let ada = core(1);
    let second = device_core(&AccountKey::from_bytes(&[1; 32]), 9);
    let bo = core(2);
    let data = GroupData::new(ada.device().account(), String::new(), Conversation::Group);
    let alone = ada
        .create_group(GroupId::from_bytes([7; 16]), data)
        .unwrap();
    let key_packages = [&second, &bo].map(|core| core.new_key_package().unwrap().bytes);
    let add = Operation::Add {
        key_packages: key_packages.to_vec(),
    };
    let together = alone.commit(&ada, &add).unwrap().child;
    (ada, second, bo, alone, together)
}

fn child(number: u8) -> StateId {
    StateId::from_bytes([number; 32])
}

/// protocol §5.7.3
#[test]
fn one_device_speaks_for_each_account_of_the_parent() {
    let (ada, second, bo, alone, together) = states();
    let (alone, together) = (alone.snapshot().facts(), together.snapshot().facts());
    let refused = Some(Error::Refused(Refusal::NotAllowed));
    assert_eq!(bo.vote(&alone, child(1)).err(), refused);
    assert_eq!(bo.report(&alone, child(1), true).err(), refused);
    assert_eq!(second.vote(&together, child(1)).err(), refused);
    for core in [&ada, &bo] {
        let vote = core.vote(&together, child(1)).unwrap();
        assert_eq!(vote.verify(&together), Ok(()));
        assert_eq!(
            (vote.parent(), vote.child(), vote.account()),
            (together.state(), child(1), core.device().account())
        );
        let parent = vote.parent();
        let elsewhere = Error::NeedsState(NeedsState::OtherParent { parent });
        assert_eq!(vote.verify(&alone).unwrap_err(), elsewhere);
        for ok in [true, false] {
            let report = core.report(&together, child(1), ok).unwrap();
            assert_eq!(report.verify(&together), Ok(()));
            assert_eq!((report.child(), report.is_ok()), (child(1), ok));
        }
    }
    // A report of somebody who is not in the parent, or signed by the account's other device.
    let report = bo.report(&together, child(1), true).unwrap();
    assert_eq!(report.verify(&alone).err(), refused);
    let body = VoteBody {
        group: together.group_id(),
        parent: together.state(),
        child: child(1),
        account: ada.device().account(),
    };
    let by_second = Vote(Signed::new(second.device(), body.clone()).unwrap());
    let invalid = Error::Invalid(Invalid::Signature);
    assert_eq!(by_second.verify(&together).unwrap_err(), invalid);
    let elsewhere = VoteBody {
        group: GroupId::from_bytes([8; 16]),
        ..body
    };
    let elsewhere = Vote(Signed::new(ada.device(), elsewhere).unwrap());
    let other_group = Error::NeedsState(NeedsState::OtherGroup);
    assert_eq!(elsewhere.verify(&together).unwrap_err(), other_group);
}

/// protocol §5.7.1, §5.7.2
#[test]
fn votes_and_reports_have_one_encoding_and_no_other_meaning() {
    let (ada, _, _, alone, _) = states();
    let parent = alone.snapshot().facts();
    let vote = ada.vote(&parent, child(1)).unwrap();
    let report = ada.report(&parent, child(1), false).unwrap();
    let (bytes, report_bytes) = (vote.encode().unwrap(), report.encode().unwrap());
    assert_eq!((bytes.len(), report_bytes.len()), (VOTE_LEN_MAX, 146));
    assert_eq!(Vote::decode(&bytes), Ok(vote.clone()));
    assert_eq!(Report::decode(&report_bytes), Ok(report));
    assert!(Vote::decode(&report_bytes).is_err());
    assert!(Report::decode(&bytes).is_err());
    let too_long = Err(Error::Invalid(Invalid::TooLong));
    assert_eq!(Vote::decode(&[&bytes[..], &[0]].concat()), too_long);
    // A report that is turned round is not one.
    let mut turned = report_bytes;
    turned[81] ^= 1;
    let turned = Report::decode(&turned).unwrap();
    assert!(turned.is_ok() && turned.verify(&parent).is_err());
    assert!(!format!("{vote:?}{turned:?}").contains(&vote.account().to_string()));
}

/// protocol §5.7.1
#[test]
fn two_votes_on_one_parent_are_a_proof_and_nothing_else_is() {
    let (ada, _, bo, alone, together) = states();
    let (first, other) = (alone.snapshot().facts(), together.snapshot().facts());
    let vote = |core: &Core, number| core.vote(&other, child(number)).unwrap();
    assert_eq!(DoubleVote::of(vote(&ada, 1), vote(&ada, 1)), None);
    assert_eq!(DoubleVote::of(vote(&ada, 1), vote(&bo, 2)), None);
    let elsewhere = ada.vote(&first, child(2)).unwrap();
    assert_eq!(DoubleVote::of(vote(&ada, 1), elsewhere), None);
    let proof = DoubleVote::of(vote(&ada, 2), vote(&ada, 1)).unwrap();
    assert_eq!(
        DoubleVote::of(vote(&ada, 1), vote(&ada, 2)),
        Some(proof.clone())
    );
    assert_eq!(proof.account(), ada.device().account());
    assert_eq!(proof.parent(), other.state());
    assert_eq!(proof.verify(&other), Ok(()));
    assert!(proof.verify(&first).is_err());
    let bytes = proof.encode().unwrap();
    assert_eq!(DoubleVote::decode(&bytes), Ok(proof));
    let (a, b) = bytes.split_at(VOTE_LEN_MAX);
    let malformed = Err(Error::Invalid(Invalid::Malformed));
    assert_eq!(DoubleVote::decode(&[b, a].concat()), malformed);
    assert_eq!(DoubleVote::decode(&[a, a].concat()), malformed);
    assert!(DoubleVote::decode(&[]).is_err());
    assert!(DoubleVote::decode(&[&bytes[..], &[0]].concat()).is_err());
}

proptest! {
    /// Whatever arrives is refused or is the one encoding of what was read; nothing panics.
    #[test]
    fn bytes_are_refused_or_mean_one_thing(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(vote) = Vote::decode(&bytes) {
            prop_assert_eq!(vote.encode().unwrap(), bytes.clone());
        }
        if let Ok(report) = Report::decode(&bytes) {
            prop_assert_eq!(report.encode().unwrap(), bytes.clone());
        }
        if let Ok(order) = crate::Order::decode(&bytes) {
            prop_assert_eq!(order.encode().unwrap(), bytes.clone());
        }
        if let Ok(proof) = DoubleVote::decode(&bytes) {
            prop_assert_eq!(proof.encode().unwrap(), bytes);
        }
    }
}

#[test]
fn no_bit_of_a_vote_can_be_changed() {
    let (ada, _, _, alone, _) = states();
    let parent = alone.snapshot().facts();
    let bytes = ada.vote(&parent, child(1)).unwrap().encode().unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let read = Vote::decode(&changed).and_then(|vote| vote.verify(&parent));
        assert!(read.is_err(), "byte {at}");
    }
}
