//! The confirmed transcript hash of a commit, from public data alone (RFC 9420 §8.2).
//!
//! OpenMLS computes it too, but not for the member that a commit removes. Computed here, everybody who sees a commit
//! can name the state that it leads to, whether or not able to follow.

use openmls::prelude::tls_codec::Serialize as _;
use openmls::prelude::{PublicGroup, Sender};
use sha2::{Digest as _, Sha256};

use crate::{Error, Invalid};

/// The version before the wire format in an MLSMessage: not part of the transcript.
const VERSION_LEN: usize = 2;
/// A MAC of SHA-256 behind its length.
const TAG_LEN: usize = 1 + 32;

/// The hash for the state that a commit leads to. The commit is an MLSMessage with a PublicMessage.
pub(crate) fn confirmed_hash(
    parent: &PublicGroup,
    sender: &Sender,
    commit: &[u8],
) -> Result<[u8; 32], Error> {
    let context = parent.group_context();
    let tag = parent
        .confirmation_tag()
        .tls_serialize_detached()
        .map_err(|_| Error::Internal("confirmation tag"))?;
    let interim = Sha256::new()
        .chain_update(context.confirmed_transcript_hash())
        .chain_update(tag)
        .finalize();
    Ok(Sha256::new()
        .chain_update(interim)
        .chain_update(hashed_part(sender, commit)?)
        .finalize()
        .into())
}

/// Wire format, content and signature; behind them stand the confirmation tag and, if a member sent it, the
/// membership tag.
fn hashed_part<'a>(sender: &Sender, commit: &'a [u8]) -> Result<&'a [u8], Error> {
    let mut content = commit.get(VERSION_LEN..).ok_or(Invalid::Malformed)?;
    let tags = match sender {
        Sender::Member(_) => 2,
        Sender::External(_) | Sender::NewMemberCommit | Sender::NewMemberProposal => 1,
    };
    for _ in 0..tags {
        let end = content.len().checked_sub(TAG_LEN);
        let (rest, tag) = end
            .and_then(|end| content.split_at_checked(end))
            .ok_or(Invalid::Malformed)?;
        if tag.first() != Some(&32) {
            return Err(Invalid::Malformed.into());
        }
        content = rest;
    }
    Ok(content)
}
