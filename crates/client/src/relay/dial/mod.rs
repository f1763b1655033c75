//! From a relay URL to an open byte session: addresses, and a race of QUIC and TLS over TCP to them.
//!
//! Each way has a head start on the next: QUIC to the first address, then TCP to it, then the next
//! address. A way that fails lets the next one start at once; who is through first wins (in the
//! manner of RFC 8305). Where UDP got no answer the last time, TCP goes first.

pub(super) mod quic;
mod tcp;

use std::net::SocketAddr;
use std::time::Duration;

use rustls::ClientConfig;
use sori_engine::Trouble;
use sori_wire::{EXPORTER_CONTEXT, EXPORTER_LABEL, Exporter, RelayUrl};
use tokio::task::JoinSet;

use super::carrier::Dialled;
use super::paths::Paths;
use super::tls;

/// One way to a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Quic(SocketAddr),
    Tcp(SocketAddr),
}

/// Opens a connection.
///
/// # Errors
/// The [`Trouble`] of all ways that tells most.
pub(super) async fn dial(relay: &RelayUrl, paths: &Paths) -> Result<Dialled, Trouble> {
    let config = tls::config(relay.identity()).map_err(|_error| Trouble::Machine)?;
    let addresses = addresses(relay).await?;
    let first = addresses.first().ok_or(Trouble::Lookup)?;
    let path = paths.to(*first);
    let ways = ways(&addresses, paths.is_udp_barred(path));
    let (way, dialled) = race(ways, relay, &config).await?;
    match way {
        Way::Quic(_) => paths.open_udp(path),
        Way::Tcp(_) => paths.bar_udp(path),
    }
    Ok(dialled)
}

/// At most [`ADDRESSES_MAX`] addresses, IPv6 and IPv4 as the system orders them.
async fn addresses(relay: &RelayUrl) -> Result<Vec<SocketAddr>, Trouble> {
    if let Some(address) = relay.host().address() {
        return Ok(vec![SocketAddr::new(address, relay.port())]);
    }
    let found = tokio::time::timeout(
        LOOKUP_WAIT,
        tokio::net::lookup_host((relay.host().to_lookup(), relay.port())),
    )
    .await;
    let Ok(Ok(addresses)) = found else {
        return Err(Trouble::Lookup);
    };
    Ok(addresses.take(ADDRESSES_MAX).collect())
}

/// Both ways to each address, the better one first.
fn ways(addresses: &[SocketAddr], is_udp_barred: bool) -> Vec<Way> {
    let both = |address: &SocketAddr| {
        let (quic, tcp) = (Way::Quic(*address), Way::Tcp(*address));
        if is_udp_barred {
            [tcp, quic]
        } else {
            [quic, tcp]
        }
    };
    addresses.iter().flat_map(both).collect()
}

/// Tries one way after the other until one is through; those that are still trying are dropped.
async fn race(
    ways: Vec<Way>,
    relay: &RelayUrl,
    config: &ClientConfig,
) -> Result<(Way, Dialled), Trouble> {
    let mut trying = JoinSet::new();
    let mut worst = Trouble::Unreachable;
    let mut ways = ways.into_iter().peekable();
    loop {
        if let Some(way) = ways.next() {
            trying.spawn(go(way, relay.clone(), config.clone()));
        }
        let head_start = async {
            match ways.peek() {
                Some(_) => tokio::time::sleep(HEAD_START).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = trying.join_next() => match ended {
                Some(Ok((way, Ok(dialled)))) => return Ok((way, dialled)),
                Some(Ok((_, Err(trouble)))) => worst = telling_most(worst, trouble),
                Some(Err(_stopped)) => {}
                None => return Err(worst),
            },
            () = head_start => {}
        }
    }
}

async fn go(way: Way, relay: RelayUrl, config: ClientConfig) -> (Way, Result<Dialled, Trouble>) {
    let dialling = async {
        match way {
            Way::Quic(address) => quic::dial(address, &relay, config).await,
            Way::Tcp(address) => tcp::dial(address, &relay, config).await,
        }
    };
    let dialled = tokio::time::timeout(HANDSHAKE_WAIT, dialling).await;
    (way, dialled.unwrap_or(Err(Trouble::Unreachable)))
}

/// Of two reasons the one that is more use to a person: that nobody answers one way says less than
/// what was heard the other way.
fn telling_most(one: Trouble, other: Trouble) -> Trouble {
    const BY_USE: [Trouble; 5] = [
        Trouble::WrongKey,
        Trouble::NoAccess,
        Trouble::Protocol,
        Trouble::Closed,
        Trouble::Machine,
    ];
    let known = BY_USE.iter().find(|known| [one, other].contains(known));
    known.copied().unwrap_or(one)
}

/// What proofs are made over (`protocol §2.2.3`).
fn exporter<E>(
    export: impl FnOnce(&mut [u8; 32], &[u8], &[u8]) -> Result<(), E>,
) -> Result<Exporter, Trouble> {
    let mut exported = [0; 32];
    export(&mut exported, EXPORTER_LABEL, EXPORTER_CONTEXT).map_err(|_error| Trouble::Machine)?;
    Ok(Exporter::from_bytes(exported))
}

/// A name with more addresses than this would only make a failure take longer.
const ADDRESSES_MAX: usize = 4;

/// How long looking up a name may take.
const LOOKUP_WAIT: Duration = Duration::from_secs(10);

/// How long one way may take. A relay that is just being restarted is found by QUIC's own repeats
/// within it.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// How long a way is tried before the next one starts beside it.
const HEAD_START: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quic_goes_first_unless_udp_is_barred() {
        let (a, b) = (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 2], 1).into());
        let open = [Way::Quic(a), Way::Tcp(a), Way::Quic(b), Way::Tcp(b)];
        let barred = [Way::Tcp(a), Way::Quic(a), Way::Tcp(b), Way::Quic(b)];
        assert_eq!(ways(&[a, b], false), open);
        assert_eq!(ways(&[a, b], true), barred);
    }

    #[test]
    fn what_was_heard_tells_more_than_silence() {
        let silence = Trouble::Unreachable;
        assert_eq!(telling_most(silence, Trouble::Protocol), Trouble::Protocol);
        assert_eq!(telling_most(Trouble::Protocol, silence), Trouble::Protocol);
        assert_eq!(
            telling_most(Trouble::Closed, Trouble::WrongKey),
            Trouble::WrongKey
        );
        assert_eq!(telling_most(silence, silence), silence);
    }
}
