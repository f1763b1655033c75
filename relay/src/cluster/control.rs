//! What relays say to each other about epochs, as bytes. All of it is sealed under the cluster's
//! secret on top of this.

use zeroize::Zeroizing;

use super::epoch::{EpochId, NodeId};

/// One message about epochs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Control<'a> {
    /// Give me your epochs: `share` is one half of a fresh key exchange.
    Ask {
        from: NodeId,
        to: NodeId,
        ask: [u8; 16],
        share: &'a [u8],
    },
    /// I am here, and this is my newest epoch; number 0 for none.
    Beacon {
        from: NodeId,
        number: u64,
        id: EpochId,
    },
    /// The other half of the exchange, and the epochs sealed under what comes out of it.
    Give {
        from: NodeId,
        to: NodeId,
        ask: [u8; 16],
        share: &'a [u8],
        sealed: &'a [u8],
    },
}

/// One epoch as it is given away.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) number: u64,
    pub(super) parent: EpochId,
    pub(super) secret: Zeroizing<[u8; 32]>,
    /// Milliseconds since it was made.
    pub(super) age_ms: u64,
}

impl<'a> Control<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
        match self {
            Self::Ask {
                from,
                to,
                ask,
                share,
            } => [&[ASK], &from.0[..], &to.0, ask, &length(share), share].concat(),
            Self::Beacon { from, number, id } => {
                [&[BEACON], &from.0[..], &number.to_be_bytes(), &id.0].concat()
            }
            Self::Give {
                from,
                to,
                ask,
                share,
                sealed,
            } => {
                let length = length(share);
                [&[GIVE], &from.0[..], &to.0, ask, &length, share, sealed].concat()
            }
        }
    }

    /// `None` if it is no such message.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let [kind] = rest.array()?;
        let from = NodeId(rest.array()?);
        match kind {
            ASK => {
                let (to, ask) = (NodeId(rest.array()?), rest.array()?);
                let share = rest.counted()?;
                rest.end(Self::Ask {
                    from,
                    to,
                    ask,
                    share,
                })
            }
            BEACON => {
                let number = u64::from_be_bytes(rest.array()?);
                let id = EpochId(rest.array()?);
                rest.end(Self::Beacon { from, number, id })
            }
            GIVE => {
                let (to, ask) = (NodeId(rest.array()?), rest.array()?);
                let share = rest.counted()?;
                Some(Self::Give {
                    from,
                    to,
                    ask,
                    share,
                    sealed: rest.0,
                })
            }
            _ => None,
        }
    }
}

impl Given {
    /// Bytes of all of them, 64 each.
    pub(super) fn encode_all(all: &[Self]) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(GIVEN_LEN.saturating_mul(GIVEN_MAX)));
        for given in all.iter().take(GIVEN_MAX) {
            bytes.extend_from_slice(&given.number.to_be_bytes());
            bytes.extend_from_slice(&given.parent.0);
            bytes.extend_from_slice(given.secret.as_ref());
            bytes.extend_from_slice(&given.age_ms.to_be_bytes());
        }
        bytes
    }

    /// `None` if they are none, too many, or something else.
    pub(super) fn decode_all(bytes: &[u8]) -> Option<Vec<Self>> {
        let mut rest = Reader(bytes);
        let mut all = Vec::with_capacity(GIVEN_MAX);
        while !rest.0.is_empty() {
            if all.len() >= GIVEN_MAX {
                return None;
            }
            all.push(Self {
                number: u64::from_be_bytes(rest.array()?),
                parent: EpochId(rest.array()?),
                secret: Zeroizing::new(rest.array()?),
                age_ms: u64::from_be_bytes(rest.array()?),
            });
        }
        (!all.is_empty()).then_some(all)
    }
}

/// Bytes that are taken from the front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let len = u16::from_be_bytes(self.array()?);
        self.bytes(len.into())
    }

    fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

const BEACON: u8 = 0;
const ASK: u8 = 1;
const GIVE: u8 = 2;

/// Epochs that are in use at a time.
pub(super) const GIVEN_MAX: usize = 2;

const GIVEN_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_survives_its_bytes_and_none_is_made_of_less() {
        let (from, to) = (NodeId([1; 16]), NodeId([2; 16]));
        let messages = [
            Control::Beacon {
                from,
                number: 7,
                id: EpochId([3; 16]),
            },
            Control::Ask {
                from,
                to,
                ask: [4; 16],
                share: &[5; 1216],
            },
            Control::Give {
                from,
                to,
                ask: [4; 16],
                share: &[5; 1120],
                sealed: &[6; 80],
            },
        ];
        for message in messages {
            let bytes = message.encode();
            assert_eq!(Control::decode(&bytes), Some(message));
            for len in 0..33.min(bytes.len()) {
                assert_eq!(Control::decode(&bytes[..len]), None);
            }
        }
        assert_eq!(Control::decode(&[9; 40]), None);
    }

    #[test]
    fn more_epochs_than_are_ever_in_use_are_no_epochs() {
        for count in [0, GIVEN_MAX + 1] {
            assert!(Given::decode_all(&vec![7; GIVEN_LEN * count]).is_none());
        }
        assert!(Given::decode_all(&[7; GIVEN_LEN - 1]).is_none());
        assert_eq!(Given::decode_all(&[7; GIVEN_LEN * 2]).unwrap().len(), 2);
    }
}
