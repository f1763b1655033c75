//! Messages larger than a frame, cut into chunks and put together again.
//!
//! A chunk is `version (1) || object (8) || index (u16) || count (u16) || bytes`, integers in
//! big endian, and fits into one sealed frame. A message has exactly one cut: every chunk but the
//! last is full, the last is not empty. So a message cannot be sent as many tiny chunks that cost
//! their receiver more to keep than their sender to make (protocol §4.2.3).
//!
//! Whoever can seal for a channel can send chunks under somebody else's object id. The first
//! chunk seen for an index stands, so this can spoil a message in transit and never forge one:
//! what a message is worth is judged by whoever takes it, from what is inside.

use std::collections::{BTreeMap, VecDeque};

use thiserror::Error;

use crate::seal::PLAINTEXT_LEN_MAX;

/// Most bytes that a message can have. A sender can make each receiver hold about twice as much.
pub(crate) const MESSAGE_LEN_MAX: usize = 16 * 1024 * 1024;

/// Most bytes of a message that one chunk carries.
pub(crate) const CHUNK_LEN_MAX: usize = PLAINTEXT_LEN_MAX - HEADER_LEN;

/// Unfinished messages kept at a time; one more drops the oldest.
const OPEN_OBJECTS_MAX: usize = 16;
/// Bytes of unfinished messages kept at a time; more drops the oldest.
const OPEN_BYTES_MAX: usize = 2 * MESSAGE_LEN_MAX;
/// Finished messages remembered, so that late copies of their chunks are known as such.
const FINISHED_OBJECTS_MAX: usize = 64;

/// Chunks of the longest message.
const COUNT_MAX: u16 = 257;
const VERSION: u8 = 1;
const HEADER_LEN: usize = 1 + 8 + 2 + 2;

/// The message is longer than [`MESSAGE_LEN_MAX`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the message is too long to send")]
pub(crate) struct MessageTooLong;

/// Cuts `message` into chunks, each at most [`PLAINTEXT_LEN_MAX`] bytes; at least one.
///
/// `object` is random, so that chunks of two messages are not confused.
///
/// # Errors
///
/// [`MessageTooLong`] above [`MESSAGE_LEN_MAX`] bytes.
pub(crate) fn split(message: &[u8], object: [u8; 8]) -> Result<Vec<Vec<u8>>, MessageTooLong> {
    if message.len() > MESSAGE_LEN_MAX {
        return Err(MessageTooLong);
    }
    let pieces = message.len().div_ceil(CHUNK_LEN_MAX).max(1);
    let count = u16::try_from(pieces).map_err(|_| MessageTooLong)?;
    let mut bytes = message.chunks(CHUNK_LEN_MAX);
    // A message of no bytes has no pieces and is one empty chunk all the same.
    let chunks = (0..count).map(|index| {
        let bytes = bytes.next().unwrap_or_default();
        let mut chunk = Vec::with_capacity(HEADER_LEN.saturating_add(bytes.len()));
        chunk.push(VERSION);
        chunk.extend_from_slice(&object);
        chunk.extend_from_slice(&index.to_be_bytes());
        chunk.extend_from_slice(&count.to_be_bytes());
        chunk.extend_from_slice(bytes);
        chunk
    });
    Ok(chunks.collect())
}

/// One well-formed chunk: `index < count`, and as many bytes as the one way to cut has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) object: [u8; 8],
    pub(crate) index: u16,
    pub(crate) count: u16,
    pub(crate) bytes: Vec<u8>,
}

impl Chunk {
    /// Reads a chunk as [`split`] writes it; `None` for anything else.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (object, rest) = rest.split_first_chunk::<8>()?;
        let (index, rest) = rest.split_first_chunk::<2>()?;
        let (count, bytes) = rest.split_first_chunk::<2>()?;
        let (index, count) = (u16::from_be_bytes(*index), u16::from_be_bytes(*count));
        let is_known = *version == VERSION && count <= COUNT_MAX;
        if !is_known || index >= count || bytes.len() > CHUNK_LEN_MAX {
            return None;
        }
        let is_cut_right = match index.checked_add(1)? == count {
            true => index == 0 || !bytes.is_empty(),
            false => bytes.len() == CHUNK_LEN_MAX,
        };
        // For the last chunk this is the length of the message, for others a lower bound of it.
        let len = usize::from(index)
            .checked_mul(CHUNK_LEN_MAX)?
            .checked_add(bytes.len())?;
        (is_cut_right && len <= MESSAGE_LEN_MAX).then(|| Self {
            object: *object,
            index,
            count,
            bytes: bytes.to_vec(),
        })
    }
}

