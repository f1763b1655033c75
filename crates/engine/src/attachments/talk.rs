//! What two members say to each other when one gives a file to the other (protocol §9.5).

use serde::{Deserialize, Serialize};

use super::sealed::{PIECE_LEN, PieceHash};

/// Most pieces that may be asked for at a time: what is on its way is less than a relay queues for an
/// attachment.
pub(crate) const WINDOW: u32 = 3;
/// Most hashes in one message: those of the longest file.
const HASHES_MAX: usize = 274;
/// Bytes of a sealed piece at most.
const SEALED_LEN_MAX: usize = PIECE_LEN + 16;

/// One message on the one-time topic. The order of the variants is their number on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Talk {
    /// To the giver: the hashes of all pieces, please.
    AskHashes,
    /// To the giver: at most [`WINDOW`] pieces from this one on, please.
    AskPieces { from: u32, count: u32 },
    /// To the taker: the hashes of all pieces, in order.
    Hashes { hashes: Vec<PieceHash> },
    /// To the taker: a sealed piece.
    Piece { index: u32, sealed: Vec<u8> },
    /// To the giver: I have everything.
    Done,
}

impl Talk {
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        postcard::to_allocvec(self).ok()
    }

    /// The message in these bytes, all of them, within the limits.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (talk, rest) = postcard::take_from_bytes::<Self>(bytes).ok()?;
        let is_within = match &talk {
            Self::AskPieces { count, .. } => (1..=WINDOW).contains(count),
            Self::Hashes { hashes } => (1..=HASHES_MAX).contains(&hashes.len()),
            Self::Piece { sealed, .. } => sealed.len() <= SEALED_LEN_MAX,
            Self::AskHashes | Self::Done => true,
        };
        (rest.is_empty() && is_within).then_some(talk)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seal::PLAINTEXT_LEN_MAX;

    /// protocol §9.5
    #[test]
    fn the_longest_messages_fit_into_a_frame_and_longer_ones_are_refused() {
        let piece = |len| Talk::Piece {
            index: u32::MAX,
            sealed: vec![7; len],
        };
        let hashes = |len| Talk::Hashes {
            hashes: vec![[7; 32]; len],
        };
        for longest in [piece(SEALED_LEN_MAX), hashes(HASHES_MAX)] {
            let bytes = longest.encode().unwrap();
            assert!(bytes.len() <= PLAINTEXT_LEN_MAX);
            assert_eq!(Talk::decode(&bytes), Some(longest));
        }
        for wrong in [
            piece(SEALED_LEN_MAX + 1),
            hashes(HASHES_MAX + 1),
            hashes(0),
            Talk::AskPieces { from: 0, count: 0 },
            Talk::AskPieces { from: 0, count: 4 },
        ] {
            assert_eq!(Talk::decode(&wrong.encode().unwrap()), None);
        }
        let mut trailing = Talk::Done.encode().unwrap();
        trailing.push(0);
        assert_eq!(Talk::decode(&trailing), None);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(garbage in prop::collection::vec(any::<u8>(), 0..200)) {
            let _anything = Talk::decode(&garbage);
        }
    }
}
