//! First packets of QUIC by hand, protected as they have to be, around any content: what is wrong with
//! them is found by no checksum.

use std::sync::Arc;

use rustls::Side;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::ServerName;
use rustls::quic::{ClientConnection, Version};

use super::dice::Dice;

/// The TLS ClientHello that a QUIC client says first.
pub fn client_hello(tls: &rustls::ClientConfig) -> Vec<u8> {
    /// One transport parameter, the client's own connection id, of no bytes.
    const PARAMETERS: [u8; 2] = [0x0f, 0];
    let name = ServerName::try_from("relay.invalid").unwrap();
    let parameters = PARAMETERS.to_vec();
    let mut client =
        ClientConnection::new(Arc::new(tls.clone()), Version::V1, name, parameters).unwrap();
    let mut hello = Vec::new();
    client.write_hs(&mut hello);
    hello
}

/// A datagram of 1200 bytes with an Initial packet (RFC 9000 §17.2.2) whose frames are `frames`.
pub fn datagram(connection: [u8; 8], number: u32, frames: &[u8]) -> Vec<u8> {
    const HEADER_LEN: usize = 1 + 4 + 1 + 8 + 1 + 1 + 2 + 4;
    const TAG_LEN: usize = 16;
    let quic = TLS13_AES_128_GCM_SHA256.tls13().unwrap().quic_suite();
    let keys = quic.unwrap().keys(&connection, Side::Client, Version::V1);
    let mut payload = frames.to_vec();
    payload.resize(DATAGRAM_LEN - HEADER_LEN - TAG_LEN, 0);
    let length = u16::try_from(4 + payload.len() + TAG_LEN).unwrap() | 0x4000;
    // Long header, Initial, four bytes of packet number; version 1; both ids; no token.
    let mut packet = vec![0xc3, 0, 0, 0, 1, 8];
    packet.extend_from_slice(&connection);
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&number.to_be_bytes());
    let sealing = &keys.local.packet;
    let tag = sealing.encrypt_in_place(number.into(), &packet, &mut payload);
    packet.extend_from_slice(&payload);
    packet.extend_from_slice(tag.unwrap().as_ref());
    let (header, sealed) = packet.split_at_mut(HEADER_LEN);
    let (first, rest) = header.split_first_mut().unwrap();
    let number_at = rest.len() - 4;
    // The number has four bytes, so the sample starts right behind it.
    let masking = &keys.local.header;
    let sample = &sealed[..masking.sample_len()];
    masking
        .encrypt_in_place(sample, first, &mut rest[number_at..])
        .unwrap();
    packet
}

/// Frames with a piece of `hello`, or with anything.
pub fn frames(dice: &mut Dice, hello: &[u8]) -> Vec<u8> {
    if dice.below(4) == 0 {
        let len = 1 + dice.below(1000);
        return dice.bytes(len);
    }
    let mut hello = hello.to_vec();
    dice.spoil(&mut hello);
    hello.truncate(1000);
    let offset = u16::try_from(if dice.below(2) == 0 {
        0
    } else {
        dice.below(0x4000)
    })
    .unwrap();
    let length = u16::try_from(hello.len()).unwrap();
    // CRYPTO (RFC 9000 §19.6), both numbers as two bytes.
    let mut frames = vec![6];
    frames.extend_from_slice(&(offset | 0x4000).to_be_bytes());
    frames.extend_from_slice(&(length | 0x4000).to_be_bytes());
    frames.extend_from_slice(&hello);
    frames
}

/// Shortest datagram that may begin a connection.
const DATAGRAM_LEN: usize = 1200;
