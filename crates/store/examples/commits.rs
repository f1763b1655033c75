//! Measures durable commits: `cargo run --release -p sori-store --example commits [FOLDER]`.
//!
//! For each engine: commits a second of 1 and of 50 records of 300 bytes, reads, one value of 16 MiB; then
//! what one received message costs, sealed and not sealed, in turns so that both see the same machine.
//! FOLDER should be on the disk to be measured; a temporary folder otherwise. Processor time counts all
//! threads; on a busy machine it and the ratios say more than the clock.
#![expect(clippy::print_stdout, reason = "a measurement is there to be read")]

use std::path::Path;
use std::time::{Duration, Instant};

use sori_store::{Backend, Error, Options, Store, Table, Unlock, Unsealed, VALUE_LEN_MAX};
use zeroize::Zeroizing;

/// Records by number, 256 to a page.
const RECORDS: Table = Table::paged(1, 7);
const LARGE: Table = Table::own(2);
/// A received message: the state of its group, the message itself, the envelope.
const STATES: Table = Table::own(3);
const MESSAGES: Table = Table::paged(4, 7);
const ENVELOPES: Table = Table::log(5, 7);
const STATE_LEN: usize = 6600;
const MESSAGE_LEN: usize = 300;
const ENVELOPE_LEN: usize = 500;
/// What fits a row that is not sealed.
const ROW_LEN: usize = 4000;

fn main() -> Result<(), Error> {
    let folder = std::env::args().nth(1);
    let folder = folder.map_or_else(std::env::temp_dir, Into::into);
    let dir = folder.join(format!("sori-store-commits-{}", std::process::id()));
    let result = Backend::ALL.into_iter().try_for_each(|backend| {
        println!("== {backend}");
        measure_store(&dir.join(backend.name()), backend)?;
        measure_sealing(&dir.join(backend.name()), backend)
    });
    std::fs::remove_dir_all(&dir)?;
    result
}

fn unlock() -> Unlock {
    Unlock::Passphrase(Zeroizing::new("measured".into()))
}

fn create(dir: &Path, backend: Backend) -> Result<Store, Error> {
    let options = Options {
        backend,
        ..Options::default()
    };
    Store::create_with(dir, &unlock(), options, [1; 32])
}

fn measure_store(dir: &Path, backend: Backend) -> Result<(), Error> {
    let dir = dir.join("general");
    timed("create", 1, || create(&dir, backend).map(drop))?;
    let mut store = Store::open(&dir, &unlock(), [2; 32])?;
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
    for what in ["commit of 16 MiB", "commit of 16 MiB over 16 MiB"] {
        timed(what, 1, || {
            store.put(LARGE, b"largest", &largest)?;
            store.commit()
        })?;
    }
    timed("read of 16 MiB", 1, || {
        store.get(LARGE, b"largest").map(drop)
    })?;
    timed("rebuild", 1, || store.rebuild(&mut |_| ()))?;
    timed("close", 1, || {
        drop(store);
        Ok(())
    })?;
    timed("open", 1, || {
        Store::open(&dir, &unlock(), [3; 32]).map(drop)
    })
}

/// One received message a commit, for twenty groups in turn.
fn measure_sealing(dir: &Path, backend: Backend) -> Result<(), Error> {
    const ROUNDS: u64 = 10;
    const MESSAGES_A_ROUND: u64 = 200;
    let mut store = create(&dir.join("sealed"), backend)?;
    let unsealed = Unsealed::open(&dir.join("unsealed"), backend)?;
    let (mut with, mut without) = (Cost::default(), Cost::default());
    for round in 0..ROUNDS {
        let messages = round * MESSAGES_A_ROUND..(round + 1) * MESSAGES_A_ROUND;
        for n in messages.clone() {
            with.of(|| receive_sealed(&mut store, n))?;
        }
        // What the engine does ten times a second beside its commits.
        with.beside(|| store.forget())?;
        for n in messages {
            without.of(|| receive_unsealed(&unsealed, n))?;
        }
    }
    println!(
        "one received message: {STATE_LEN} + {MESSAGE_LEN} + {ENVELOPE_LEN} bytes in one commit"
    );
    let [wall, processor] = with.print("sealed");
    let [wall_without, processor_without] = without.print("not sealed");
    println!(
        "{:30} {:>12.2} by the clock {:>8.2} of processor time",
        "sealed / not sealed",
        wall.div_duration_f64(wall_without),
        processor.div_duration_f64(processor_without)
    );
    Ok(())
}

fn receive_sealed(store: &mut Store, n: u64) -> Result<(), Error> {
    store.put(STATES, &(n % 20).to_be_bytes(), &[n as u8; STATE_LEN])?;
    store.put(MESSAGES, &n.to_be_bytes(), &[n as u8; MESSAGE_LEN])?;
    store.put(ENVELOPES, &n.to_be_bytes(), &[n as u8; ENVELOPE_LEN])?;
    store.commit()
}

fn receive_unsealed(unsealed: &Unsealed, n: u64) -> Result<(), Error> {
    let key = |table: u8, number: u64, row: u8| {
        let number = number.to_be_bytes();
        [&[2, table][..], &number, &[0, row]].concat()
    };
    unsealed.commit(vec![
        (key(3, n % 20, 0), vec![n as u8; ROW_LEN]),
        (key(3, n % 20, 1), vec![n as u8; STATE_LEN - ROW_LEN]),
        (key(4, n, 0), vec![n as u8; MESSAGE_LEN]),
        (key(5, n, 0), vec![n as u8; ENVELOPE_LEN]),
    ])
}

/// What many commits cost.
#[derive(Default)]
struct Cost {
    walls: Vec<Duration>,
    processor: Duration,
}

impl Cost {
    fn of(&mut self, run: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let start = Instant::now();
        self.beside(run)?;
        self.walls.push(start.elapsed());
        Ok(())
    }

    /// Counted as processor time, and not as a commit.
    fn beside(&mut self, run: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let start = processor_time();
        run()?;
        self.processor += processor_time() - start;
        Ok(())
    }

    /// Prints and answers the median by the clock and the mean of processor time.
    fn print(mut self, what: &str) -> [Duration; 2] {
        self.walls.sort();
        let median = self.walls[self.walls.len() / 2];
        let mean = self.processor / self.walls.len() as u32;
        println!("{what:30} {median:>12.1?} median {mean:>12.1?} of processor time");
        [median, mean]
    }
}

/// Of all threads of this process; zero where nobody tells.
fn processor_time() -> Duration {
    #[cfg(not(unix))]
    return Duration::ZERO;
    #[cfg(unix)]
    clock()
}

#[cfg(unix)]
fn clock() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn timed(what: &str, count: u32, run: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    let (start, processor) = (Instant::now(), processor_time());
    run()?;
    let each = start.elapsed() / count;
    let rate = 1.0 / each.as_secs_f64();
    let processor = (processor_time() - processor) / count;
    println!(
        "{what:30} {each:>12.1?} each {rate:>10.1} a second {processor:>12.1?} of processor time"
    );
    Ok(())
}