/// Puts messages together again from chunks in any order, within fixed bounds of memory.
#[derive(Default)]
pub(crate) struct Assembler {
    /// Unfinished messages, the oldest first.
    open: VecDeque<OpenObject>,
    open_len: usize,
    /// Finished messages of more than one chunk, the oldest first.
    finished: VecDeque<[u8; 8]>,
}

impl Assembler {
    /// Takes a chunk; the message, if it was the last one missing.
    ///
    /// Chunks seen before, chunks of messages finished lately and chunks whose count differs from
    /// the first one's do nothing. A message of a single chunk is returned whenever it comes.
    pub(crate) fn push(&mut self, chunk: Chunk) -> Option<Vec<u8>> {
        if chunk.count == 1 {
            return Some(chunk.bytes);
        }
        if self.finished.contains(&chunk.object) {
            return None;
        }
        let known = self
            .open
            .iter()
            .position(|open| open.object == chunk.object);
        let position = known.unwrap_or(self.open.len());
        if known.is_none() {
            self.open.push_back(OpenObject::new(&chunk));
        }
        let open = self.open.get_mut(position)?;
        self.open_len = self.open_len.saturating_add(open.insert(chunk));
        if !open.is_complete() {
            self.drop_oldest();
            return None;
        }
        let complete = self.open.remove(position)?;
        self.open_len = self.open_len.saturating_sub(complete.len);
        self.remember_finished(complete.object);
        Some(complete.into_message())
    }

    fn drop_oldest(&mut self) {
        while self.open.len() > OPEN_OBJECTS_MAX || self.open_len > OPEN_BYTES_MAX {
            let dropped_len = self.open.pop_front().map_or(self.open_len, |open| open.len);
            self.open_len = self.open_len.saturating_sub(dropped_len);
        }
    }

    fn remember_finished(&mut self, object: [u8; 8]) {
        if self.finished.len() >= FINISHED_OBJECTS_MAX {
            self.finished.pop_front();
        }
        self.finished.push_back(object);
    }
}

/// A message of which not all chunks are there.
struct OpenObject {
    pub(crate) object: [u8; 8],
    pub(crate) count: u16,
    /// Bytes in `chunks`.
    len: usize,
    chunks: BTreeMap<u16, Vec<u8>>,
}

impl OpenObject {
    const fn new(first: &Chunk) -> Self {
        Self {
            object: first.object,
            count: first.count,
            len: 0,
            chunks: BTreeMap::new(),
        }
    }

    /// Keeps the chunk if it belongs here and is new; how many bytes that added.
    fn insert(&mut self, chunk: Chunk) -> usize {
        if chunk.count != self.count || self.chunks.contains_key(&chunk.index) {
            return 0;
        }
        let added_len = chunk.bytes.len();
        self.len = self.len.saturating_add(added_len);
        self.chunks.insert(chunk.index, chunk.bytes);
        added_len
    }

    fn is_complete(&self) -> bool {
        self.chunks.len() == usize::from(self.count)
    }

