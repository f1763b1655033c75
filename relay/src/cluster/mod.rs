//! Relays behind one name: what is published at one reaches who is attached at another, over NATS.
//!
//! ```text
//!   shards ── port ── node ── bus ══ NATS ══ bus ── node ── port ── shards
//!                      ├ keyring: the epochs, agreed on with the others
//!                      └ rooms: one for each topic with attachments here
//! ```
//!
//! NATS keeps what passes in its memory for a while, so nothing that passes means anything to it: a
//! subject is a keyed hash of the topic and a frame is sealed again, both under a key that only the
//! relays' memory holds and that they replace every ten minutes. Nothing is delivered twice, and what
//! is lost shows: readers get a gap (`protocol §2.4.8`). `docs/decisions/0010` and `0011` say why.

mod bus;
mod control;
mod epoch;
mod keyring;
mod message;
mod node;
mod room;
mod secret;
mod settings;

use std::future::Future;
use std::io;

pub use secret::{ClusterSecret, InvalidClusterSecret};
pub use settings::{BusServer, BusTls, ClusterSettings, InvalidBusServer};

#[cfg(test)]
pub(crate) use bus::{ARRIVALS_MAX, COMMANDS_MAX, SUBSCRIPTION_MAX};
#[cfg(test)]
pub(crate) use keyring::NODES_MAX;
#[cfg(test)]
pub(crate) use message::BUS_MESSAGE_LEN_MAX;

use crate::hub::Port;
use crate::time::Time;
use crate::totals::Monitor;
use bus::Bus;
use epoch::NodeId;
use keyring::Keyring;
use node::Node;
use secret::Membership;

/// Reads what another relay may have said.
#[cfg(any(test, fuzzing))]
pub(crate) fn parse(bytes: &[u8]) {
    let _is_none = control::Control::decode(bytes);
    let _are_none = control::Given::decode_all(bytes);
}

/// Runs this relay's part of the cluster until `stop` resolves. Says through `ready` when it has begun
/// to connect; it does not wait for a server to be there.
pub(crate) async fn run(
    settings: &ClusterSettings,
    port: Port,
    monitor: Monitor,
    ready: impl FnOnce(io::Result<()>),
    stop: impl Future<Output = ()>,
) {
    let (bus, inflow) = match Bus::connect(settings).await {
        Ok(connecting) => connecting,
        Err(error) => return ready(Err(error)),
    };
    let Some(id) = NodeId::draw() else {
        return ready(Err(io::Error::other("the system gave no randomness")));
    };
    ready(Ok(()));
    let rotation_ms = u64::try_from(settings.rotation.as_millis()).unwrap_or(u64::MAX);
    let keyring = Keyring::new(id, Membership::new(&settings.secret), rotation_ms, Time(0));
    Node::new(id, keyring, bus, port, monitor)
        .run(inflow, stop)
        .await;
}
