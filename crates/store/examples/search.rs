//! Measures searching a large profile: `cargo run --release -p sori-store --example search [MESSAGES] [FOLDER]`.
//!
//! Builds a profile with MESSAGES messages (a million, if nothing is said) in 100 conversations, with a filter
//! for each 256, in FOLDER (a temporary one otherwise; about 1.5 GB for a million), opens it again and times
//! what somebody waits for. Speeds are of the whole way: database, unsealing, filters, comparing.
#![expect(clippy::print_stdout, reason = "a measurement is there to be read")]

#[path = "../tests/common/corpus.rs"]
mod corpus;

use std::path::Path;
use std::time::{Duration, Instant};

use corpus::Corpus;
use sori_store::search::{Columns, Filter, FilterBuilder, FilterKey, Query, SLICES};
use sori_store::{Error, Store, Table, Unlock};
use zeroize::Zeroizing;

/// Conversation u32, number u64 → what stands before the text, and the text.
const MESSAGES: Table = Table::paged(1, 11);
/// Conversation u32, page u64, slice u8 → filter.
const FILTERS: Table = Table::paged(2, 12);
const CONVERSATIONS: u32 = 100;
/// Ids, clock, sender, receipts and the frame of the content.
const HEAD: usize = 150;
const PAGE: u64 = 256;
const FIRST: usize = 50;

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let count = args.next().and_then(|count| count.parse().ok());
    let folder = args.next().map_or_else(std::env::temp_dir, Into::into);
    let dir = folder.join(format!("sori-store-search-{}", std::process::id()));
    let result = measure(&dir, count.unwrap_or(1_000_000));
    std::fs::remove_dir_all(&dir)?;
    result
}

fn measure(dir: &Path, count: u64) -> Result<(), Error> {
    let each = count / u64::from(CONVERSATIONS);
    let unlock = Unlock::Passphrase(Zeroizing::new("measured".into()));
    drop(Store::create_with_weak_cost_for_tests(
        dir, &unlock, [1; 32],
    )?);
    let start = Instant::now();
    let mut store = Store::open(dir, &unlock, [2; 32])?;
    let filters = fill(&mut store, each)?;
    println!(
        "built in {:.0?}; filters of {filters} bytes in all",
        start.elapsed()
    );
    drop(store);

    let start = Instant::now();
    let store = Store::open(dir, &unlock, [3; 32])?;
    println!("open {:.1?}; resident {}", start.elapsed(), resident());
    for round in 0..2 {
        let start = Instant::now();
        for number in (each.saturating_sub(50)..each).rev() {
            store.get(MESSAGES, &key(7 + round, number))?;
        }
        println!("newest 50 of a conversation {:.1?}", start.elapsed());
    }
    let corpus = Corpus::new(SEED);
    let search = Search {
        store: &store,
        key: FilterKey::new([7; 16]),
        each,
    };
    println!(
        "{:>10} {:>10} {:>10} {:>8} {:>8} {:>8} {:>9}",
        "first", "50", "cpu", "hits", "filters", "columns", "messages"
    );
    for text in queries(&corpus) {
        search.run(&text)?;
    }
    println!("resident {}", resident());
    Ok(())
}

/// Writes messages as they come in time, and a filter whenever a page is full. The bytes of all filters.
fn fill(store: &mut Store, each: u64) -> Result<usize, Error> {
    let key_of_filters = FilterKey::new([7; 16]);
    let mut corpus = Corpus::new(SEED);
    let mut len = 0;
    for page in 0..each / PAGE {
        for conversation in 0..CONVERSATIONS {
            let mut builder = FilterBuilder::new(&key_of_filters);
            for index in 0..=u8::MAX {
                let text = corpus.message();
                builder.add(index, &text);
                let value = [&[9; HEAD], text.as_bytes()].concat();
                store.put(
                    MESSAGES,
                    &key(conversation, page * PAGE + u64::from(index)),
                    &value,
                )?;
            }
            for (slice, filter) in (0..SLICES).zip(builder.finish()) {
                len += filter.as_bytes().len();
                let key = [&key(conversation, page)[..], &[slice]].concat();
                store.put_forgetting(FILTERS, &key, filter.as_bytes())?;
            }
            store.commit()?;
        }
    }
    Ok(len)
}

