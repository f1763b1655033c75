//! Reading what a message claims about itself, without any state and so without any proof.

use crate::commit::CommitAad;
use crate::limits::{APPLICATION_LEN_MAX, HANDSHAKE_LEN_MAX};
use crate::{Epoch, Error, GroupId, Invalid, Refusal, StateId};

/// The claims of a message: enough to find the snapshot that can judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peek {
    /// The group.
    pub group: GroupId,
    /// The epoch it was made in.
    pub epoch: Epoch,
    /// What it is.
    pub content: PeekContent,
}

/// What a message claims to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeekContent {
    /// An application message in a PrivateMessage, with its associated data.
    Application {
        /// As given to [`Head::encrypt`](crate::Head::encrypt).
        aad: Vec<u8>,
    },
    /// A commit in a PublicMessage.
    Commit {
        /// The state it was made on.
        parent: StateId,
    },
}

const VERSION_MLS10: u16 = 1;
const PUBLIC_MESSAGE: u16 = 1;
const PRIVATE_MESSAGE: u16 = 2;
const SENDER_MEMBER: u8 = 1;
const SENDER_NEW_MEMBER_COMMIT: u8 = 4;
const CONTENT_APPLICATION: u8 = 1;
const CONTENT_PROPOSAL: u8 = 2;
const CONTENT_COMMIT: u8 = 3;

/// Reads the claims of an MLSMessage (RFC 9420 §6): nothing is verified.
///
/// # Errors
/// [`Invalid`] if it is no commit and no application message; [`Refusal`] for kinds that no group here accepts:
/// proposals by reference, external senders, commits without our associated data.
pub fn peek(message: &[u8]) -> Result<Peek, Error> {
    let mut reader = Reader(message);
    let version = reader.u16()?;
    let wire_format = reader.u16()?;
    if version != VERSION_MLS10 {
        return Err(Invalid::UnexpectedKind.into());
    }
    match wire_format {
        PUBLIC_MESSAGE => reader.public_message(message.len()),
        PRIVATE_MESSAGE => reader.private_message(message.len()),
        _ => Err(Invalid::UnexpectedKind.into()),
    }
}

/// What is left of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// FramedContent (RFC 9420 §6).
    fn public_message(&mut self, len: usize) -> Result<Peek, Error> {
        if len > HANDSHAKE_LEN_MAX {
            return Err(Invalid::TooLong.into());
        }
        let (group, epoch) = (self.group()?, self.epoch()?);
        match self.u8()? {
            SENDER_MEMBER => self.take(size_of::<u32>())?,
            SENDER_NEW_MEMBER_COMMIT => &[],
            _ => return Err(Refusal::External.into()),
        };
        let aad = self.vector()?;
        match self.u8()? {
            CONTENT_COMMIT => {
                let parent = CommitAad::decode(aad)?.parent;
                Ok(Peek {
                    group,
                    epoch,
                    content: PeekContent::Commit { parent },
                })
            }
            CONTENT_PROPOSAL => Err(Refusal::ByReference.into()),
            _ => Err(Invalid::UnexpectedKind.into()),
        }
    }

    /// PrivateMessage (RFC 9420 §6.3).
    fn private_message(&mut self, len: usize) -> Result<Peek, Error> {
        if len > APPLICATION_LEN_MAX {
            return Err(Invalid::TooLong.into());
        }
        let (group, epoch) = (self.group()?, self.epoch()?);
        if self.u8()? != CONTENT_APPLICATION {
            return Err(Invalid::UnexpectedKind.into());
        }
        let aad = self.vector()?.to_vec();
        Ok(Peek {
            group,
            epoch,
            content: PeekContent::Application { aad },
        })
    }

    fn group(&mut self) -> Result<GroupId, Error> {
        let id = self.vector()?.try_into().map_err(|_| Invalid::Malformed)?;
        Ok(GroupId::from_bytes(id))
    }

    fn epoch(&mut self) -> Result<Epoch, Error> {
        Ok(Epoch(u64::from_be_bytes(self.array()?)))
    }

    fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    /// A vector with a length of variable size (RFC 9420 §2.1.2).
    fn vector(&mut self) -> Result<&'a [u8], Error> {
        let first = self.u8()?;
        let low_bits = usize::from(first & 0x3F);
        let extra = match first >> 6 {
            0 => 0,
            1 => 1,
            2 => 3,
            _ => return Err(Invalid::Malformed.into()),
        };
        let rest = self.take(extra)?.iter();
        let len = rest.fold(low_bits, |len, byte| len << 8 | usize::from(*byte));
        self.take(len)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(Invalid::Malformed)?;
        self.0 = rest;
        Ok(*array)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Invalid::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}
