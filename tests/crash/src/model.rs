//! What a store has to hold, and what must be unreadable in its files.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::chance::Chance;
use crate::plan::{GROUP_MARK, Kind, PAGE_LEN, Write};
use crate::value::Value;

/// A further division of a page.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Class(pub u32);

/// All records: table and key, value.
pub(crate) type Contents = BTreeMap<(Kind, Vec<u8>), Vec<u8>>;

/// Records that share a key: table, page, class.
type Bucket = (Kind, Vec<u8>, Class);

/// What has become of a version that is not the present one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// Unreadable after the first forgetting that follows this step.
    Doomed {
        /// The step that overwrote or deleted it.
        at: u64,
    },
    /// Readable still: its bucket's key lives on.
    Lingers,
    /// It is the present version of its record.
    Lives,
}

/// The contents after a number of steps, and the fate of every version so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    records: BTreeMap<(Kind, Vec<u8>), Record>,
    fates: BTreeMap<u64, Fate>,
    homes: BTreeMap<u64, (Kind, Vec<u8>)>,
    lingering: BTreeMap<Bucket, Vec<u64>>,
    /// The last step that changed the contents.
    head: u64,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    value: Value,
    class: Class,
}

impl Model {
    /// The last step that changed the contents; 0 if none did.
    pub(crate) const fn head(&self) -> u64 {
        self.head
    }

    /// Everything the store has to hold.
    pub(crate) fn contents(&self) -> Contents {
        let bytes = |record: &Record| record.value.bytes();
        self.records
            .iter()
            .map(|(place, record)| (place.clone(), bytes(record)))
            .collect()
    }

    /// The present versions.
    pub(crate) fn values(&self) -> impl Iterator<Item = Value> {
        self.records.values().map(|record| record.value)
    }

    /// The fate of every version that was ever written.
    pub(crate) const fn fates(&self) -> &BTreeMap<u64, Fate> {
        &self.fates
    }

    /// What is known of a version, for a report.
    pub(crate) fn story(&self, version: u64) -> String {
        let home = self.homes.get(&version);
        let home = home.map(|(kind, key)| format!("{kind:?} {:?}", &key[GROUP_MARK.len()..]));
        format!(
            "version {version} ({home:?}, {:?})",
            self.fates.get(&version)
        )
    }

    /// SHA-256 over all records: table, key, version and length of each.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for ((kind, key), record) in &self.records {
            hash.update([*kind as u8, key.len() as u8]);
            hash.update(key);
            hash.update(record.value.version.to_be_bytes());
            hash.update(record.value.len.to_be_bytes());
        }
        hash.finalize().into()
    }

    pub(crate) fn holds(&self, kind: Kind, key: &[u8]) -> bool {
        self.records.contains_key(&(kind, key.to_vec()))
    }

    /// All keys of a table that start with `prefix`.
    pub(crate) fn keys(&self, kind: Kind, prefix: &[u8]) -> Vec<Vec<u8>> {
        let from = (kind, prefix.to_vec());
        self.records
            .range(from..)
            .take_while(|((at, key), _)| *at == kind && key.starts_with(prefix))
            .map(|((_, key), _)| key.clone())
            .collect()
    }

    /// Any key of a table that starts with `prefix`.
    pub(crate) fn pick(&self, kind: Kind, prefix: &[u8], chance: &mut Chance) -> Option<Vec<u8>> {
        let keys = self.keys(kind, prefix);
        keys.get(chance.index(keys.len())).cloned()
    }

    /// Carries out step `number`.
    pub(crate) fn commit(&mut self, writes: &[Write], number: u64) {
        self.head = number;
        let mut shrunk = Vec::new();
        for write in writes {
            match write {
                Write::Delete { kind, key } => shrunk.extend(self.delete(*kind, key, number)),
                Write::Put {
                    kind,
                    key,
                    class,
                    value,
                } => {
                    let class = class.unwrap_or(Class(0));
                    self.put(*kind, key, class, *value, number);
                }
                Write::PutForgetting { kind, key, value } => {
                    self.put_forgetting(*kind, key, *value, number);
                }
            }
        }
        for bucket in shrunk {
            if bucket.0 == Kind::Paged || !self.is_inhabited(&bucket) {
                self.doom_bucket(&bucket, number);
            }
        }
    }

    fn put(&mut self, kind: Kind, key: &[u8], class: Class, value: Value, number: u64) {
        let old = self.records.get(&(kind, key.to_vec())).copied();
        // A record stays in the bucket that it was put into first.
        let class = old.map_or(class, |old| old.class);
        self.fates.insert(value.version, Fate::Lives);
        self.homes.insert(value.version, (kind, key.to_vec()));
        self.records
            .insert((kind, key.to_vec()), Record { value, class });
        let Some(old) = old else { return };
        if kind == Kind::Own {
            self.doom(old.value.version, number);
        } else {
            self.linger(kind, key, old);
        }
    }

    fn put_forgetting(&mut self, kind: Kind, key: &[u8], value: Value, number: u64) {
        let old = self.records.get(&(kind, key.to_vec())).copied();
        self.put(kind, key, Class(0), value, number);
        if let Some(old) = old {
            self.doom_bucket(&bucket(kind, key, old.class), number);
        }
    }

    /// Takes a record away; answers the bucket that it leaves, if it shared one.
    fn delete(&mut self, kind: Kind, key: &[u8], number: u64) -> Option<Bucket> {
        let old = self.records.remove(&(kind, key.to_vec()))?;
        if kind == Kind::Own {
            self.doom(old.value.version, number);
            return None;
        }
        self.linger(kind, key, old);
        Some(bucket(kind, key, old.class))
    }

    fn is_inhabited(&self, (kind, page, class): &Bucket) -> bool {
        let from = (*kind, page.clone());
        self.records
            .range(from..)
            .take_while(|((at, key), _)| at == kind && key.starts_with(page))
            .any(|(_, record)| record.class == *class)
    }

    fn linger(&mut self, kind: Kind, key: &[u8], old: Record) {
        self.fates.insert(old.value.version, Fate::Lingers);
        self.lingering
            .entry(bucket(kind, key, old.class))
            .or_default()
            .push(old.value.version);
    }

    fn doom_bucket(&mut self, bucket: &Bucket, number: u64) {
        for version in self.lingering.remove(bucket).unwrap_or_default() {
            self.doom(version, number);
        }
    }

    fn doom(&mut self, version: u64, at: u64) {
        self.fates.insert(version, Fate::Doomed { at });
    }
}

fn bucket(kind: Kind, key: &[u8], class: Class) -> Bucket {
    (kind, key[..PAGE_LEN.min(key.len())].to_vec(), class)
}
