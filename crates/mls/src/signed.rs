//! What a device signs for the whole group: one encoding, one signature, one label for each kind.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::identity::verify_device_signature;
use crate::{Device, Error, Invalid};

const VERSION: u8 = 1;

/// The part of an object that is signed.
pub(crate) trait Body: Serialize + DeserializeOwned + PartialEq {
    /// Under which it is signed, so that no object passes for one of another kind.
    const LABEL: &'static [u8];
    /// The longest encoding of the object with its signature.
    const LEN_MAX: usize;
}

/// An object and the signature of a device: version byte 1, postcard of the body, 64 bytes of Ed25519 signature. What
/// is signed, and hashed, is the same without the signature.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signed<B> {
    pub(crate) body: B,
    signature: Signature,
}

/// An Ed25519 signature in two halves, as serde knows arrays of up to 32.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Signature([u8; 32], [u8; 32]);

impl<B: Body> Signed<B> {
    pub(crate) fn new(device: &Device, body: B) -> Result<Self, Error> {
        let signature = device.sign(B::LABEL, &signed_bytes(&body)?);
        let signature = Signature::from_bytes(&signature);
        Ok(Self { body, signature })
    }

    /// Whether the device with this key signed it.
    pub(crate) fn verify(&self, signature_key: &[u8; 32]) -> Result<(), Error> {
        let signature = self.signature.to_bytes();
        verify_device_signature(
            signature_key,
            B::LABEL,
            &signed_bytes(&self.body)?,
            &signature,
        )
    }

    /// What is signed.
    pub(crate) fn signed_bytes(&self) -> Result<Vec<u8>, Error> {
        signed_bytes(&self.body)
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = self.signed_bytes()?;
        bytes.extend_from_slice(&self.signature.to_bytes());
        Ok(bytes)
    }

    /// Reads the one encoding of an object; its signature is not checked.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > B::LEN_MAX {
            return Err(Invalid::TooLong.into());
        }
        let (signed, signature) = bytes.split_last_chunk::<64>().ok_or(Invalid::Malformed)?;
        let (version, body) = signed.split_first().ok_or(Invalid::Malformed)?;
        if *version != VERSION {
            return Err(Invalid::Malformed.into());
        }
        let body: B = postcard::from_bytes(body).map_err(|_| Invalid::Malformed)?;
        // Encoding again refuses trailing bytes and numbers written longer than needed.
        if signed_bytes(&body)? != signed {
            return Err(Invalid::Malformed.into());
        }
        let signature = Signature::from_bytes(signature);
        Ok(Self { body, signature })
    }
}

fn signed_bytes<B: Body>(body: &B) -> Result<Vec<u8>, Error> {
    postcard::to_extend(body, vec![VERSION]).map_err(|_| Error::Internal("encoding what is signed"))
}

impl Signature {
    fn from_bytes(bytes: &[u8; 64]) -> Self {
        let mut halves = Self([0; 32], [0; 32]);
        for (to, from) in halves.0.iter_mut().chain(&mut halves.1).zip(bytes) {
            *to = *from;
        }
        halves
    }

    fn to_bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        for (to, from) in bytes.iter_mut().zip(self.0.iter().chain(&self.1)) {
            *to = *from;
        }
        bytes
    }
}