struct Search<'a> {
    store: &'a Store,
    key: FilterKey,
    each: u64,
}

impl Search<'_> {
    /// Looks for the newest 50, page by page over all conversations, and prints how long it took.
    fn run(&self, text: &str) -> Result<(), Error> {
        let query = Query::parse(text).map_err(|_| Error::KeyTooLong)?;
        let probe = query.probe(&self.key);
        let (start, cpu) = (Instant::now(), cpu_time());
        let mut first = None;
        let (mut hits, mut filters, mut columns, mut messages) = (0, 0, 0, 0);
        'pages: for page in (0..self.each / PAGE).rev() {
            for conversation in 0..CONVERSATIONS {
                let mut candidates = Columns::ALL;
                for slice in probe.slices() {
                    let key = [&key(conversation, page)[..], &[slice]].concat();
                    let stored = self.store.get(FILTERS, &key)?;
                    filters += 1;
                    if let Some(filter) = stored.and_then(Filter::from_bytes) {
                        candidates = candidates.and(filter.candidates(slice, &probe));
                    }
                    if candidates.is_empty() {
                        break;
                    }
                }
                let indices: Vec<u8> = candidates.newest_first().flatten().collect();
                columns += candidates.newest_first().count();
                messages += indices.len();
                let page = key(conversation, page * PAGE);
                for (_, value) in self
                    .store
                    .get_each(MESSAGES, &page[..11], &indices)?
                    .iter()
                    .rev()
                {
                    let text = value
                        .get(HEAD..)
                        .and_then(|text| std::str::from_utf8(text).ok());
                    if text.is_some_and(|text| query.find(text).is_some()) {
                        first.get_or_insert_with(|| start.elapsed());
                        hits += 1;
                    }
                }
                if hits >= FIRST {
                    break 'pages;
                }
            }
        }
        let first = first.map_or_else(|| "-".to_owned(), |first| format!("{first:.1?}"));
        println!(
            "{first:>10} {:>10.1?} {:>10.0?} {hits:>8} {filters:>8} {columns:>8} {messages:>9}  {text}",
            start.elapsed(),
            cpu_time().saturating_sub(cpu),
        );
        Ok(())
    }
}

/// Frequent, middling, rare and absent words, alone and together.
fn queries(corpus: &Corpus) -> Vec<String> {
    let mut queries: Vec<String> = [
        "오늘",
        "what",
        "ok",
        "일",
        "오늘 회의",
        "\"오늘 회의\"",
        "문서 보고서",
        "what when",
        "보고서 약속 문서",
        "ㅅㄹ",
        "ㅎㅇㅅㅇ",
        "ㅃㅉ",
        "ㄸㄲㅍㅃ",
        "뷁",
        "qz",
        "없는말이다",
        "zzzzz",
        "지우합니다",
    ]
    .map(str::to_owned)
    .to_vec();
    for rank in [300, 3000, 20_000, 39_000] {
        let (korean, english) = (corpus.korean(rank), corpus.english(rank * 3 / 4));
        queries.push(korean.to_owned());
        queries.push(format!("{korean} {}", corpus.korean(rank + 1)));
        queries.push(english.to_owned());
        queries.push(format!("{english} {}", corpus.english(rank * 3 / 4 + 1)));
    }
    queries
}

fn key(conversation: u32, number: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&conversation.to_be_bytes());
    key[4..].copy_from_slice(&number.to_be_bytes());
    key
}

/// What this process used of the processors, so that other programs do not count.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.map_or_else(
        || "unknown".to_owned(),
        |kilobytes| kilobytes.trim().to_owned(),
    )
}

const SEED: u64 = 1;