    fn into_message(self) -> Vec<u8> {
        let mut message = Vec::with_capacity(self.len);
        for bytes in self.chunks.into_values() {
            message.extend_from_slice(&bytes);
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunks(message: &[u8], object: u8) -> Vec<Chunk> {
        let split = split(message, [object; 8]).unwrap();
        split
            .iter()
            .map(|chunk| Chunk::parse(chunk).unwrap())
            .collect()
    }

    fn message(len: usize) -> Vec<u8> {
        (0..len)
            .map(|index| u8::try_from(index % 251).unwrap())
            .collect()
    }

    /// protocol §4.2.3
    #[test]
    fn lengths_around_a_chunk_and_the_longest_come_back() {
        for (len, count) in [
            (0, 1),
            (1, 1),
            (CHUNK_LEN_MAX, 1),
            (CHUNK_LEN_MAX + 1, 2),
            (2 * CHUNK_LEN_MAX, 2),
            (MESSAGE_LEN_MAX, 257),
        ] {
            let message = message(len);
            assert!(
                split(&message, [1; 8])
                    .unwrap()
                    .iter()
                    .all(|c| c.len() <= PLAINTEXT_LEN_MAX)
            );
            let mut chunks = chunks(&message, 1);
            assert_eq!(chunks.len(), count);
            let last = chunks.pop().unwrap();
            let mut assembler = Assembler::default();
            for chunk in chunks {
                assert_eq!(assembler.push(chunk), None);
            }
            assert_eq!(assembler.push(last), Some(message));
            assert_eq!((assembler.open.len(), assembler.open_len), (0, 0));
        }
        assert_eq!(
            split(&message(MESSAGE_LEN_MAX + 1), [1; 8]),
            Err(MessageTooLong)
        );
    }

    #[test]
    fn duplicates_are_harmless_before_and_after_the_end() {
        let message = message(3 * CHUNK_LEN_MAX);
        let mut assembler = Assembler::default();
        let [first, second, third] = chunks(&message, 1).try_into().unwrap();
        assert_eq!(assembler.push(third.clone()), None);
        assert_eq!(assembler.push(third.clone()), None);
        assert_eq!(assembler.push(first.clone()), None);
        assert_eq!(assembler.push(second), Some(message));
        assert_eq!(assembler.push(first), None);
        assert_eq!(assembler.push(third), None);
        assert_eq!((assembler.open.len(), assembler.open_len), (0, 0));
    }

    #[test]
    fn chunk_with_another_count_changes_nothing() {
        let long = message(3 * CHUNK_LEN_MAX);
        let mut assembler = Assembler::default();
        let mut good = chunks(&long, 1);
        let last = good.pop().unwrap();
        for chunk in good {
            assembler.push(chunk);
        }
        for chunk in chunks(&message(5 * CHUNK_LEN_MAX), 1) {
            assert_eq!(assembler.push(chunk), None);
        }
        assert_eq!(assembler.push(last), Some(long));
    }

    #[test]
    fn the_oldest_unfinished_message_gives_way_to_a_new_one() {
        let long = message(CHUNK_LEN_MAX + 1);
        let mut assembler = Assembler::default();
        for object in 0..=u8::try_from(OPEN_OBJECTS_MAX).unwrap() {
            assembler.push(chunks(&long, object).remove(0));
        }
        assert_eq!(assembler.open.len(), OPEN_OBJECTS_MAX);
        assert_eq!(
            assembler.push(chunks(&long, 1).remove(1)),
            Some(long.clone())
        );
        assert_eq!(assembler.push(chunks(&long, 0).remove(1)), None);
    }

    #[test]
    fn unfinished_messages_never_hold_more_than_their_bytes() {
        let long = message(MESSAGE_LEN_MAX);
        let mut assembler = Assembler::default();
        for object in 0..4 {
            for chunk in chunks(&long, object).into_iter().skip(1) {
                assembler.push(chunk);
                let held: usize = assembler.open.iter().map(|open| open.len).sum();
                assert_eq!(held, assembler.open_len);
                assert!(held <= OPEN_BYTES_MAX);
            }
        }
        assert_eq!(assembler.push(chunks(&long, 3).remove(0)), Some(long));
    }

    /// protocol §4.2.3
    #[test]
    fn chunks_cut_in_another_way_are_refused() {
        let header = |version: u8, index: u16, count: u16, len: usize| {
            let mut bytes = vec![version, 1, 1, 1, 1, 1, 1, 1, 1];
            bytes.extend(index.to_be_bytes());
            bytes.extend(count.to_be_bytes());
            bytes.resize(HEADER_LEN + len, 7);
            Chunk::parse(&bytes).is_some()
        };
        assert_eq!(
            usize::from(COUNT_MAX),
            MESSAGE_LEN_MAX.div_ceil(CHUNK_LEN_MAX)
        );
        assert!(header(1, 0, 1, 0));
        assert!(header(1, 0, 2, CHUNK_LEN_MAX));
        assert!(header(1, 256, 257, MESSAGE_LEN_MAX - 256 * CHUNK_LEN_MAX));
        assert!(!header(2, 0, 1, 0), "another version");
        assert!(!header(1, 0, 0, 0), "no chunks at all");
        assert!(!header(1, 1, 1, 1), "index beyond the count");
        assert!(!header(1, 0, 2, CHUNK_LEN_MAX - 1), "a hole");
        assert!(!header(1, 1, 2, 0), "an empty last chunk");
        assert!(!header(1, 0, 1, CHUNK_LEN_MAX + 1), "more than a chunk");
        assert!(
            !header(1, 256, 257, MESSAGE_LEN_MAX - 256 * CHUNK_LEN_MAX + 1),
            "too long"
        );
        assert!(!header(1, 0, 258, CHUNK_LEN_MAX), "too many");
        assert!(!header(1, 0, u16::MAX, CHUNK_LEN_MAX), "too many");
        assert!(Chunk::parse(&[1; HEADER_LEN - 1]).is_none());
    }

    proptest! {
        #[test]
        fn any_order_gives_the_message(len in 0..400_000_usize, order: u64) {
            let message = message(len);
            let mut chunks = chunks(&message, 1);
            let rotation = usize::try_from(order % 7).unwrap() % chunks.len();
            chunks.rotate_left(rotation);
            if order % 2 == 0 {
                chunks.reverse();
            }
            let mut assembler = Assembler::default();
            let out: Vec<_> = chunks.into_iter().filter_map(|c| assembler.push(c)).collect();
            prop_assert_eq!(out, vec![message]);
        }

        #[test]
        fn garbage_never_panics(garbage in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(chunk) = Chunk::parse(&garbage) {
                Assembler::default().push(chunk);
            }
        }
    }
}
