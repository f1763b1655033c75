//! What a relay can say about itself: sums over everything since it started, and how much there is
//! now. Nothing in here tells one client, topic or address from another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! totals {
    ($($(#[$meaning:meta])* $name:ident,)*) => {
        /// Sums since the start of the process.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Totals {
            $($(#[$meaning])* pub $name: u64,)*
        }

        impl Totals {
            /// Every sum with its name, in the order of their definition.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }

        /// The sums while they grow, shared by all threads.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn totals(&self) -> Totals {
                Totals { $($name: self.$name.get()),* }
            }
        }
    };
}

totals! {
    /// Handshakes that were completed, over QUIC.
    connections_quic,
    /// Handshakes that were completed, over TLS on TCP.
    connections_tcp,
    /// Handshakes that were begun and not completed.
    handshakes_failed,
    /// Connections refused because there were as many as there may be, in all or from one prefix.
    refused_full,
    /// First packets and TCP connections passed over because their prefix made too many.
    refused_rate,
    /// Addresses asked to show that they receive what is sent to them.
    retries,
    /// Connections ended because they had no good access key.
    access_denied,
    /// Attachments made.
    attached,
    /// Attaches refused, for whatever reason.
    attach_refused,
    /// Frames taken from publishers.
    frames_in,
    /// Bytes of those frames.
    bytes_in,
    /// Frames queued for readers.
    frames_out,
    /// Bytes of those frames.
    bytes_out,
    /// Times that a slow reader lost what waited for it.
    gaps,
    /// Times that a connection was not read from because it had used up its budget of work.
    throttled,
    /// Connections ended because what they sent was no message.
    malformed,
    /// Connections ended because they took nothing for too long.
    stalled,
    /// Connections ended because they stayed without an attachment for too long.
    unattached,
    /// Renewals of the keys of a connection.
    key_updates,
    /// Times that the relay was connected to a server of its cluster.
    cluster_connects,
    /// Epoch keys of the cluster that were taken up.
    cluster_epochs,
    /// Frames handed to the other relays of the cluster.
    cluster_frames_out,
    /// Frames that came from other relays.
    cluster_frames_in,
    /// Times that frames of another relay were missing.
    cluster_lost,
    /// Messages on the bus that were by no relay of the cluster, or there twice.
    cluster_refused,
}

/// How much there is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Current {
    /// Connections with a session, over QUIC.
    pub connections_quic: u64,
    /// Connections with a session, over TLS on TCP.
    pub connections_tcp: u64,
    /// Handshakes under way.
    pub handshakes: u64,
    /// Attachments.
    pub attachments: u64,
    /// Topics with at least one attachment; one that several shards serve counts for each.
    pub topics: u64,
    /// Bytes of frames that wait for readers.
    pub queued_bytes: u64,
    /// 1 while the relay is connected to a server of its cluster.
    pub cluster_up: u64,
    /// Other relays of the cluster that were heard in the last seconds.
    pub cluster_relays: u64,
}

/// One sum or level. Order between two of them is not kept: they are read for people.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// Makes a level that has one owner what it is now.
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// Changes a sum to which this caller contributes `from` so that it contributes `to`.
    pub(crate) fn change(&self, from: u64, to: u64) {
        if to > from {
            self.add(to.saturating_sub(from));
        } else if from > to {
            self.subtract(from.saturating_sub(to));
        }
    }

    /// Counts one more until what is returned is dropped.
    pub(crate) fn hold(&self) -> Held<'_> {
        self.add(1);
        Held(self)
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of a level.
#[derive(Debug)]
pub(crate) struct Held<'a>(&'a Counter);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.subtract(1);
    }
}

/// Levels while they change, shared by all threads.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    pub(crate) connections_quic: Counter,
    pub(crate) connections_tcp: Counter,
    pub(crate) handshakes: Counter,
    pub(crate) attachments: Counter,
    pub(crate) topics: Counter,
    pub(crate) queued_bytes: Counter,
    pub(crate) cluster_up: Counter,
    pub(crate) cluster_relays: Counter,
}

/// Reads the sums and levels of a running relay. Cloning it is cheap; it outlives the relay.
#[derive(Clone, Debug, Default)]
pub struct Monitor {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    counters: Counters,
    levels: Levels,
}

impl Monitor {
    /// Sums since the start.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.shared.counters.totals()
    }

    /// How much there is now.
    #[must_use]
    pub fn current(&self) -> Current {
        let levels = &self.shared.levels;
        Current {
            connections_quic: levels.connections_quic.get(),
            connections_tcp: levels.connections_tcp.get(),
            handshakes: levels.handshakes.get(),
            attachments: levels.attachments.get(),
            topics: levels.topics.get(),
            queued_bytes: levels.queued_bytes.get(),
            cluster_up: levels.cluster_up.get(),
            cluster_relays: levels.cluster_relays.get(),
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    pub(crate) fn levels(&self) -> &Levels {
        &self.shared.levels
    }
}
