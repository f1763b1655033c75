//! Whom a slot belongs to: one sealed row in the database for each slot in use.
//!
//! Backend key: `0x03 | slot u32`. Plaintext, 71 bytes whatever the owner: `kind u8 | table u8 | class u32 |
//! length u8 | record key or page, filled with zeros to 64`. A slot without such a row is in the pool.

use zeroize::Zeroizing;

use crate::kv::Op;
use crate::table::{Class, KEY_LEN_MAX, Keeping, Table};

/// First byte of the backend keys of owner rows.
pub(crate) const OWNERS: u8 = 0x03;

const PLAIN_LEN: usize = 1 + 1 + 4 + 1 + KEY_LEN_MAX;

/// Records that share a slot: those of one table whose keys begin alike and that were put in one class.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Bucket {
    pub(crate) table: u8,
    pub(crate) page: Vec<u8>,
    pub(crate) class: Class,
}

/// What a slot's key opens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Owner {
    /// The records of a bucket.
    Bucket(Bucket),
    /// Nothing any more: the key is to be overwritten.
    Erasing,
    /// One record.
    Record { table: u8, key: Vec<u8> },
}

impl Owner {
    /// The bytes to seal.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let (kind, table, class, bytes): (u8, u8, Class, &[u8]) = match self {
            Self::Record { table, key } => (1, *table, Class::NONE, key),
            Self::Bucket(bucket) => (2, bucket.table, bucket.class, &bucket.page),
            Self::Erasing => (3, 0, Class::NONE, &[]),
        };
        let mut plain = Zeroizing::new(Vec::with_capacity(PLAIN_LEN));
        plain.extend_from_slice(&[kind, table]);
        plain.extend_from_slice(&class.0.to_be_bytes());
        // Keys are at most 64 bytes, checked at the door.
        plain.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
        plain.extend_from_slice(bytes);
        plain.resize(PLAIN_LEN, 0);
        plain
    }

    /// Reads what was sealed.
    pub(crate) fn decode(plain: &[u8]) -> Option<Self> {
        let ([kind, table], rest) = plain.split_first_chunk::<2>()?;
        let (class, rest) = rest.split_first_chunk::<4>()?;
        let (len, rest) = rest.split_first()?;
        let (bytes, padding) = rest.split_at_checked(usize::from(*len))?;
        if plain.len() != PLAIN_LEN || padding.iter().any(|byte| *byte != 0) {
            return None;
        }
        let class = Class(u32::from_be_bytes(*class));
        match kind {
            1 => Some(Self::Record {
                table: *table,
                key: bytes.to_vec(),
            }),
            2 => Some(Self::Bucket(Bucket {
                table: *table,
                page: bytes.to_vec(),
                class,
            })),
            3 => Some(Self::Erasing),
            _ => None,
        }
    }

    /// Whether this owner is the record at `key` of `table`, alone or with others.
    pub(crate) fn has(&self, (table, key): (u8, &[u8])) -> bool {
        match self {
            Self::Record { table: at, key: of } => *at == table && of == key,
            Self::Bucket(bucket) => bucket.table == table && key.starts_with(&bucket.page),
            Self::Erasing => false,
        }
    }
}

impl Bucket {
    /// The bucket of a record that is put in `class`; `None` where records have slots of their own.
    pub(crate) fn of(table: Table, key: &[u8], class: Class) -> Option<Self> {
        let page_len = match table.keeping() {
            Keeping::Own => return None,
            Keeping::Log { page_len } | Keeping::Paged { page_len } => page_len,
        };
        Some(Self {
            table: table.number(),
            page: key.iter().take(page_len).copied().collect(),
            class,
        })
    }
}

/// The backend key of a slot's owner row.
pub(crate) fn owner_key(slot: u32) -> Vec<u8> {
    let mut key = vec![OWNERS];
    key.extend_from_slice(&slot.to_be_bytes());
    key
}

/// The slot of an owner row's backend key.
pub(crate) fn slot_of(key: &[u8]) -> Option<u32> {
    let slot = key.strip_prefix(&[OWNERS])?;
    Some(u32::from_be_bytes(slot.try_into().ok()?))
}

/// Removes a slot's owner row.
pub(crate) fn removal(slot: u32) -> Op {
    Op {
        key: owner_key(slot),
        value: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_owner_survives_encoding_in_the_same_length() {
        let owners = [
            Owner::Erasing,
            Owner::Record {
                table: 3,
                key: vec![7; KEY_LEN_MAX],
            },
            Owner::Record {
                table: 0,
                key: Vec::new(),
            },
            Owner::Bucket(Bucket {
                table: 9,
                page: b"page".to_vec(),
                class: Class(77),
            }),
        ];
        for owner in owners {
            let plain = owner.encode();
            assert_eq!(plain.len(), PLAIN_LEN);
            assert_eq!(Owner::decode(&plain), Some(owner));
            assert_eq!(Owner::decode(&plain[1..]), None);
        }
        assert_eq!(Owner::decode(&[9; PLAIN_LEN]), None);
    }

    #[test]
    fn bucket_is_table_page_and_class() {
        let table = Table::paged(5, 2);
        let bucket = |key: &[u8], class| Bucket::of(table, key, class).unwrap();
        assert_eq!(bucket(b"ab1", Class::NONE), bucket(b"ab2", Class::NONE));
        assert_ne!(bucket(b"ab1", Class::NONE), bucket(b"ab1", Class(1)));
        assert_ne!(bucket(b"ab1", Class::NONE), bucket(b"ac1", Class::NONE));
        assert_eq!(bucket(b"a", Class::NONE).page, b"a");
        assert_eq!(Bucket::of(Table::own(5), b"a", Class::NONE), None);
    }

    #[test]
    fn owner_key_tells_the_slot() {
        assert_eq!(slot_of(&owner_key(70_000)), Some(70_000));
        assert_eq!(slot_of(&[OWNERS, 1]), None);
        assert_eq!(slot_of(&[2, 0, 0, 0, 1]), None);
    }
}
