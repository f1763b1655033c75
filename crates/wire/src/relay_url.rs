//! Where a relay is, how to know it, and what lets one in: `relay://HOST:PORT/#KEY` and its kin
//! (`protocol §1.3`).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::access::{AccessKey, InvalidAccessKey};
use crate::limits::{HOST_LEN_MAX, RELAY_URL_LEN_MAX};
use crate::relay_key::{InvalidRelayKey, RelayKey};

/// Address and identity of a relay, and its access key if it is private; in text
/// `relay://HOST:PORT/#KEY`, `relay://HOST:PORT/#webpki`, and either with `?access=KEY` before `#`.
///
/// Host names are kept in lower case and IP addresses in their shortest form, so equal relays have
/// equal text. `Display` writes all of it, as invites need it; `Debug` leaves the access key out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayUrl {
    host: RelayHost,
    port: u16,
    identity: RelayIdentity,
    access: Option<AccessKey>,
}

/// How a client knows that it talks to the relay it means (`protocol §1.2`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RelayIdentity {
    /// By this key and no other.
    Key(RelayKey),
    /// By a certificate for its host name from an authority that the client's system trusts.
    WebPki,
}

/// The host of a relay: a name to look up or an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayHost(Host);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Host {
    Address(IpAddr),
    Name(String),
}

/// What is wrong with the text of a relay URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRelayUrl {
    /// What stands between `/` and `#` is not `?access=` and an access key.
    #[error("the relay's access key is wrong: {0}")]
    Access(#[from] InvalidAccessKey),
    /// The host is neither a DNS name, nor an IPv4 address, nor an IPv6 address in brackets.
    #[error("the relay's host is not a name, an IPv4 address or an IPv6 address in [brackets]")]
    Host,
    /// The key after `#` is malformed.
    #[error("the relay's key after '#' is wrong: {0}")]
    Key(#[from] InvalidRelayKey),
    /// There is no `/#KEY` or `/#webpki`.
    #[error("the relay's key is missing: the form is relay://HOST:PORT/#KEY")]
    KeyMissing,
    /// An address cannot be known by a certificate for a name.
    #[error("a relay that is known by its certificate has a name, not an address")]
    NameMissing,
    /// The port is not a number from 1 to 65535, or is missing.
    #[error("the relay's port is missing or not a number from 1 to 65535")]
    Port,
    /// It does not start with `relay://`.
    #[error("a relay URL starts with relay://")]
    Scheme,
    /// It is longer than any relay URL.
    #[error("this is longer than any relay URL")]
    TooLong,
}

impl RelayUrl {
    /// Puts the URL of an open relay together.
    ///
    /// # Errors
    /// [`InvalidRelayUrl::Port`] for port 0; [`InvalidRelayUrl::NameMissing`] for an address with
    /// [`RelayIdentity::WebPki`].
    pub fn new(
        host: RelayHost,
        port: u16,
        identity: impl Into<RelayIdentity>,
    ) -> Result<Self, InvalidRelayUrl> {
        let identity = identity.into();
        if port == 0 {
            return Err(InvalidRelayUrl::Port);
        }
        if identity == RelayIdentity::WebPki && host.address().is_some() {
            return Err(InvalidRelayUrl::NameMissing);
        }
        Ok(Self {
            host,
            port,
            identity,
            access: None,
        })
    }

    /// The same relay with the key that lets clients in.
    #[must_use]
    pub fn with_access(self, access: AccessKey) -> Self {
        Self {
            access: Some(access),
            ..self
        }
    }

    /// Where the relay is: a name or an address.
    #[must_use]
    pub const fn host(&self) -> &RelayHost {
        &self.host
    }

    /// The port, of UDP and of TCP.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How the relay is recognised.
    #[must_use]
    pub const fn identity(&self) -> &RelayIdentity {
        &self.identity
    }

    /// Whether both lead to the same relay, whatever access key they have.
    #[must_use]
    pub fn is_same_relay(&self, other: &Self) -> bool {
        (&self.host, self.port, self.identity) == (&other.host, other.port, other.identity)
    }

    /// What lets clients in, if the relay is private.
    #[must_use]
    pub const fn access(&self) -> Option<&AccessKey> {
        self.access.as_ref()
    }
}

impl RelayHost {
    /// The host as an address, if it needs no look-up.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        match &self.0 {
            Host::Address(address) => Some(*address),
            Host::Name(_) => None,
        }
    }

    /// The host as a resolver takes it: a name, or an address without brackets.
    #[must_use]
    pub fn to_lookup(&self) -> String {
        match &self.0 {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.clone(),
        }
    }
}

