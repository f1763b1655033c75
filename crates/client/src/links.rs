//! The driver's open connections, by relay.

use std::collections::BTreeMap;
use std::sync::Arc;

use sori_wire::RelayUrl;
use tokio::runtime::Handle as Runtime;
use tokio::task::JoinHandle;

use crate::relay::{Command, ConnectionId, Link, Paths, Reporter};

/// All connections the engine wants. At most one for each relay.
pub(crate) struct Links {
    runtime: Runtime,
    paths: Arc<Paths>,
    reporter: Reporter,
    by_relay: BTreeMap<RelayUrl, (ConnectionId, Link)>,
    relays: BTreeMap<ConnectionId, RelayUrl>,
    next_id: u64,
    /// Connections given up from this side, of which the engine has still to be told.
    lost: Vec<RelayUrl>,
}

impl Links {
    /// No connections yet; their tasks will run on `runtime` and report to `reporter`.
    pub(crate) fn new(runtime: Runtime, reporter: Reporter) -> Self {
        Self {
            runtime,
            paths: Arc::new(Paths::default()),
            reporter,
            by_relay: BTreeMap::new(),
            relays: BTreeMap::new(),
            next_id: 0,
            lost: Vec::new(),
        }
    }

    /// Starts connecting, unless that is going on or done.
    pub(crate) fn connect(&mut self, relay: RelayUrl) {
        if self.by_relay.contains_key(&relay) {
            return;
        }
        let id = ConnectionId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let (paths, reporter) = (Arc::clone(&self.paths), self.reporter.clone());
        let link = Link::open(&self.runtime, relay.clone(), paths, id, reporter);
        self.relays.insert(id, relay.clone());
        self.by_relay.insert(relay, (id, link));
    }

    /// Closes a connection in good order, in the background.
    pub(crate) fn disconnect(&mut self, relay: &RelayUrl) {
        if let Some((id, link)) = self.by_relay.remove(relay) {
            self.relays.remove(&id);
            drop(link);
        }
    }

    /// Queues a command. A connection that takes no more is given up. Without a connection nothing
    /// happens: the engine has been told, or is about to be.
    pub(crate) fn push(&mut self, relay: &RelayUrl, command: Command) {
        let Some((_id, link)) = self.by_relay.get(relay) else {
            return;
        };
        if link.push(command).is_ok() {
            return;
        }
        if let Some((id, link)) = self.by_relay.remove(relay) {
            self.relays.remove(&id);
            link.abort();
            self.lost.push(relay.clone());
        }
    }

    /// The relay of a connection, if it is still wanted.
    pub(crate) fn relay(&self, id: ConnectionId) -> Option<RelayUrl> {
        self.relays.get(&id).cloned()
    }

    /// Forgets a connection that ended; its relay, if it was still wanted.
    pub(crate) fn ended(&mut self, id: ConnectionId) -> Option<RelayUrl> {
        let relay = self.relays.remove(&id)?;
        self.by_relay.remove(&relay);
        Some(relay)
    }

    /// A relay whose connection was given up here and of which the engine does not know yet.
    pub(crate) fn next_lost(&mut self) -> Option<RelayUrl> {
        self.lost.pop()
    }

    /// Drops all connections at once. What they report from now on is passed over.
    pub(crate) fn drop_all(&mut self) {
        self.relays.clear();
        self.lost.clear();
        for (_, link) in std::mem::take(&mut self.by_relay).into_values() {
            link.abort();
        }
    }

    /// Closes everything in good order; the tasks can be awaited.
    pub(crate) fn close_all(self) -> Vec<JoinHandle<()>> {
        self.by_relay
            .into_values()
            .map(|(_id, link)| link.close())
            .collect()
    }
}
