//! What is asked, one file for each area.

pub(crate) mod access;
pub(crate) mod carrying;
pub(crate) mod cheat;
pub(crate) mod counting;
pub(crate) mod crash;
pub(crate) mod disk;
pub(crate) mod flood;
pub(crate) mod forgotten;
pub(crate) mod group;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod linkage;
pub(crate) mod member;
pub(crate) mod proof;
pub(crate) mod quic;
pub(crate) mod retention;
pub(crate) mod seal;
pub(crate) mod secrets;
pub(crate) mod stopping;
pub(crate) mod streams;
pub(crate) mod tls;
pub(crate) mod traces;
pub(crate) mod wire;
