//! What the engine asks its driver to do, after the step behind it is durable.

use sori_wire::{Frame, RelayUrl, Topic, TopicSeed};

use crate::view::Event;

/// Names one publish, so that its answer finds what was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublishToken(pub u64);

/// One thing for the driver to do. Effects of one [`flush`](crate::Engine::flush) are to be
/// carried out in their order; none needs to be stored, because the engine asks again after a
/// restart for everything that still matters.
#[derive(Debug)]
#[non_exhaustive]
pub enum Effect {
    /// Attach to the topic of `seed` on this relay's live connection. Answer with
    /// `handle_attached` or `handle_refused`; nothing on a connection that ended meanwhile.
    Attach {
        /// Where.
        relay: RelayUrl,
        /// The topic's seed, for the proof.
        seed: TopicSeed,
    },
    /// Open a connection to this relay. Answer with `handle_connected` or `handle_disconnected`.
    Connect {
        /// Which relay.
        relay: RelayUrl,
    },
    /// Leave a topic. No answer.
    Detach {
        /// Where.
        relay: RelayUrl,
        /// Which topic.
        topic: Topic,
    },
    /// Close the connection to this relay. No answer.
    Disconnect {
        /// Which relay.
        relay: RelayUrl,
    },
    /// Tell the front end.
    Event(Event),
    /// Publish a frame on an attached topic. Answer with `handle_published`; nothing if the
    /// connection ended before the relay answered.
    Publish {
        /// Where.
        relay: RelayUrl,
        /// On which topic.
        topic: Topic,
        /// What: sealed and padded.
        frame: Frame,
        /// To be given back with the answer.
        token: PublishToken,
    },
}
