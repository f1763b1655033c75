//! A long history: how long it takes to open and to show. Not judged, only told:
//! `cargo test -p sori-engine --release --lib -- --ignored --nocapture figures_of_a_long_history`.

use std::time::Instant;

use sori_content::MimiContent;
use sori_mls::GroupId;
use sori_store::{Store, Unlock};

use crate::Notices;
use crate::engine::Engine;
use crate::group::clock_of;
use crate::record::{Body, MessageRecord};
use crate::time::Time;

const NOW: Time = Time::from_unix_ms(1_795_316_400_000);

/// Writes a history of `lens` messages in as many groups.
fn history(engine: &mut Engine, lens: &[u64]) -> Vec<GroupId> {
    let mut ids = Vec::new();
    for (number, len) in lens.iter().enumerate() {
        let id = engine
            .group_create(&format!("group {number}"), NOW)
            .unwrap();
        let id: GroupId = id.parse().unwrap();
        ids.push(id);
        for from in (0..*len).step_by(500) {
            engine
                .with_group(id, |engine, group| {
                    let sender = engine.me()?.id;
                    for n in from..(from + 500).min(*len) {
                        // Some come late, as after a catch-up.
                        let late = if n % 97 == 0 { 900_000 } else { 0 };
                        let at = NOW.minus_ms((len - n) * 1000 + late);
                        let text =
                            format!("메시지 {n}: 오늘 저녁에 시간 있어요? See you at the station.");
                        let content = MimiContent::text(engine.random(), &text);
                        let record = MessageRecord {
                            id: engine.random(),
                            clock: clock_of(at),
                            sent_at: at.unix_ms(),
                            sender,
                            body: Body::Content(content.encode()),
                            expires: None,
                            holders: vec![1],
                            snapshot: 0,
                            audience: Vec::new(),
                            readers: Vec::new(),
                        };
                        let sequence = group.cursor.next_message;
                        group.cursor.next_message += 1;
                        engine.save_message(group, sequence, &record)?;
                        engine.index_message(group, &record, sequence)?;
                    }
                    engine.save_cursor(group)
                })
                .unwrap();
            engine.store.commit().unwrap();
        }
    }
    ids
}

fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(0)
}

#[test]
#[ignore = "takes minutes and tells figures"]
fn figures_of_a_long_history() {
    let count = std::env::var("SORI_LONG")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1_000_000_u64);
    // One group with a good part of it, 99 with the rest.
    let mut lens = vec![count * 15 / 100];
    lens.extend(std::iter::repeat_n(count * 85 / 100 / 99, 99));
    let dir = std::env::temp_dir().join(format!("sori-long-{}", std::process::id()));
    let unlock = Unlock::Key([7; 32].into());
    let store = Store::create(&dir, &unlock, [1; 32]).unwrap();
    let mut engine = Engine::open(store, [2; 32], NOW).unwrap();
    engine.account_create("a", NOW).unwrap();
    engine
        .relay_set(&format!("relay://127.0.0.1:4433/#{}", "A".repeat(43)), NOW)
        .unwrap();
    let begin = Instant::now();
    let ids = history(&mut engine, &lens);
    println!("{count} messages written in {:?}", begin.elapsed());
    drop(engine);
    for round in ["cold", "warm"] {
        let before = memory_kib();
        let begin = Instant::now();
        let store = Store::open(&dir, &unlock, [3; 32]).unwrap();
        let opened = begin.elapsed();
        let mut engine = Engine::open(store, [4; 32], NOW).unwrap();
        println!(
            "{round}: store opened in {opened:?}, engine after {:?}",
            begin.elapsed()
        );
        engine.flush(NOW).unwrap();
        println!("  first flush after {:?}", begin.elapsed());
        let list = |engine: &mut Engine, group: usize, before: Option<&str>| {
            let begin = Instant::now();
            let id = ids[group].to_string();
            let lines = engine
                .message_list(&id, before, 50, Notices::Left, NOW)
                .unwrap();
            assert_eq!(lines.len(), 50);
            (begin.elapsed(), lines)
        };
        for group in [0, 1, 50, 99] {
            let (first, lines) = list(&mut engine, group, None);
            let (next, _) = list(&mut engine, group, Some(&lines[49].id));
            let (again, _) = list(&mut engine, group, None);
            println!(
                "  group {group}: newest 50 {first:?} at first, {again:?} again; 50 before {next:?}"
            );
        }
        let begin = Instant::now();
        engine.group_list(NOW).unwrap();
        println!(
            "  list of groups {:?}; {} MiB more memory",
            begin.elapsed(),
            (memory_kib() - before) / 1024
        );
        drop(engine);
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
