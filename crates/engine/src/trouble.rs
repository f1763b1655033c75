//! Why there is no connection to a relay, as the driver found out and people are told.

use serde::Serialize;
use thiserror::Error;

/// Why there is no connection to a relay, as far as this device can tell. No address, no key and
/// no name is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trouble {
    /// The relay closed the connection, or is shutting down.
    #[error("the relay closed the connection")]
    Closed,
    /// The relay's name leads to no address, or the name service cannot be reached.
    #[error("the relay's name could not be looked up; check the network and the spelling")]
    Lookup,
    /// This machine gave no socket, or the build cannot do the encryption that is needed.
    #[error("this machine cannot open a connection at the moment")]
    Machine,
    /// Whoever answers does not speak this version of the relay protocol.
    #[error("what answers at the relay's address does not speak this version of Sori")]
    Protocol,
    /// The relay is private, and the access key in its URL is missing or no longer good.
    #[error(
        "the relay is private and does not take the access key in its URL; ask for a new URL or invite"
    )]
    NoAccess,
    /// Nobody answers, neither over UDP nor over TCP.
    #[error("nobody answers at the relay's address")]
    Unreachable,
    /// Whoever answers does not hold the key that stands in the relay URL, or no certificate for its
    /// name.
    #[error(
        "what answers at the relay's address has another key than the relay URL says; somebody may be in between, or the relay has a new key"
    )]
    WrongKey,
}

impl Trouble {
    /// A stable name for programs; part of docs/rpc.md.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Lookup => "lookup",
            Self::Machine => "machine",
            Self::NoAccess => "no_access",
            Self::Protocol => "protocol",
            Self::Unreachable => "unreachable",
            Self::WrongKey => "wrong_key",
        }
    }

    /// Whether trying again is of little use before a person has changed something.
    pub(crate) const fn needs_a_person(self) -> bool {
        matches!(self, Self::NoAccess | Self::Protocol | Self::WrongKey)
    }
}

#[cfg(test)]
mod tests {
    use sori_store::{MemoryDisk, Store};
    use sori_wire::{AccessKey, RelayUrl};

    use super::*;
    use crate::effect::Effect;
    use crate::engine::Engine;
    use crate::time::Time;

    const NOW: Time = Time::from_unix_ms(1_795_316_400_000);

    fn relay() -> RelayUrl {
        let url = format!("relay://127.0.0.1:4433/#{}", "A".repeat(43));
        url.parse().unwrap()
    }

    fn private(key: u8) -> RelayUrl {
        relay().with_access(AccessKey::from_bytes([key; 32]))
    }

    /// An engine with an account and a group at `relay`, which it has asked to be connected to.
    fn engine(relay: &RelayUrl) -> Engine {
        let store = Store::open_memory(&MemoryDisk::default(), [1; 32]).unwrap();
        let mut engine = Engine::open(store, [2; 32], NOW).unwrap();
        engine.account_create("Ada", NOW).unwrap();
        engine.relay_set(&relay.to_string(), NOW).unwrap();
        engine.group_create("g", NOW).unwrap();
        assert_eq!(connections(&mut engine, NOW), [(true, relay.clone())]);
        engine
    }

    /// The connections that are asked for (`true`) and given up (`false`) by now.
    fn connections(engine: &mut Engine, now: Time) -> Vec<(bool, RelayUrl)> {
        let effects = engine.flush(now).unwrap().into_iter();
        let changes = effects.filter_map(|effect| match effect {
            Effect::Connect { relay } => Some((true, relay)),
            Effect::Disconnect { relay } => Some((false, relay)),
            _ => None,
        });
        changes.collect()
    }

    #[test]
    fn what_keeps_a_relay_away_is_shown_until_it_is_connected() {
        let relay = private(1);
        let mut engine = engine(&relay);
        assert_eq!(engine.connection().trouble, None);
        engine.handle_trouble(&relay, Trouble::NoAccess);
        engine.handle_disconnected(&relay, NOW).unwrap();
        let view = engine.connection();
        assert_eq!(
            (view.state.as_str(), view.trouble),
            ("offline", Some(Trouble::NoAccess))
        );
        engine.handle_connected(&relay, NOW).unwrap();
        assert_eq!(engine.connection().trouble, None);
    }

    #[test]
    fn a_relay_that_refuses_is_not_asked_again_at_once() {
        for (trouble, patient) in [(Trouble::NoAccess, true), (Trouble::Unreachable, false)] {
            let relay = private(1);
            let mut engine = engine(&relay);
            engine.handle_trouble(&relay, trouble);
            engine.handle_disconnected(&relay, NOW).unwrap();
            let soon = NOW.plus_ms(1000);
            engine.handle_timeout(soon).unwrap();
            assert_eq!(
                connections(&mut engine, soon).is_empty(),
                patient,
                "{trouble}"
            );
        }
    }

    #[test]
    fn a_new_access_key_takes_the_place_of_the_old_one_for_groups_made_before() {
        let mut engine = engine(&private(1));
        engine.relay_set(&private(2).to_string(), NOW).unwrap();
        let mut changes = connections(&mut engine, NOW);
        changes.sort();
        assert_eq!(changes, [(false, private(1)), (true, private(2))]);
    }
}
