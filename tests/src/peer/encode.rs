//! The bytes of the relay protocol (`docs/protocol.md`, section 2), written by hand: honest ones, and the parts of
//! which dishonest ones are made.

/// The numbers of the messages that a client says.
pub(crate) mod client {
    pub(crate) const ATTACH: u32 = 0;
    pub(crate) const DETACH: u32 = 1;
    pub(crate) const PUBLISH: u32 = 2;
    pub(crate) const ACCESS: u32 = 3;
}

/// Longest frame.
pub(crate) const FRAME_LEN_MAX: usize = 65_536;

/// Longest message body.
pub(crate) const BODY_LEN_MAX: usize = 65_568;

/// A number in its one form.
pub(crate) fn number(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A number in a form that is one byte longer than needed.
pub(crate) fn longer(value: u64) -> Vec<u8> {
    let mut bytes = number(value);
    if let Some(last) = bytes.last_mut() {
        *last |= 0x80;
    }
    bytes.push(0);
    bytes
}

/// A body with its length in front.
pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    announced(u32::try_from(body.len()).unwrap_or(u32::MAX), body)
}

/// A body with another length in front than it has.
pub(crate) fn announced(len: u32, body: &[u8]) -> Vec<u8> {
    [&len.to_be_bytes(), body].concat()
}

pub(crate) fn attach(request: u32, topic: &[u8; 32], proof: &[u8; 64]) -> Vec<u8> {
    let head = [number(client::ATTACH.into()), number(request.into())].concat();
    framed(&[head.as_slice(), topic, proof].concat())
}

pub(crate) fn detach(handle: u32) -> Vec<u8> {
    framed(&[number(client::DETACH.into()), number(handle.into())].concat())
}

pub(crate) fn publish(request: u32, handle: u32, frame: &[u8]) -> Vec<u8> {
    let len = u64::try_from(frame.len()).unwrap_or(u64::MAX);
    let parts = [client::PUBLISH.into(), request.into(), handle.into(), len];
    let head: Vec<u8> = parts.into_iter().flat_map(number).collect();
    framed(&[head.as_slice(), frame].concat())
}

pub(crate) fn access(proof: &[u8; 32]) -> Vec<u8> {
    framed(&[number(client::ACCESS.into()).as_slice(), proof].concat())
}

#[cfg(test)]
mod tests {
    use sori_wire::{ALPN, ClientMessage, Frame, Handle, RequestId, limits};

    use super::*;

    /// protocol §2.1.1, §2.1.3, §2.3
    #[test]
    fn the_examples_of_the_document_are_written_alike() {
        assert_eq!(
            publish(300, 1, b"abc"),
            [0, 0, 0, 8, 2, 0xac, 2, 1, 3, b'a', b'b', b'c']
        );
        assert_eq!(detach(1), [0, 0, 0, 2, 1, 1]);
        assert_eq!(longer(1), [0x81, 0]);
        assert_eq!(longer(300), [0xac, 0x82, 0]);
    }

    /// The suite shares no code with the product, so this is where the two meet.
    #[test]
    fn constants_and_encodings_are_those_of_the_product() {
        assert_eq!(FRAME_LEN_MAX, limits::FRAME_LEN_MAX);
        assert_eq!(BODY_LEN_MAX, limits::MESSAGE_LEN_MAX);
        assert_eq!(crate::peer::ALPN, ALPN);
        assert_eq!(crate::peer::EXPORTER_LABEL, sori_wire::EXPORTER_LABEL);
        assert_eq!(crate::peer::EXPORTER_CONTEXT, sori_wire::EXPORTER_CONTEXT);
        for frame in [&[][..], b"abc", &[7; 7_000]] {
            let message = ClientMessage::Publish {
                request: RequestId(u32::MAX),
                handle: Handle(1 << 20),
                frame: Frame::new(frame.to_vec()).unwrap(),
            };
            assert_eq!(message.encode(), publish(u32::MAX, 1 << 20, frame));
        }
        let handle = Handle(7_0000);
        assert_eq!(ClientMessage::Detach { handle }.encode(), detach(7_0000));
    }
}
