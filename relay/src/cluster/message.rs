//! What a relay publishes on the subject of a topic, as bytes.
//!
//! ```text
//! node (16) | counter (8) | sealed under the epoch: flags (1) | before (8) | attachments (4) |
//!                                                   frames, each as length (4) and bytes
//! ```
//!
//! Numbers are big-endian. *counter* counts everything that the node publishes; *before* is that of
//! what it published before on this topic, 0 for the first, so that a loss shows.

use sori_wire::limits::FRAME_LEN_MAX;
use zeroize::Zeroizing;

use super::control::Reader;
use super::epoch::{Epoch, NodeId, Tag};

/// What is said about a topic by one relay to the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// Its own counter in the message before on this topic.
    pub(super) before: u64,
    /// Attachments of the topic at this relay.
    pub(super) attachments: u32,
    pub(super) notes: Notes,
}

/// What else a message says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Notes {
    /// Frames before this were lost at the sender.
    pub(super) lost: bool,
    /// The sender is new here and wants to know who is there.
    pub(super) asks: bool,
}

/// A message that was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) from: NodeId,
    pub(super) counter: u64,
    pub(super) header: Header,
    plaintext: Zeroizing<Vec<u8>>,
}

/// Writes and seals a message. `None` if it is longer than any may be.
pub(super) fn seal<'a>(
    epoch: &Epoch,
    tag: Tag,
    from: NodeId,
    counter: u64,
    header: Header,
    frames: impl Iterator<Item = &'a [u8]> + Clone,
) -> Option<Vec<u8>> {
    let lens = frames.clone().map(|frame| frame.len().saturating_add(4));
    let len = lens.fold(HEADER_LEN, usize::saturating_add);
    if len > PLAINTEXT_LEN_MAX {
        return None;
    }
    let mut plaintext = Zeroizing::new(Vec::with_capacity(len));
    let lost = if header.notes.lost { LOST } else { 0 };
    let asks = if header.notes.asks { ASKS } else { 0 };
    plaintext.push(lost | asks);
    plaintext.extend_from_slice(&header.before.to_be_bytes());
    plaintext.extend_from_slice(&header.attachments.to_be_bytes());
    for frame in frames {
        let len = u32::try_from(frame.len()).ok()?;
        plaintext.extend_from_slice(&len.to_be_bytes());
        plaintext.extend_from_slice(frame);
    }
    let sealed = epoch.seal(tag, from, counter, &plaintext)?;
    Some([from.0.as_slice(), &counter.to_be_bytes(), &sealed].concat())
}

/// Opens a message and looks at all of it. `None` if it is by nobody who holds the epoch, or is no
/// such message.
pub(super) fn open(epoch: &Epoch, tag: Tag, bytes: &[u8]) -> Option<Opened> {
    if bytes.len() > BUS_MESSAGE_LEN_MAX {
        return None;
    }
    let mut rest = Reader(bytes);
    let from = NodeId(rest.array()?);
    let counter = u64::from_be_bytes(rest.array()?);
    let plaintext = epoch.open(tag, from, counter, rest.0)?;
    let mut rest = Reader(&plaintext);
    let [flags] = rest.array()?;
    let header = Header {
        before: u64::from_be_bytes(rest.array()?),
        attachments: u32::from_be_bytes(rest.array()?),
        notes: Notes {
            lost: flags & LOST != 0,
            asks: flags & ASKS != 0,
        },
    };
    while !rest.0.is_empty() {
        next_frame(&mut rest)?;
    }
    Some(Opened {
        from,
        counter,
        header,
        plaintext,
    })
}

impl Opened {
    /// The frames, in order.
    pub(super) fn frames(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = Reader(self.plaintext.get(HEADER_LEN..).unwrap_or_default());
        std::iter::from_fn(move || next_frame(&mut rest))
    }
}

fn next_frame<'a>(rest: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = usize::try_from(u32::from_be_bytes(rest.array()?)).ok()?;
    if len > FRAME_LEN_MAX {
        return None;
    }
    rest.bytes(len)
}

const LOST: u8 = 1;
const ASKS: u8 = 2;

/// Flags, counter before, attachments.
const HEADER_LEN: usize = 13;

/// One frame of the greatest length with what stands around it, or many short ones.
const PLAINTEXT_LEN_MAX: usize = 69_632;

/// Longest message on the bus.
pub(crate) const BUS_MESSAGE_LEN_MAX: usize = PLAINTEXT_LEN_MAX + 16 + 8 + 16;

#[cfg(test)]
mod tests {
    use super::super::epoch::EpochId;
    use super::*;
    use sori_wire::TopicSeed;

    #[test]
    fn a_message_opens_under_its_epoch_and_topic_and_under_no_other() {
        let epoch = Epoch::draw(1, EpochId::NONE).unwrap();
        let other = Epoch::draw(1, EpochId::NONE).unwrap();
        let topic = |n| TopicSeed::from_bytes([n; 32]).topic();
        let tag = epoch.tag(&topic(1));
        let header = Header {
            before: 3,
            attachments: 9,
            notes: Notes {
                lost: true,
                asks: false,
            },
        };
        let frames = [b"one".to_vec(), Vec::new(), vec![7; FRAME_LEN_MAX]];
        let from = NodeId([5; 16]);
        let slices = || frames.iter().map(Vec::as_slice);
        let bytes = seal(&epoch, tag, from, 4, header, slices()).unwrap();
        let opened = open(&epoch, tag, &bytes).unwrap();
        assert_eq!((opened.from, opened.counter), (from, 4));
        assert_eq!(opened.header, header);
        assert!(opened.frames().eq(slices()));

        assert!(open(&other, tag, &bytes).is_none());
        assert!(open(&epoch, epoch.tag(&topic(2)), &bytes).is_none());
        for at in [0, 16, 23, 24, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(open(&epoch, tag, &changed).is_none(), "byte {at}");
        }
        for len in [0, 15, 24, bytes.len() - 1] {
            assert!(open(&epoch, tag, &bytes[..len]).is_none());
        }
        let long = [vec![0; FRAME_LEN_MAX], vec![0; FRAME_LEN_MAX]];
        let long = long.iter().map(Vec::as_slice);
        assert!(seal(&epoch, tag, from, 5, header, long).is_none());
    }
}
