//! How a profile is unlocked, and what a guess at a passphrase costs.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;

/// What opens a profile.
pub enum Unlock {
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
            Self::Key(_) => UnlockMethod::Keychain,
            Self::Passphrase(_) => UnlockMethod::Passphrase,
        }
    }
}

impl std::fmt::Debug for Unlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Unlock::Key",
            Self::Passphrase(_) => "Unlock::Passphrase",
        })
    }
}

/// How a profile is unlocked; readable without any secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnlockMethod {
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

/// The key that wraps the master key. For a keychain key cost and salt play no part.
pub(crate) fn wrapping_key(
    unlock: &Unlock,
    cost: Cost,
    salt: &[u8; 16],
) -> Result<Zeroizing<[u8; 32]>, Error> {
    match unlock {
        Unlock::Key(key) => Ok(key.clone()),
        Unlock::Passphrase(passphrase) => hash_passphrase(passphrase, cost, salt),
    }
}

/// Argon2id over a passphrase.
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

    #[test]
    fn passphrase_salt_and_cost_each_change_the_key() {
        let key = |text: &str, salt, cost| {
            *wrapping_key(
                &Unlock::Passphrase(Zeroizing::new(text.into())),
                cost,
                &salt,
            )
            .unwrap()
        };
        let base = key("소리", [1; 16], Cost::WEAK);
        assert_eq!(base, key("소리", [1; 16], Cost::WEAK));
        assert_ne!(base, key("소리 ", [1; 16], Cost::WEAK));
        assert_ne!(base, key("소리", [2; 16], Cost::WEAK));
        assert_ne!(
            base,
            key(
                "소리",
                [1; 16],
                Cost {
                    passes: 2,
                    ..Cost::WEAK
                }
            )
        );
    }
}
