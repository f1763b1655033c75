//! The confirmed transcript hash of a commit, from public data alone (RFC 9420 §8.2).
//!
//! OpenMLS computes it too, but not for the member that a commit removes. Computed here, everybody who sees a commit
//! can name the state that it leads to, whether or not able to follow.

use openmls::prelude::MlsGroup;
use openmls::prelude::tls_codec::Serialize as _;
use sha2::{Digest as _, Sha256};

use crate::{Error, Invalid};

/// The version before the wire format in an MLSMessage: not part of the transcript.
const VERSION_LEN: usize = 2;
/// A MAC of SHA-256 behind its length.
const TAG_LEN: usize = 1 + 32;

/// The hash for the state that a commit leads to. The commit is an MLSMessage with a PublicMessage of a member.
pub(crate) fn confirmed_hash(parent: &MlsGroup, commit: &[u8]) -> Result<[u8; 32], Error> {
    let context = parent.public_group().group_context();
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
        .chain_update(hashed_part(commit)?)
        .finalize()
        .into())
}

/// Wire format, content and signature; behind them stand the confirmation tag and the membership tag.
fn hashed_part(commit: &[u8]) -> Result<&[u8], Error> {
    let content = commit.get(VERSION_LEN..).ok_or(Invalid::Malformed)?;
    let without_tag = |bytes: &'_ [u8]| {
        let end = bytes.len().checked_sub(TAG_LEN)?;
        (bytes.get(end) == Some(&32)).then_some(end)
    };
    let end = without_tag(content).ok_or(Invalid::Malformed)?;
    let content = content.get(..end).ok_or(Invalid::Malformed)?;
    let end = without_tag(content).ok_or(Invalid::Malformed)?;
    content.get(..end).ok_or_else(|| Invalid::Malformed.into())
}
