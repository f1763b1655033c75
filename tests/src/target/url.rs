//! `relay://HOST:PORT/#KEY` (`docs/protocol.md`, 1.3), read by the suite itself.

use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};

/// A relay that is known by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) key: [u8; 32],
    pub(crate) access: Option<[u8; 32]>,
}

/// The text is not such a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not relay://HOST:PORT/#KEY, with ?access=KEY before the # where the relay is private")]
pub(crate) struct InvalidUrl;

impl FromStr for Url {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let rest = text.strip_prefix("relay://").ok_or(InvalidUrl)?;
        let (place, key) = rest.split_once('#').ok_or(InvalidUrl)?;
        let (place, access) = match place.split_once("?access=") {
            Some((place, access)) => (place, Some(key_of(access)?)),
            None => (place, None),
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        let (host, port) = place.rsplit_once(':').ok_or(InvalidUrl)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(InvalidUrl);
        }
        Ok(Self {
            host: host.to_owned(),
            port: port.parse().map_err(|_| InvalidUrl)?,
            key: key_of(key)?,
            access,
        })
    }
}

/// 32 bytes in base64url without padding.
pub(crate) fn key_of(text: &str) -> Result<[u8; 32], InvalidUrl> {
    let bytes = Base64UrlUnpadded::decode_vec(text).map_err(|_| InvalidUrl)?;
    bytes.try_into().map_err(|_| InvalidUrl)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

    #[test]
    fn host_port_and_keys_are_read() {
        let url: Url = format!("relay://[::1]:4433/?access={KEY}#{KEY}")
            .parse()
            .unwrap();
        assert_eq!((url.host.as_str(), url.port), ("::1", 4433));
        assert_eq!((url.key, url.access), ([1; 32], Some([1; 32])));
        for wrong in [
            "relay://a:1/",
            "relay://a/#x",
            "relay://:1/#",
            "http://a:1/#x",
        ] {
            assert!(wrong.parse::<Url>().is_err(), "{wrong}");
        }
    }
}
