//! A member that is not ours: mls-rs with the cipher suite 0x004F, as docs/protocol.md 3.2 and 5 want it.
//!
//! Nothing here knows how [`sori_mls`] does anything. State names, credentials, associated data and group data are
//! made from the words of the protocol, and everything below MLS is by other people: X-Wing and SHAKE by libcrux,
//! the rest by RustCrypto in the releases that mls-rs stands on.
//!
//! What has two implementations cannot share a mistake: a commit that one side makes and the other follows to the
//! same state name and the same exported secret was understood alike.

pub mod member;
pub mod suite;
