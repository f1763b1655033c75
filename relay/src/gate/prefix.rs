//! Which addresses count as one: the networks that one customer of a provider has at hand.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

/// A prefix of an address, as a number that means nothing outside of this process: keyed by random
/// bytes that were drawn when it started and are nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PrefixTag(u64);

/// The prefixes of one address, narrow and wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefixes {
    /// /24 of IPv4, /56 of IPv6: about one customer.
    pub(super) narrow: PrefixTag,
    /// /48 of IPv6, since a customer may have 256 of the narrow ones; for IPv4 there is none.
    pub(super) wide: Option<PrefixTag>,
}

impl Prefixes {
    pub(super) fn of(address: IpAddr, salt: &RandomState) -> Self {
        // A socket that serves both shows IPv4 addresses inside of IPv6 ones.
        match address.to_canonical() {
            IpAddr::V4(address) => Self {
                narrow: tag(salt, 24, u64::from(u32::from(address) >> 8)),
                wide: None,
            },
            IpAddr::V6(address) => {
                let [high, ..] = halves(u128::from(address));
                Self {
                    narrow: tag(salt, 56, high >> 8),
                    wide: Some(tag(salt, 48, high >> 16)),
                }
            }
        }
    }
}

fn tag(salt: &RandomState, len: u8, bits: u64) -> PrefixTag {
    PrefixTag(salt.hash_one((len, bits)))
}

fn halves(bits: u128) -> [u64; 2] {
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    [half(bits >> 64), half(bits)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> (bool, bool) {
        let salt = RandomState::new();
        let [a, b] = [a, b].map(|text| Prefixes::of(text.parse().unwrap(), &salt));
        (a.narrow == b.narrow, a.wide.is_some() && a.wide == b.wide)
    }

    #[test]
    fn neighbours_share_a_prefix() {
        assert_eq!(same("192.0.2.1", "192.0.2.255"), (true, false));
        assert_eq!(same("192.0.2.1", "192.0.3.1"), (false, false));
        assert_eq!(same("192.0.2.1", "::ffff:192.0.2.9"), (true, false));
        assert_eq!(
            same("2001:db8:1:2200::1", "2001:db8:1:22ff::"),
            (true, true)
        );
        assert_eq!(
            same("2001:db8:1:2200::1", "2001:db8:1:2300::"),
            (false, true)
        );
        assert_eq!(same("2001:db8:1::", "2001:db8:2::"), (false, false));
    }

    #[test]
    fn tags_of_two_processes_have_nothing_in_common() {
        let address = "192.0.2.1".parse().unwrap();
        let one = Prefixes::of(address, &RandomState::new());
        assert_ne!(one, Prefixes::of(address, &RandomState::new()));
    }
}
