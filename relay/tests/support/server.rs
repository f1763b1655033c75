//! A relay inside the test's own process, with any settings.

use std::net::SocketAddr;

use sori_relay::{RelaySecret, Server, Settings};
use sori_wire::RelayUrl;

pub struct Local {
    pub server: Server,
    pub url: RelayUrl,
}

impl Local {
    /// A relay on a free port of the loopback.
    pub fn start(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_at("127.0.0.1:0", change)
    }

    pub fn start_at(listen: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new(listen.parse().unwrap(), RelaySecret::generate().unwrap());
        change(&mut settings);
        let server = Server::start(&settings).unwrap();
        let url = at(&server, server.local_addr());
        Self { server, url }
    }
}

/// The relay's URL by another of its addresses.
pub fn at(server: &Server, address: SocketAddr) -> RelayUrl {
    RelayUrl::new(address.ip().into(), address.port(), server.key()).unwrap()
}
