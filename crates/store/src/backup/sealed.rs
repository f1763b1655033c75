//! What a file's maker can put behind a good header: any bytes, sealed as they should be. For fuzzing alone.

#![expect(clippy::expect_used, reason = "a fuzz target says no in this way")]

use std::sync::LazyLock;

use chacha20poly1305::aead::Payload;

use super::header::Header;
use super::{BackupReader, BackupRecord, END, RECORD, SEGMENT_LEN};
use crate::unlock::Cost;

/// Made once: the passphrase takes longer than all the rest.
static HEADER: LazyLock<Header> =
    LazyLock::new(|| Header::new("fuzz", Cost::WEAK, &[7; 35]).expect("a header"));

/// Seals bytes as the body of a file and reads them as a backup.
pub(crate) fn read_sealed(bytes: &[u8]) {
    let file = seal(&HEADER, bytes);
    let mut reader = BackupReader::behind(&HEADER, file.as_slice());
    let mut records = Vec::new();
    loop {
        match reader.next_record() {
            Ok(Some(record)) => records.push(record),
            Ok(None) => break,
            Err(_) => return,
        }
    }
    assert_eq!(bytes, plaintext(&records), "records have one encoding");
}

fn seal(header: &Header, bytes: &[u8]) -> Vec<u8> {
    let mut stream = header.encryptor();
    let mut file = Vec::new();
    let mut rest = bytes;
    while rest.len() > SEGMENT_LEN {
        let (segment, later) = rest.split_at(SEGMENT_LEN);
        let payload = Payload {
            msg: segment,
            aad: &header.bytes,
        };
        file.extend(stream.encrypt_next(payload).expect("a segment"));
        rest = later;
    }
    let payload = Payload {
        msg: rest,
        aad: &header.bytes,
    };
    file.extend(stream.encrypt_last(payload).expect("the last segment"));
    file
}

fn plaintext(records: &[BackupRecord]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        let key_len = u8::try_from(record.key.len()).expect("a short key");
        let value_len = u32::try_from(record.value.len()).expect("a bounded value");
        bytes.extend_from_slice(&[RECORD, record.table, key_len]);
        bytes.extend_from_slice(&record.key);
        bytes.extend_from_slice(&value_len.to_be_bytes());
        bytes.extend_from_slice(&record.value);
    }
    bytes.push(END);
    bytes.extend_from_slice(&(records.len() as u64).to_be_bytes());
    bytes
}
