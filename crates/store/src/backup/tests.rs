use proptest::prelude::*;
use zeroize::Zeroizing;

use super::header::HEADER_LEN;
use super::*;
use crate::Cost;

const PASSPHRASE: &str = "소리 없는 아우성";

fn record(table: u8, key: &[u8], value: Vec<u8>) -> BackupRecord {
    BackupRecord {
        table,
        key: key.to_vec(),
        value: Zeroizing::new(value),
    }
}

fn written(records: &[BackupRecord]) -> Vec<u8> {
    let mut writer = BackupWriter::new(Vec::new(), PASSPHRASE, Cost::WEAK, [7; 32]).unwrap();
    for record in records {
        writer
            .record(record.table, &record.key, &record.value)
            .unwrap();
    }
    writer.finish().unwrap()
}

fn read(bytes: &[u8], passphrase: &str) -> Result<Vec<BackupRecord>, BackupError> {
    let mut reader = BackupReader::open(bytes, passphrase)?;
    let mut records = Vec::new();
    while let Some(record) = reader.next_record()? {
        records.push(record);
    }
    Ok(records)
}

/// Two records of together more than two segments.
fn long() -> Vec<BackupRecord> {
    vec![
        record(1, b"a", vec![1; 100_000]),
        record(2, b"", Vec::new()),
        record(255, &[9; 64], vec![2; 70_000]),
    ]
}

#[test]
fn backup_gives_back_what_was_put_in() {
    for records in [Vec::new(), long(), vec![record(3, b"k", b"words".to_vec())]] {
        assert_eq!(read(&written(&records), PASSPHRASE).unwrap(), records);
    }
}

#[test]
fn lengths_around_a_segment_are_read_back() {
    // The frame of one record and of the end takes 7 + 9 bytes.
    for len in SEGMENT_LEN - 20..SEGMENT_LEN + 4 {
        let records = vec![record(1, b"", vec![5; len])];
        assert_eq!(
            read(&written(&records), PASSPHRASE).unwrap(),
            records,
            "{len}"
        );
    }
}

#[test]
fn wrong_passphrase_is_told_from_damage() {
    let bytes = written(&long());
    assert_eq!(read(&bytes, "other"), Err(BackupError::WrongPassphrase));
    let mut damaged = bytes;
    damaged[30] ^= 1;
    assert_eq!(
        read(&damaged, PASSPHRASE),
        Err(BackupError::Damaged { at: 0 })
    );
}

#[test]
fn nothing_that_was_put_in_is_seen_in_the_file() {
    let bytes = written(&[record(1, b"marker-in-key", b"marker-in-value".to_vec())]);
    for marker in [&b"marker"[..], PASSPHRASE.as_bytes()] {
        assert!(!bytes.windows(marker.len()).any(|window| window == marker));
    }
}

#[test]
fn backup_cut_anywhere_is_refused() {
    let bytes = written(&long());
    let boundary = HEADER_LEN + SEGMENT_LEN + TAG_LEN;
    for len in (0..bytes.len())
        .step_by(997)
        .chain([boundary, boundary + 1, bytes.len() - 1])
    {
        let refusal = read(&bytes[..len], PASSPHRASE).unwrap_err();
        let expected = if len < 10 {
            BackupError::NotABackup
        } else {
            BackupError::Truncated
        };
        assert_eq!(refusal, expected, "{len}");
    }
}

#[test]
fn backup_with_a_changed_bit_or_more_behind_is_refused() {
    let bytes = written(&long());
    for at in (0..bytes.len()).step_by(613) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        assert!(read(&changed, PASSPHRASE).is_err(), "byte {at}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(read(&longer, PASSPHRASE).is_err());
}

#[test]
fn segments_in_another_order_are_refused() {
    let bytes = written(&long());
    let segment = SEGMENT_LEN + TAG_LEN;
    let mut changed = bytes[..HEADER_LEN].to_vec();
    changed.extend(&bytes[HEADER_LEN + segment..HEADER_LEN + 2 * segment]);
    changed.extend(&bytes[HEADER_LEN..HEADER_LEN + segment]);
    changed.extend(&bytes[HEADER_LEN + 2 * segment..]);
    assert!(matches!(
        read(&changed, PASSPHRASE),
        Err(BackupError::Damaged { .. })
    ));
}

#[test]
fn other_files_and_later_versions_are_named() {
    assert_eq!(read(b"", PASSPHRASE), Err(BackupError::NotABackup));
    assert_eq!(
        read(&[0x50; 4000], PASSPHRASE),
        Err(BackupError::NotABackup)
    );
    let mut later = written(&[]);
    later[9] = 2;
    assert_eq!(read(&later, PASSPHRASE), Err(BackupError::NewerVersion));
}

#[test]
fn record_above_the_bounds_of_a_store_is_refused() {
    let mut writer = BackupWriter::new(Vec::new(), "x", Cost::WEAK, [7; 32]).unwrap();
    assert_eq!(writer.record(1, &[0; 65], b""), Err(BackupError::TooLarge));
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), keep in 0_usize..188) {
        let mut file = written(&[record(1, b"k", vec![3; 50])]);
        prop_assert_eq!(file.len(), 188);
        file.truncate(keep);
        file.extend(bytes);
        prop_assert!(read(&file, PASSPHRASE).is_err());
    }
}
