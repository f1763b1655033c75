//! How a profile is unlocked, and what a guess at a passphrase costs.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::entropy::Entropy;
use crate::error::Error;
use crate::slots::locked::Locked;

/// What opens a profile.
pub enum Unlock {
    /// Both at once: neither opens anything without the other, and which one was wrong is not told.
    Both {
        /// As in [`Unlock::Passphrase`].
        passphrase: Zeroizing<String>,
        /// As in [`Unlock::Key`].
        key: Zeroizing<[u8; 32]>,
    },
    /// A passphrase; hashed with Argon2id. Bytes are UTF-8 as given: the caller normalises (NFC) if it
    /// wants the same passphrase typed on another keyboard to match.
    Passphrase(Zeroizing<String>),
    /// A random key of 32 bytes that the caller keeps in the operating system's keychain.
    Key(Zeroizing<[u8; 32]>),
}

impl Unlock {
    /// The method this secret belongs to.
    #[must_use]
    pub const fn method(&self) -> UnlockMethod {
        match self {
            Self::Both { .. } => UnlockMethod::Both,
            Self::Key(_) => UnlockMethod::Keychain,
            Self::Passphrase(_) => UnlockMethod::Passphrase,
        }
    }
}

impl std::fmt::Debug for Unlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Both { .. } => "Unlock::Both",
            Self::Key(_) => "Unlock::Key",
            Self::Passphrase(_) => "Unlock::Passphrase",
        })
    }
}

/// How a profile is unlocked; readable without any secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnlockMethod {
    /// By a passphrase and a key in the operating system's keychain, both needed.
    Both,
    /// By a key in the operating system's keychain.
    Keychain,
    /// By a passphrase.
    Passphrase,
}

/// What one guess at the passphrase costs (Argon2id, RFC 9106).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// 64 MiB, 3 passes, 1 lane: about a tenth of a second on a laptop.
    pub const STANDARD: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 1,
    };
    /// The least a caller may choose: 19 MiB, 2 passes, 1 lane.
    pub const FLOOR: Self = Self {
        memory_kib: 19 * 1024,
        passes: 2,
        lanes: 1,
    };
    /// The most a header may ask for, so that a damaged or planted one cannot eat all memory: 1 GiB.
    pub(crate) const CEILING: Self = Self {
        memory_kib: 1024 * 1024,
        passes: 64,
        lanes: 16,
    };
    /// For tests only: next to nothing.
    pub(crate) const WEAK: Self = Self {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };

    /// A cost of `memory_kib` KiB, `passes` passes and `lanes` lanes.
    ///
    /// # Errors
    /// [`Error::CostOutOfRange`] below [`Cost::FLOOR`] or above 1 GiB, 64 passes or 16 lanes.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, Error> {
        let cost = Self {
            memory_kib,
            passes,
            lanes,
        };
        if !cost.is_between(Self::FLOOR, Self::CEILING) {
            return Err(Error::CostOutOfRange);
        }
        Ok(cost)
    }

    /// Reads what a header says; `None` where no writer of ours can have written it.
    pub(crate) fn from_header(memory_kib: u32, passes: u32, lanes: u32) -> Option<Self> {
        let cost = Self {
            memory_kib,
            passes,
            lanes,
        };
        cost.is_between(Self::WEAK, Self::CEILING).then_some(cost)
    }

    /// Memory in KiB, passes, lanes.
    pub(crate) const fn parts(self) -> [u32; 3] {
        [self.memory_kib, self.passes, self.lanes]
    }

    fn is_between(self, floor: Self, ceiling: Self) -> bool {
        (floor.memory_kib..=ceiling.memory_kib).contains(&self.memory_kib)
            && (floor.passes..=ceiling.passes).contains(&self.passes)
            && (floor.lanes..=ceiling.lanes).contains(&self.lanes)
            && self.memory_kib >= self.lanes.saturating_mul(8)
    }
}

/// The key that wraps the master key, and how one gets there from the secret.
///
/// It is kept while the profile is open, so that the master key can be replaced without asking for the secret.
pub(crate) struct Wrapping {
    pub(crate) method: UnlockMethod,
    pub(crate) cost: Cost,
    pub(crate) salt: [u8; 16],
    key: Locked,
}

impl Wrapping {
    /// With a fresh salt.
    pub(crate) fn new(unlock: &Unlock, cost: Cost, entropy: &mut Entropy) -> Result<Self, Error> {
        Self::with_salt(unlock, cost, entropy.bytes())
    }

