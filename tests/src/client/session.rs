//! The relay's end of the byte session (`docs/protocol.md`, section 2), written for the [stand](super::stand).

use crate::peer::encode::{FRAME_LEN_MAX, framed, number};

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Attach {
        request: u32,
        topic: [u8; 32],
        proof: Box<[u8; 64]>,
    },
    Detach {
        handle: u32,
    },
    Publish {
        request: u32,
        handle: u32,
        frame: Vec<u8>,
    },
    Access,
}

/// Takes the first message off what has arrived: `None` if it is not all there, `Some(None)` if it is no message.
pub(crate) fn take(arrived: &mut Vec<u8>) -> Option<Option<Asked>> {
    let (prefix, rest) = arrived.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
    if len > FRAME_LEN_MAX.saturating_add(32) {
        return Some(None);
    }
    let asked = parse(rest.get(..len)?);
    arrived.drain(..len.saturating_add(4));
    Some(asked)
}

fn parse(mut body: &[u8]) -> Option<Asked> {
    let asked = match take_number(&mut body)? {
        0 => Asked::Attach {
            request: take_number(&mut body)?,
            topic: take_bytes(&mut body)?,
            proof: Box::new(take_bytes(&mut body)?),
        },
        1 => Asked::Detach {
            handle: take_number(&mut body)?,
        },
        2 => {
            let (request, handle) = (take_number(&mut body)?, take_number(&mut body)?);
            let len = usize::try_from(take_number(&mut body)?).ok()?;
            let (frame, rest) = body.split_at_checked(len)?;
            body = rest;
            Asked::Publish {
                request,
                handle,
                frame: frame.to_vec(),
            }
        }
        3 => {
            let _proof: [u8; 32] = take_bytes(&mut body)?;
            Asked::Access
        }
        _ => return None,
    };
    body.is_empty().then_some(asked)
}

fn take_number(body: &mut &[u8]) -> Option<u32> {
    let len = body.iter().position(|byte| byte & 0x80 == 0)?;
    let (form, rest) = body.split_at_checked(len.checked_add(1)?)?;
    let value = form
        .iter()
        .take(9)
        .rev()
        .fold(0_u64, |value, byte| (value << 7) | u64::from(byte & 0x7f));
    *body = rest;
    (number(value) == form).then(|| u32::try_from(value).ok())?
}

fn take_bytes<const N: usize>(body: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(*bytes)
}

pub(crate) fn attached(request: u32, handle: u32) -> Vec<u8> {
    said(&[0, request, handle], &[])
}

pub(crate) fn refused(request: u32, refusal: u32) -> Vec<u8> {
    said(&[1, request, refusal], &[])
}

pub(crate) fn published(request: u32, receivers: u32) -> Vec<u8> {
    said(&[2, request, receivers], &[])
}

pub(crate) fn deliver(handle: u32, frame: &[u8]) -> Vec<u8> {
    let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    said(&[3, handle, len], frame)
}

pub(crate) fn gap(handle: u32) -> Vec<u8> {
    said(&[4, handle], &[])
}

fn said(numbers: &[u32], rest: &[u8]) -> Vec<u8> {
    let mut body: Vec<u8> = numbers
        .iter()
        .flat_map(|value| number(u64::from(*value)))
        .collect();
    body.extend(rest);
    framed(&body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{Said, Topic, decode, encode};

    #[test]
    fn both_ends_of_the_suite_understand_each_other() {
        let topic = Topic::from_seed([3; 32]);
        let proof = topic.prove(&[1; 32]);
        let mut bytes = encode::attach(7, &topic.name(), &proof);
        bytes.extend(encode::publish(300, 1, b"abc"));
        bytes.extend(encode::detach(9));
        bytes.push(0);
        let attach = Asked::Attach {
            request: 7,
            topic: topic.name(),
            proof: Box::new(proof),
        };
        let publish = Asked::Publish {
            request: 300,
            handle: 1,
            frame: b"abc".to_vec(),
        };
        let detach = Asked::Detach { handle: 9 };
        for asked in [attach, publish, detach] {
            assert_eq!(take(&mut bytes), Some(Some(asked)));
        }
        assert_eq!(take(&mut bytes), None);
        let mut bytes = deliver(300, b"abc");
        let frame = b"abc".to_vec();
        let deliver = Said::Deliver { handle: 300, frame };
        assert_eq!(decode::take(&mut bytes), Ok(Some(deliver)));
    }

    #[test]
    fn what_is_no_message_is_seen() {
        for wrong in [
            &[0, 0, 0, 1, 9][..],
            &[0, 0, 0, 2, 1, 0x80],
            &[0, 0, 0, 3, 1, 1, 1],
            &[1, 0, 0, 0],
        ] {
            assert_eq!(take(&mut wrong.to_vec()), Some(None), "{wrong:?}");
        }
    }
}
