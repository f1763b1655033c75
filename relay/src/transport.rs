//! QUIC as the relay speaks it: settings that bound memory and give observers nothing to link.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{
    AckFrequencyConfig, ConnectionId, ConnectionIdGenerator, EndpointConfig, IdleTimeout,
    ServerConfig, TransportConfig, ValidationTokenConfig, VarInt,
};
use sha2::Sha256;
use sori_wire::limits::IDLE_MS_MAX;
use zeroize::Zeroizing;

use crate::key::RelaySecret;

/// How connections are accepted. All shards use the same one: an address that has shown itself to one
/// has shown itself to all.
///
/// # Errors
/// If TLS cannot be used for QUIC, which a test rules out.
pub(crate) fn server_config(tls: rustls::ServerConfig) -> Result<ServerConfig, NoInitialSuite> {
    let tls = QuicServerConfig::try_from(tls).map_err(|_| NoInitialSuite)?;
    let mut server = ServerConfig::with_crypto(Arc::new(tls));
    let mut no_tokens = ValidationTokenConfig::default();
    no_tokens.sent(0);
    #[cfg(sori_mutants)]
    if crate::mutant::is("gives-tokens") {
        no_tokens.sent(2);
    }
    server
        .transport_config(Arc::new(transport_config()))
        .validation_token_config(no_tokens)
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BUFFER_LEN)
        .incoming_buffer_size_total(INCOMING_BUFFER_LEN_TOTAL);
    Ok(server)
}

/// The TLS library lacks what QUIC begins with.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this build of TLS cannot begin QUIC connections")]
pub(crate) struct NoInitialSuite;

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
        .ack_frequency_config(Some(ack_frequency()))
        .allow_spin(false);
    transport
}

/// Asks readers to acknowledge less often: each acknowledgement costs the relay as much as half a
/// frame. Their loss is noticed later by no more than the delay.
fn ack_frequency() -> AckFrequencyConfig {
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(ACK_PACKETS))
        .max_ack_delay(Some(Duration::from_millis(ACK_MS)));
    acks
}

fn idle_timeout() -> VarInt {
    VarInt::from_u64(IDLE_MS_MAX).unwrap_or(VarInt::MAX)
}

/// Reset tokens come from the relay's key: a relay that was killed and started again can tell its
/// old clients at once that their connections are gone (RFC 9000 §10.3.2), so that they return in
/// moments and not after an idle timeout.
pub(crate) fn endpoint_config(secret: &RelaySecret) -> EndpointConfig {
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
        #[cfg(sori_mutants)]
        if crate::mutant::is("marks-connection-ids") {
            id[0] = 7;
        }
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

/// Packets that a reader may leave without an acknowledgement, and for how long.
const ACK_PACKETS: u32 = 10;
const ACK_MS: u64 = 25;

/// Length of our connection ids: enough that nobody hits another connection's by guessing.
const CONNECTION_ID_LEN: usize = 8;

/// Bytes that a client may have in flight to us. It has one stream, so both windows are this.
pub(crate) const STREAM_WINDOW_LEN: u32 = 131_072;

/// Bytes that QUIC may hold for a client until they are acknowledged: with the queue of the
/// attachment this is what one slow reader can pin.
pub(crate) const SEND_WINDOW_LEN: u64 = 262_144;

/// Connections whose first packet waits to be looked at.
pub(crate) const INCOMING_MAX: usize = 1024;

/// Bytes kept for one and for all of them.
pub(crate) const INCOMING_BUFFER_LEN: u64 = 16_384;
pub(crate) const INCOMING_BUFFER_LEN_TOTAL: u64 = 8 << 20;

/// Shortest time between two stateless resets, so that they cannot be used for a flood.
const RESET_INTERVAL_MS: u64 = 2;
