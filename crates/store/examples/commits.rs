//! Measures durable commits: `cargo run --release -p sori-store --example commits [FOLDER]`.
//!
//! Prints commits a second for steps of 1 and of 50 records of 300 bytes, and how long one value of
//! 16 MiB takes. FOLDER should be on the disk to be measured; a temporary folder otherwise.
#![expect(clippy::print_stdout, reason = "a measurement is there to be read")]

use std::path::Path;
use std::time::Instant;

use sori_store::{Error, Store, Table, Unlock, VALUE_LEN_MAX};
use zeroize::Zeroizing;

/// Records by number, 256 to a page.
const RECORDS: Table = Table::paged(1, 7);
const LARGE: Table = Table::own(2);

fn main() -> Result<(), Error> {
    let folder = std::env::args().nth(1);
    let folder = folder.map_or_else(std::env::temp_dir, Into::into);
    let dir = folder.join(format!("sori-store-commits-{}", std::process::id()));
    let result = measure(&dir);
    std::fs::remove_dir_all(&dir)?;
    result
}

fn measure(dir: &Path) -> Result<(), Error> {
    let unlock = Unlock::Passphrase(Zeroizing::new("measured".into()));
    timed("create", 1, || {
        Store::create(dir, &unlock, [1; 32]).map(drop)
    })?;
    let mut store = Store::open(dir, &unlock, [2; 32])?;
    let mut counter = 0_u64;
    for (count, records) in [(2000_u32, 1), (500, 50)] {
        timed(&format!("commit of {records}"), count, || {
            for _ in 0..count {
                for _ in 0..records {
                    counter += 1;
                    store.put(RECORDS, &counter.to_be_bytes(), &[7; 300])?;
                }
                store.commit()?;
            }
            Ok(())
        })?;
    }
    timed("read of one", 20_000, || {
        for key in 1..=20_000_u64 {
            store.get(RECORDS, &key.to_be_bytes())?;
        }
        Ok(())
    })?;
    timed("range of 256", 1, || {
        store.range(RECORDS, &[0, 0, 0, 0, 0, 0, 1]).map(drop)
    })?;
    timed("count everything", 1, || store.verify().map(drop))?;
    let largest = vec![7; VALUE_LEN_MAX];
    timed("commit of 16 MiB", 1, || {
        store.put(LARGE, b"largest", &largest)?;
        store.commit()
    })?;
    timed("commit of 16 MiB over 16 MiB", 1, || {
        store.put(LARGE, b"largest", &largest)?;
        store.commit()
    })?;
    timed("read of 16 MiB", 1, || {
        store.get(LARGE, b"largest").map(drop)
    })?;
    timed("close", 1, || {
        drop(store);
        Ok(())
    })?;
    timed("open", 1, || Store::open(dir, &unlock, [3; 32]).map(drop))
}

fn timed(what: &str, count: u32, run: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    let start = Instant::now();
    run()?;
    let each = start.elapsed() / count;
    let rate = 1.0 / each.as_secs_f64();
    println!("{what:30} {each:>12.1?} each {rate:>10.1} a second");
    Ok(())
}
