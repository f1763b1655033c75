//! QUIC as the relay speaks it: settings that bound memory and give observers nothing to link.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac};
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{
    ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig, IdleTimeout, ServerConfig,
    TokioRuntime, TransportConfig, ValidationTokenConfig, VarInt,
};
use rustix::net::sockopt;
use sha2::Sha256;
use sori_wire::limits::IDLE_MS_MAX;
use zeroize::Zeroizing;

use crate::key::RelaySecret;
use crate::tls;

/// Opens the endpoint. Must be called inside a tokio runtime.
pub(crate) fn endpoint(listen: SocketAddr, secret: &RelaySecret) -> io::Result<Endpoint> {
    let tls = tls::server_config(secret).ok_or_else(|| io::Error::other("TLS set-up failed"))?;
    let socket = UdpSocket::bind(listen)?;
    // One socket serves everyone, so bursts need room. The kernel may grant less; that is no error.
    let _granted = sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_LEN);
    let _granted = sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER_LEN);

    let mut server = ServerConfig::with_crypto(Arc::new(tls));
    let mut no_tokens = ValidationTokenConfig::default();
    no_tokens.sent(0);
    server
        .transport_config(Arc::new(transport_config()))
        .validation_token_config(no_tokens)
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BUFFER_LEN)
        .incoming_buffer_size_total(INCOMING_BUFFER_LEN_TOTAL);

    Endpoint::new(
        endpoint_config(secret),
        Some(server),
        socket,
        Arc::new(TokioRuntime),
    )
}

fn transport_config() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_LEN))
        .receive_window(VarInt::from_u32(STREAM_WINDOW_LEN))
        .send_window(SEND_WINDOW_LEN)
        .max_idle_timeout(Some(IdleTimeout::from(idle_timeout())))
        .allow_spin(false);
    transport
}

fn idle_timeout() -> VarInt {
    VarInt::from_u64(IDLE_MS_MAX).unwrap_or(VarInt::MAX)
}

/// Reset tokens come from the relay's key: a relay that was killed and started again can tell its
/// old clients at once that their connections are gone (RFC 9000 §10.3.2), so that they return in
/// moments and not after an idle timeout.
fn endpoint_config(secret: &RelaySecret) -> EndpointConfig {
    let key = ResetKey(secret.derive(b"sori-relay stateless reset"));
    let mut config = EndpointConfig::new(Arc::new(key));
    config
        .cid_generator(|| Box::new(RandomConnectionIds))
        .min_reset_interval(Duration::from_millis(RESET_INTERVAL_MS));
    config
}

/// Connection ids without any structure: they say nothing about relay, client or time, and a
/// restarted relay still recognises their length.
#[derive(Clone, Copy, Debug)]
struct RandomConnectionIds;

impl ConnectionIdGenerator for RandomConnectionIds {
    /// Without randomness from the operating system ids would collide and connections fail; quinn
    /// leaves no way to report it here, and no handshake could succeed then anyway.
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; CONNECTION_ID_LEN];
        let _no_randomness_no_handshake = getrandom::fill(&mut id);
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_LEN
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

struct ResetKey(Zeroizing<[u8; 32]>);

impl ResetKey {
    fn mac(&self, data: &[u8]) -> Result<Hmac<Sha256>, CryptoError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).map_err(|_| CryptoError)?;
        mac.update(data);
        Ok(mac)
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        if let Ok(mac) = self.mac(data) {
            for (to, from) in signature_out.iter_mut().zip(mac.finalize().into_bytes()) {
                *to = from;
            }
        }
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let mac = self.mac(data)?;
        mac.verify_slice(signature).map_err(|_| CryptoError)
    }
}

/// Length of our connection ids: enough that nobody hits another connection's by guessing.
const CONNECTION_ID_LEN: usize = 8;

/// Bytes that a client may have in flight to us. It has one stream, so both windows are this.
const STREAM_WINDOW_LEN: u32 = 131_072;

/// Bytes that QUIC may hold for a client until they are acknowledged: with the queue of the
/// attachment this is what one slow reader can pin.
const SEND_WINDOW_LEN: u64 = 262_144;

/// Connections whose first packet waits to be looked at.
const INCOMING_MAX: usize = 4096;

/// Bytes kept for one and for all of them.
const INCOMING_BUFFER_LEN: u64 = 16_384;
const INCOMING_BUFFER_LEN_TOTAL: u64 = 8 << 20;

/// Wanted size of the kernel's socket buffers.
const SOCKET_BUFFER_LEN: usize = 4 << 20;

/// Shortest time between two stateless resets, so that they cannot be used for a flood.
const RESET_INTERVAL_MS: u64 = 2;
