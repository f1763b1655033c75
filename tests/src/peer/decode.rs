//! What a relay says, read strictly: bytes that have two meanings, or none, are a finding.

use crate::finding::Finding;

use super::encode::{BODY_LEN_MAX, FRAME_LEN_MAX, number};

/// A message of the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Attached { request: u32, handle: u32 },
    Refused { request: u32, refusal: u8 },
    Published { request: u32, receivers: u32 },
    Deliver { handle: u32, frame: Vec<u8> },
    Gap { handle: u32 },
    GoingAway,
    Closing { code: u32 },
}

/// Takes the first message off what has arrived; `None` if it is not all there yet.
pub(crate) fn take(arrived: &mut Vec<u8>) -> Result<Option<Said>, Finding> {
    let Some((prefix, rest)) = arrived.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let len = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
    if len > BODY_LEN_MAX {
        return Err(Finding::broken(format!(
            "the relay announced a message of {len} bytes"
        )));
    }
    let Some(body) = rest.get(..len) else {
        return Ok(None);
    };
    let said = body_of(body)?;
    arrived.drain(..len.saturating_add(4));
    Ok(Some(said))
}

fn body_of(body: &[u8]) -> Result<Said, Finding> {
    let mut fields = Fields(body);
    let said = match fields.number()? {
        0 => Said::Attached {
            request: fields.number()?,
            handle: fields.number()?,
        },
        1 => Said::Refused {
            request: fields.number()?,
            refusal: fields.refusal()?,
        },
        2 => Said::Published {
            request: fields.number()?,
            receivers: fields.number()?,
        },
        3 => Said::Deliver {
            handle: fields.number()?,
            frame: fields.frame()?,
        },
        4 => Said::Gap {
            handle: fields.number()?,
        },
        5 => Said::GoingAway,
        6 => Said::Closing {
            code: fields.number()?,
        },
        other => return Err(wrong(&format!("an unknown message {other}"), body)),
    };
    if fields.0.is_empty() {
        Ok(said)
    } else {
        Err(wrong("bytes behind the last field", body))
    }
}

fn wrong(what: &str, body: &[u8]) -> Finding {
    let shown: Vec<String> = body.iter().take(16).map(|b| format!("{b:02x}")).collect();
    Finding::broken(format!("the relay said {what}: {}", shown.join(" ")))
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn number(&mut self) -> Result<u32, Finding> {
        let len = self.0.iter().position(|byte| byte & 0x80 == 0);
        let Some((form, rest)) = len.and_then(|len| self.0.split_at_checked(len.saturating_add(1)))
        else {
            return Err(wrong("a number without an end", self.0));
        };
        let value = form
            .iter()
            .take(9)
            .rev()
            .fold(0_u64, |value, byte| (value << 7) | u64::from(byte & 0x7f));
        if number(value) != form {
            return Err(wrong("a number in a longer form than needed", self.0));
        }
        self.0 = rest;
        u32::try_from(value).map_err(|_| wrong("a number of more than 32 bits", form))
    }

    fn refusal(&mut self) -> Result<u8, Finding> {
        match self.0.split_first() {
            Some((refusal @ 1..=6, rest)) => {
                self.0 = rest;
                Ok(*refusal)
            }
            _ => Err(wrong("an unknown refusal", self.0)),
        }
    }

    fn frame(&mut self) -> Result<Vec<u8>, Finding> {
        let len = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if len > FRAME_LEN_MAX {
            return Err(wrong("a frame over the limit", self.0));
        }
        let Some((frame, rest)) = self.0.split_at_checked(len) else {
            return Err(wrong("a frame that is cut off", self.0));
        };
        self.0 = rest;
        Ok(frame.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_document_are_read_and_other_forms_are_findings() {
        let mut bytes = vec![0, 0, 0, 4, 2, 0xac, 2, 2, 0, 0, 0, 4, 1, 0xac, 2, 3, 0, 0];
        let published = Said::Published {
            request: 300,
            receivers: 2,
        };
        assert_eq!(take(&mut bytes), Ok(Some(published)));
        let refused = Said::Refused {
            request: 300,
            refusal: 3,
        };
        assert_eq!(take(&mut bytes), Ok(Some(refused)));
        assert_eq!(take(&mut bytes), Ok(None));
        for wrong in [
            &[0, 0, 0, 1, 7][..],
            &[0, 0, 0, 2, 5, 0],
            &[0, 0, 0, 3, 4, 0x81, 0],
            &[0, 0, 0, 3, 1, 1, 9],
            &[0, 2, 0, 0],
        ] {
            assert!(take(&mut wrong.to_vec()).is_err(), "{wrong:?}");
        }
    }
}
