//! What every backend must do.

use super::{Kv, Op};

/// Runs all checks on an empty backend.
pub(crate) fn run(kv: &dyn Kv) {
    let put = |key: &[u8], value: &[u8]| Op {
        key: key.to_vec(),
        value: Some(value.to_vec()),
    };
    let delete = |key: &[u8]| Op {
        key: key.to_vec(),
        value: None,
    };
    assert_eq!(kv.get(b"a").unwrap(), None);
    kv.commit(Vec::new()).unwrap();
    kv.commit(vec![put(b"b", b"2"), put(b"a", b"1"), put(b"c", b"")])
        .unwrap();
    assert_eq!(kv.get(b"a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(kv.get(b"c").unwrap(), Some(Vec::new()));
    kv.commit(vec![delete(b"a"), put(b"b", b"3"), delete(b"none")])
        .unwrap();
    assert_eq!(kv.get(b"a").unwrap(), None);
    assert_eq!(kv.get(b"b").unwrap(), Some(b"3".to_vec()));

    kv.commit((0..=255).map(|n| put(&[b'r', n], &[n])).collect())
        .unwrap();
    let rows = kv.range(b"r", Some(b"s"), 1000).unwrap();
    assert_eq!(rows.len(), 256);
    assert!(rows.is_sorted());
    assert_eq!(kv.range(b"r", Some(b"s"), 3).unwrap().len(), 3);
    assert_eq!(
        kv.range(&[b'r', 10], Some(&[b'r', 12]), 9).unwrap().len(),
        2
    );
    assert_eq!(kv.range(&[b'r', 255], None, 9).unwrap().len(), 1);
    assert!(kv.range(b"s", Some(b"a"), 9).unwrap().is_empty());
    assert_eq!(kv.maintain().unwrap().stray_files, 0);
}

#[test]
fn memory_conforms() {
    run(&super::memory::MemoryDisk::new().attach().unwrap());
}