    /// As a header says. The passphrase is hashed whatever else is wrong, so that the time tells nothing.
    pub(crate) fn with_salt(unlock: &Unlock, cost: Cost, salt: [u8; 16]) -> Result<Self, Error> {
        let derived = match unlock {
            Unlock::Both { passphrase, key } => {
                both(&*hash_passphrase(passphrase, cost, &salt)?, key)?
            }
            Unlock::Key(key) => key.clone(),
            Unlock::Passphrase(passphrase) => hash_passphrase(passphrase, cost, &salt)?,
        };
        let mut key = Locked::zeroed(32);
        if let Some(place) = key.part_mut::<32>(0) {
            place.copy_from_slice(derived.as_slice());
        }
        Ok(Self {
            method: unlock.method(),
            cost,
            salt,
            key,
        })
    }

    /// The same, in memory of its own.
    pub(crate) fn duplicate(&self) -> Self {
        let mut key = Locked::zeroed(32);
        if let Some(place) = key.part_mut::<32>(0) {
            place.copy_from_slice(self.key());
        }
        Self { key, ..*self }
    }

    /// The wrapping key.
    pub(crate) fn key(&self) -> &[u8; 32] {
        self.key.part(0).unwrap_or(&[0; 32])
    }

    /// Whether the system keeps the key in memory.
    pub(crate) const fn is_locked(&self) -> bool {
        self.key.is_locked()
    }
}

impl std::fmt::Debug for Wrapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wrapping")
    }
}

/// One key from two, of which neither says anything without the other: HKDF-SHA256, with the key from the
/// keychain as salt.
fn both(hashed: &[u8; 32], key: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, Error> {
    let mut out = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(key), hashed)
        .expand(b"sori store both 2", out.as_mut_slice())
        .map_err(|_| Error::CostOutOfRange)?;
    Ok(out)
}

pub(crate) fn hash_passphrase(
    passphrase: &str,
    cost: Cost,
    salt: &[u8; 16],
) -> Result<Zeroizing<[u8; 32]>, Error> {
    let [memory_kib, passes, lanes] = cost.parts();
    let params =
        Params::new(memory_kib, passes, lanes, Some(32)).map_err(|_| Error::CostOutOfRange)?;
    let mut memory = vec![Block::default(); params.block_count()];
    let mut out = Zeroizing::new([0; 32]);
    let result = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(
            passphrase.as_bytes(),
            salt,
            out.as_mut_slice(),
            memory.as_mut_slice(),
        );
    memory.iter_mut().for_each(Zeroize::zeroize);
    result.map_err(|_| Error::CostOutOfRange)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_below_the_floor_is_refused() {
        assert!(Cost::new(19 * 1024, 2, 1).is_ok());
        assert!(Cost::new(19 * 1024 - 1, 2, 1).is_err());
        assert!(Cost::new(19 * 1024, 1, 1).is_err());
        assert!(Cost::new(19 * 1024, 2, 0).is_err());
    }

    #[test]
    fn cost_above_the_ceiling_is_refused() {
        assert!(Cost::new(1024 * 1024 + 1, 2, 1).is_err());
        assert!(Cost::new(64 * 1024, 65, 1).is_err());
        assert!(Cost::new(64 * 1024, 3, 17).is_err());
    }

    fn words(text: &str) -> Unlock {
        Unlock::Passphrase(Zeroizing::new(text.into()))
    }

    fn key(unlock: &Unlock, cost: Cost, salt: [u8; 16]) -> [u8; 32] {
        *Wrapping::with_salt(unlock, cost, salt).unwrap().key()
    }

    #[test]
    fn passphrase_salt_and_cost_each_change_the_key() {
        let base = key(&words("소리"), Cost::WEAK, [1; 16]);
        assert_eq!(base, key(&words("소리"), Cost::WEAK, [1; 16]));
        assert_ne!(base, key(&words("소리 "), Cost::WEAK, [1; 16]));
        assert_ne!(base, key(&words("소리"), Cost::WEAK, [2; 16]));
        let dearer = Cost {
            passes: 2,
            ..Cost::WEAK
        };
        assert_ne!(base, key(&words("소리"), dearer, [1; 16]));
    }

    #[test]
    fn of_both_secrets_each_changes_the_key() {
        let both = |text: &str, byte| {
            let unlock = Unlock::Both {
                passphrase: Zeroizing::new(text.into()),
                key: Zeroizing::new([byte; 32]),
            };
            key(&unlock, Cost::WEAK, [1; 16])
        };
        assert_eq!(both("one", 1), both("one", 1));
        assert_ne!(both("one", 1), both("one", 2));
        assert_ne!(both("one", 1), both("two", 1));
        assert_ne!(both("one", 1), key(&words("one"), Cost::WEAK, [1; 16]));
    }
}
