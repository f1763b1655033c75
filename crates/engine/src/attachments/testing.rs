//! What tests need to speak as a member that makes things up.

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use sori_mls::GroupId;
use sori_wire::TopicSeed;

use super::Files;
use super::Side;
use super::fetching::{GIVER_AAD, TAKER_AAD};
use super::sealed::FileId;
use super::shelf::{FileRecord, Named};
use super::talk::Talk;
use crate::engine::Engine;
use crate::seal::SealKey;

/// What is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forged {
    Hashes,
    Piece,
    ShortPiece,
}

/// Frames of a giver of the only file here, with something in them that it made up.
pub(crate) fn forge(engine: &Engine, seed: &TopicSeed, what: Forged) -> Vec<Vec<u8>> {
    let id = *engine.files.known.keys().next().unwrap();
    let mut hashes = engine.hashes(&id).unwrap().unwrap();
    if what == Forged::Hashes {
        hashes[0][0] ^= 1;
    }
    let mut sealed = engine.sealed_piece(&id, 0).unwrap().unwrap();
    match what {
        Forged::Hashes => {}
        Forged::Piece => sealed[100] ^= 1,
        Forged::ShortPiece => sealed.truncate(1000),
    }
    let talks = [Talk::Hashes { hashes }, Talk::Piece { index: 0, sealed }];
    let frame = |talk: &Talk| frame(seed, Speaker::Giver, &talk.encode().unwrap());
    talks.iter().map(frame).collect()
}

/// Whose frames these are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Speaker {
    Giver,
    Taker,
}

/// A frame with these bytes in it, under the right key.
pub(crate) fn frame(seed: &TopicSeed, speaker: Speaker, plain: &[u8]) -> Vec<u8> {
    let aad = match speaker {
        Speaker::Giver => GIVER_AAD,
        Speaker::Taker => TAKER_AAD,
    };
    let seal = SealKey::derive(seed.as_bytes(), "file", &[]);
    seal.seal(aad, plain, &mut ChaCha20Rng::from_seed([3; 32]))
        .unwrap()
}

/// What a member may say that keeps to the form and to nothing else; some of it is true of the only file here.
pub(crate) fn any_talk(engine: &Engine) -> impl Strategy<Value = Vec<u8>> + use<> {
    let file = *engine.files.known.keys().next().unwrap();
    let hashes = engine.hashes(&file).unwrap().unwrap();
    let whole = u32::try_from(hashes.len()).unwrap();
    let pieces: Vec<Vec<u8>> = (0..whole)
        .map(|index| engine.sealed_piece(&file, index).unwrap().unwrap())
        .collect();
    let near = prop_oneof![0..whole + 2, any::<u32>()];
    let len = prop_oneof![0_usize..100, 61_400_usize..61_500];
    let talk = prop_oneof![
        Just(Talk::AskHashes),
        Just(Talk::Done),
        (near.clone(), 0_u32..5).prop_map(|(from, count)| Talk::AskPieces { from, count }),
        (0_usize..300, any::<u8>()).prop_map(|(len, byte)| Talk::Hashes {
            hashes: vec![[byte; 32]; len]
        }),
        Just(Talk::Hashes { hashes }),
        (near.clone(), len, any::<u8>()).prop_map(|(index, len, byte)| Talk::Piece {
            index,
            sealed: vec![byte; len]
        }),
        (near, prop::sample::select(pieces))
            .prop_map(|(index, sealed)| Talk::Piece { index, sealed }),
    ];
    prop_oneof![
        9 => talk.prop_map(|talk| talk.encode().unwrap()),
        1 => prop::collection::vec(any::<u8>(), 0..80),
    ]
}

impl Files {
    /// The nonce of a question that was asked.
    pub(crate) fn a_question(&self) -> u64 {
        *self.asked.keys().next().unwrap()
    }

    /// The name of a file that is here.
    pub(crate) fn a_file(&self) -> [u8; 32] {
        self.known.keys().next().unwrap().id.0
    }

    /// As if somebody had named a file with another length than it has.
    pub(crate) fn squat(&mut self, id: [u8; 32], group: GroupId, size: u64) {
        let named = Named {
            id: FileId(id),
            group,
            size,
        };
        let record = FileRecord {
            named,
            message: None,
            have: 0,
            wanted: true,
        };
        self.known.insert(named, (u32::MAX, record));
    }

    /// The seed of the topic on which a file is given.
    pub(crate) fn given_on(&self) -> TopicSeed {
        let mut transfers = self.transfers.values();
        let giving = transfers.find(|one| matches!(one.side, Side::Giving(_)));
        giving.unwrap().seed.clone()
    }

    /// How many answers are planned.
    pub(crate) fn planned(&self) -> usize {
        self.answers.len()
    }
}
