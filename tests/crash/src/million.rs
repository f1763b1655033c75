//! A million messages: how long it takes to open, and to show the newest fifty of a conversation.

use std::fmt;
use std::time::{Duration, Instant};

use crate::engine::{Engine, Large};
use crate::error::Error;
use crate::place;

/// Conversations that the messages are divided among.
const CONVERSATIONS: u32 = 100;
/// Bytes of a message.
const MESSAGE_LEN: usize = 300;
/// Messages of one commit, as a device does that catches up.
const BURST: u32 = 200;
/// Messages on a page.
const PAGE: u32 = 256;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    engine: Engine,
    messages: u32,
    filling: Duration,
    opening: Duration,
    newest: Duration,
    newest_worst: Duration,
    len_on_disk: u64,
}

/// Fills a store with `messages`, closes and opens it, and reads the newest fifty of each conversation.
///
/// # Errors
/// If the store answers with an error or with too few messages.
pub fn run(engine: Engine, messages: u32) -> Result<Measured, Error> {
    let place = place::on_disk()?;
    let folder = place.path().join("profile");
    let begun = Instant::now();
    let mut store = Large::create(engine, &folder)?;
    let value = vec![b'm'; MESSAGE_LEN];
    for number in 0..messages {
        store.put(&key(number % CONVERSATIONS, number / CONVERSATIONS), &value)?;
        if number % BURST == BURST - 1 {
            store.commit()?;
        }
    }
    store.commit()?;
    let filling = begun.elapsed();
    drop(store);

    let begun = Instant::now();
    let mut store = Large::open(&folder)?;
    let opening = begun.elapsed();
    let mut times = Vec::new();
    for conversation in 0..CONVERSATIONS {
        let begun = Instant::now();
        let last = (messages / CONVERSATIONS).saturating_sub(1);
        let found = newest(&store, conversation, last / PAGE)?;
        times.push(begun.elapsed());
        if found < 50 {
            return Err(Error::finding(format!("{found} messages instead of 50")));
        }
    }
    times.sort_unstable();
    Ok(Measured {
        engine,
        messages,
        filling,
        opening,
        newest: times[times.len() / 2],
        newest_worst: times[times.len() - 1],
        len_on_disk: store.len_on_disk()?,
    })
}

/// Reads pages from the last one backwards until there are fifty messages.
fn newest(store: &Large, conversation: u32, last_page: u32) -> Result<usize, Error> {
    let mut found = 0;
    for page in (0..=last_page).rev() {
        found += store.count(&page_prefix(conversation, page))?;
        if found >= 50 {
            break;
        }
    }
    Ok(found)
}

fn page_prefix(conversation: u32, page: u32) -> Vec<u8> {
    [conversation.to_be_bytes(), page.to_be_bytes()].concat()
}

fn key(conversation: u32, number: u32) -> Vec<u8> {
    let mut key = page_prefix(conversation, number / PAGE);
    key.push((number % PAGE) as u8);
    key
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<10} {} messages: filled in {:.0} s, {} MB; opens in {:.2} s; newest 50: median {:.2} ms, worst {:.2} ms",
            self.engine.name(),
            self.messages,
            self.filling.as_secs_f64(),
            self.len_on_disk / 1_000_000,
            self.opening.as_secs_f64(),
            self.newest.as_secs_f64() * 1e3,
            self.newest_worst.as_secs_f64() * 1e3,
        )
    }
}