impl From<IpAddr> for RelayHost {
    fn from(address: IpAddr) -> Self {
        Self(Host::Address(address))
    }
}

impl FromStr for RelayHost {
    type Err = InvalidRelayUrl;

    fn from_str(text: &str) -> Result<Self, InvalidRelayUrl> {
        if let Some(inside) = text.strip_prefix('[') {
            let inside = inside.strip_suffix(']').ok_or(InvalidRelayUrl::Host)?;
            let address: Ipv6Addr = inside.parse().map_err(|_| InvalidRelayUrl::Host)?;
            return Ok(Self(Host::Address(IpAddr::V6(address))));
        }
        if let Ok(IpAddr::V4(address)) = text.parse() {
            return Ok(Self(Host::Address(IpAddr::V4(address))));
        }
        if !is_name(text) {
            return Err(InvalidRelayUrl::Host);
        }
        Ok(Self(Host::Name(text.to_ascii_lowercase())))
    }
}

impl fmt::Display for RelayHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

impl FromStr for RelayUrl {
    type Err = InvalidRelayUrl;

    fn from_str(text: &str) -> Result<Self, InvalidRelayUrl> {
        if text.len() > RELAY_URL_LEN_MAX {
            return Err(InvalidRelayUrl::TooLong);
        }
        let rest = text
            .strip_prefix("relay://")
            .ok_or(InvalidRelayUrl::Scheme)?;
        let (rest, identity) = rest.split_once('#').ok_or(InvalidRelayUrl::KeyMissing)?;
        let (place, query) = rest.split_once('/').ok_or(InvalidRelayUrl::KeyMissing)?;
        let (host, port) = place.rsplit_once(':').ok_or(InvalidRelayUrl::Port)?;
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidRelayUrl::Port);
        }
        let port = port.parse().map_err(|_| InvalidRelayUrl::Port)?;
        let identity: RelayIdentity = identity.parse()?;
        let url = Self::new(host.parse()?, port, identity)?;
        if query.is_empty() {
            return Ok(url);
        }
        let access = query.strip_prefix(ACCESS).ok_or(InvalidAccessKey)?;
        Ok(url.with_access(access.parse()?))
    }
}

impl From<RelayKey> for RelayIdentity {
    fn from(key: RelayKey) -> Self {
        Self::Key(key)
    }
}

impl FromStr for RelayIdentity {
    type Err = InvalidRelayKey;

    fn from_str(text: &str) -> Result<Self, InvalidRelayKey> {
        match text {
            WEB_PKI => Ok(Self::WebPki),
            key => Ok(Self::Key(key.parse()?)),
        }
    }
}

impl fmt::Display for RelayIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::WebPki => f.write_str(WEB_PKI),
        }
    }
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "relay://{}:{}/", self.host, self.port)?;
        if let Some(access) = &self.access {
            write!(f, "{ACCESS}{}", access.to_text().as_str())?;
        }
        write!(f, "#{}", self.identity)
    }
}

impl fmt::Debug for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = self.access.as_ref().map_or("", |_| "?access=(redacted)");
        write!(
            f,
            "RelayUrl(relay://{}:{}/{access}#{})",
            self.host, self.port, self.identity
        )
    }
}

impl Serialize for RelayUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RelayUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = RelayUrl;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("relay://HOST:PORT/#KEY")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RelayUrl, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Letters, digits and inner hyphens in labels of 1 to 63 (RFC 1123 §2.1), and a last label that is
/// not a number, so that a mistyped address is not taken for a name.
fn is_name(text: &str) -> bool {
    let label_is_good = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let last_is_number = text
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= HOST_LEN_MAX && text.split('.').all(label_is_good) && !last_is_number
}

/// What stands for a key in the URL of a relay that is known by its certificate. It is no key: those
/// are longer. It has to be there, so that a URL that lost its key on the way is never taken for one.
const WEB_PKI: &str = "webpki";

/// What stands before the access key.
const ACCESS: &str = "?access=";
