//! What is said to each server: connecting, attaching to a topic, and the bytes of a message there.
//!
//! The same payload to the same topic is the same bytes each time, in both directions. So whoever
//! reads only counts, and the load costs as little as it can.

use sori_wire::{
    ClientMessage, Decoder, DeliverHeader, Frame, Handle, RelayMessage, RequestId, TopicSeed,
};

use crate::error::Error;
use crate::line::{Dialler, Reading, Writing};
use crate::server::Kind;

/// A connection that is ready for messages of one length on one topic.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) reading: Reading,
    pub(crate) writing: Writing,
    /// What publishes one message.
    pub(crate) publish: Vec<u8>,
    /// As many bytes come for each message.
    pub(crate) delivery_len: usize,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Publisher,
    Reader,
}

impl Peer {
    /// Connects and attaches. With the brokers a publisher attaches to nothing, or it would hear itself.
    ///
    /// # Errors
    /// Whatever failed on the way.
    pub(crate) async fn ready(
        dialler: &Dialler,
        role: Role,
        topic: u32,
        payload: usize,
    ) -> Result<Self, Error> {
        match dialler.kind() {
            Kind::Quic | Kind::Tls => at_relay(dialler, topic, payload).await,
            Kind::Nats => at_nats(dialler, role, topic, payload).await,
            Kind::Mosquitto => at_mosquitto(dialler, role, topic, payload).await,
        }
    }
}

async fn at_relay(dialler: &Dialler, topic: u32, payload: usize) -> Result<Peer, Error> {
    let wrong = || Error::Answer("the relay");
    let (mut reading, mut writing, exporter) = dialler.dial().await?;
    let mut seed = [7; 32];
    for (to, from) in seed.iter_mut().zip(topic.to_be_bytes()) {
        *to = from;
    }
    let seed = TopicSeed::from_bytes(seed);
    let attach = ClientMessage::Attach {
        request: RequestId(0),
        topic: seed.topic(),
        proof: seed.prove(&exporter),
    };
    writing.write(&attach.encode()).await?;
    let mut decoder = Decoder::<RelayMessage>::new();
    let mut buffer = [0; 1024];
    let handle: Handle = loop {
        if let Some(message) = decoder.next().map_err(|_error| wrong())? {
            let RelayMessage::Attached { handle, .. } = message else {
                return Err(wrong());
            };
            break handle;
        }
        let len = reading.read(&mut buffer).await?;
        decoder.push(buffer.get(..len).unwrap_or_default());
    };
    let publish = ClientMessage::Publish {
        request: RequestId(1),
        handle,
        frame: Frame::new(vec![7; payload]).map_err(|_error| wrong())?,
    };
    Ok(Peer {
        reading,
        writing,
        publish: publish.encode(),
        delivery_len: DeliverHeader::new(handle, payload).as_bytes().len() + payload,
    })
}

/// The client protocol of NATS: lines of text, and payloads behind them.
async fn at_nats(dialler: &Dialler, role: Role, topic: u32, payload: usize) -> Result<Peer, Error> {
    let (mut reading, mut writing, _) = dialler.dial().await?;
    let mut hello = "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":true,\"lang\":\"rust\",\"version\":\"1\",\"protocol\":1}\r\n".to_owned();
    if role == Role::Reader {
        hello += &format!("SUB topic.{topic:08} 1\r\n");
    }
    hello += "PING\r\n";
    writing.write(hello.as_bytes()).await?;
    let mut answer = [0; 6];
    reading.read_exact(&mut answer).await?;
    if answer != *b"PONG\r\n" {
        return Err(Error::Answer("nats-server"));
    }
    let message = |start: &str| {
        let mut bytes = start.as_bytes().to_vec();
        bytes.resize(bytes.len() + payload, 7);
        bytes.extend_from_slice(b"\r\n");
        bytes
    };
    Ok(Peer {
        reading,
        writing,
        publish: message(&format!("PUB topic.{topic:08} {payload}\r\n")),
        delivery_len: message(&format!("MSG topic.{topic:08} 1 {payload}\r\n")).len(),
    })
}

/// MQTT 3.1.1, delivered at most once (QoS 0), like everything here.
async fn at_mosquitto(
    dialler: &Dialler,
    role: Role,
    topic: u32,
    payload: usize,
) -> Result<Peer, Error> {
    /// Protocol name and level, a clean session, no keep-alive, a client name of the broker's choice.
    const CONNECT: &[u8] = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00";
    const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
    const SUBSCRIBED: [u8; 5] = [0x90, 3, 0, 1, 0];
    let wrong = || Error::Answer("mosquitto");
    let (mut reading, mut writing, _) = dialler.dial().await?;
    writing.write(CONNECT).await?;
    let mut answer = [0; 4];
    reading.read_exact(&mut answer).await?;
    if answer != ACCEPTED {
        return Err(wrong());
    }
    // A name in MQTT has its length in two bytes in front.
    let name = [b"\x00\x0e", format!("topic/{topic:08}").as_bytes()].concat();
    if role == Role::Reader {
        let subscribe = [b"\x82\x13\x00\x01", name.as_slice(), b"\x00"].concat();
        writing.write(&subscribe).await?;
        let mut answer = [0; 5];
        reading.read_exact(&mut answer).await?;
        if answer != SUBSCRIBED {
            return Err(wrong());
        }
    }
    let mut publish = vec![0x30];
    put_length(&mut publish, name.len() + payload);
    publish.extend_from_slice(&name);
    publish.resize(publish.len() + payload, 7);
    Ok(Peer {
        reading,
        writing,
        delivery_len: publish.len(),
        publish,
    })
}

/// Seven bits a byte, the lowest first; the eighth says that more follows.
fn put_length(bytes: &mut Vec<u8>, mut len: usize) {
    loop {
        let low = u8::try_from(len % 128).unwrap_or_default();
        len /= 128;
        bytes.push(if len > 0 { low | 0x80 } else { low });
        if len == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_standard() {
        // MQTT 3.1.1, table 2.4.
        for (len, bytes) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 1]),
        ] {
            let mut put = Vec::new();
            put_length(&mut put, len);
            assert_eq!(put, bytes);
        }
    }
}
