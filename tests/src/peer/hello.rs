//! A ClientHello written by hand, for what no library would send, and what comes back in the clear (RFC 8446).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::finding::Finding;

use super::PATIENCE;

pub(crate) const X25519: u16 = 0x001d;
pub(crate) const SECP256R1: u16 = 0x0017;
pub(crate) const HYBRID: u16 = 0x11ec;
pub(crate) const TLS13: u16 = 0x0304;
pub(crate) const TLS12: u16 = 0x0303;

/// What to say.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    pub(crate) versions: Vec<u16>,
    /// Each with a share of its own.
    pub(crate) groups: Vec<u16>,
    pub(crate) alpn: Vec<Vec<u8>>,
    /// A ticket that nobody gave, with early data behind it.
    pub(crate) resumes: bool,
    pub(crate) random: [u8; 32],
}

/// What the server says to it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Alert(u8),
    Hello(ServerHello),
    /// The connection ended without a word.
    Nothing,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerHello {
    pub(crate) random: Vec<u8>,
    pub(crate) version: Option<u16>,
    pub(crate) group: Option<u16>,
    pub(crate) resumed: bool,
}

impl Hello {
    pub(crate) fn honest(random: [u8; 32]) -> Self {
        Self {
            versions: vec![TLS13],
            groups: vec![HYBRID],
            alpn: vec![super::ALPN.to_vec()],
            resumes: false,
            random,
        }
    }

    /// Says it and reads what comes back first.
    pub(crate) async fn say(&self, stream: &mut TcpStream) -> Result<Reply, Finding> {
        stream
            .write_all(&self.record())
            .await
            .map_err(Finding::not_seen)?;
        let Ok(reply) = timeout(PATIENCE, read_record(stream)).await else {
            return Err(Finding::not_seen("no answer to a ClientHello"));
        };
        let Some((kind, body)) = reply else {
            return Ok(Reply::Nothing);
        };
        match (kind, body.as_slice()) {
            (ALERT, [_, alert]) => Ok(Reply::Alert(*alert)),
            (HANDSHAKE, body) => parse(body)
                .map(Reply::Hello)
                .ok_or_else(|| Finding::broken("a ServerHello that cannot be read")),
            _ => Err(Finding::broken(format!("a record of type {kind}"))),
        }
    }

    /// The whole record.
    pub(crate) fn record(&self) -> Vec<u8> {
        let mut body = TLS12.to_be_bytes().to_vec();
        body.extend(self.random);
        body.extend([0]); // no session id
        body.extend(vec16(&[
            0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xc0, 0x2f, 0xc0, 0x2b,
        ]));
        body.extend([1, 0]); // no compression
        body.extend(vec16(&self.extensions()));
        let len = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
        let handshake = [&[1], &len[1..], &body].concat();
        [&[HANDSHAKE, 3, 1][..], &vec16(&handshake)].concat()
    }

    fn extensions(&self) -> Vec<u8> {
        let list = |numbers: &[u16]| -> Vec<u8> {
            numbers
                .iter()
                .flat_map(|number| number.to_be_bytes())
                .collect()
        };
        let mut all = extension(10, &vec16(&list(&self.groups)));
        all.extend(extension(13, &vec16(&list(&[0x0807, 0x0403, 0x0804]))));
        if !self.alpn.is_empty() {
            let names: Vec<u8> = self.alpn.iter().flat_map(|name| vec8(name)).collect();
            all.extend(extension(16, &vec16(&names)));
        }
        all.extend(extension(20, &vec8(&[2]))); // the server's key is a raw public key
        if self.versions.contains(&TLS13) {
            all.extend(extension(43, &vec8(&list(&self.versions))));
            let shares: Vec<u8> = self.groups.iter().flat_map(|group| share(*group)).collect();
            all.extend(extension(51, &vec16(&shares)));
        }
        if self.resumes {
            all.extend(extension(42, &[]));
            all.extend(extension(45, &vec8(&[1])));
            let identity = [vec16(&[7; 48]), vec![0, 0, 0, 1]].concat();
            let offered = [vec16(&identity), vec16(&vec8(&[9; 32]))].concat();
            all.extend(extension(41, &offered)); // has to be the last
        }
        all
    }
}

/// A share that can be computed with, of a secret that nobody needs.
fn share(group: u16) -> Vec<u8> {
    let mut base = [0; 32];
    base[0] = 9;
    let key = match group {
        X25519 => base.to_vec(),
        // An ML-KEM-768 key of zeros is well formed.
        HYBRID => [vec![0; 1184], base.to_vec()].concat(),
        // The generator of P-256.
        SECP256R1 => [&[4], P256_X.as_slice(), P256_Y.as_slice()].concat(),
        _ => vec![1; 32],
    };
    [group.to_be_bytes().to_vec(), vec16(&key)].concat()
}

fn extension(number: u16, body: &[u8]) -> Vec<u8> {
    [number.to_be_bytes().to_vec(), vec16(body)].concat()
}

fn vec16(body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap_or(u16::MAX);
    [&len.to_be_bytes(), body].concat()
}

fn vec8(body: &[u8]) -> Vec<u8> {
    let len = u8::try_from(body.len()).unwrap_or(u8::MAX);
    [&[len], body].concat()
}

async fn read_record(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.ok()?;
    let [kind, _, _, high, low] = head;
    let mut body = vec![0; usize::from(u16::from_be_bytes([high, low]))];
    stream.read_exact(&mut body).await.ok()?;
    Some((kind, body))
}

/// Version 2, random 32, session id, suite 2, compression 1, extensions.
fn parse(body: &[u8]) -> Option<ServerHello> {
    let [2, _, _, _, rest @ ..] = body else {
        return None;
    };
    let random = rest.get(2..34)?.to_vec();
    let session = usize::from(*rest.get(34)?);
    let mut extensions = rest.get(35usize.checked_add(session)?.checked_add(5)?..)?;
    let mut hello = ServerHello {
        random,
        ..ServerHello::default()
    };
    while let [a, b, c, d, rest @ ..] = extensions {
        let (number, len) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
        let (value, behind) = rest.split_at_checked(usize::from(len))?;
        let first = match value {
            [high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        };
        match number {
            41 => hello.resumed = true,
            43 => hello.version = first,
            51 => hello.group = first,
            _ => {}
        }
        extensions = behind;
    }
    Some(hello)
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

const P256_X: [u8; 32] = [
    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
];
const P256_Y: [u8; 32] = [
    0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
    0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];
