//! Searching against the plainest search there is: reading everything.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sori_content::{MessageId, MimiContent};
use sori_store::search::SLICES;
use sori_store::{MemoryDisk, Store};

use super::*;
use crate::messages::Notices;
use crate::record::{Body, MessageIdBytes};
use crate::table;
use crate::view::MessageView;

const NOW: Time = Time::from_unix_ms(1_795_316_400_000);
/// A clock that is before anything the engine writes by itself.
const EARLY: u64 = 1000;

/// An account in some groups of one.
struct Bench {
    disk: MemoryDisk,
    engine: Engine,
    groups: Vec<GroupId>,
    /// Lines with their places, by group.
    lines: Vec<(usize, Place)>,
    made: u64,
}

impl Bench {
    fn new(groups: usize) -> Self {
        let disk = MemoryDisk::new();
        let store = Store::open_memory(&disk, [1; 32]).unwrap();
        let mut engine = Engine::open(store, [2; 32], NOW).unwrap();
        engine.account_create("Notary", NOW).unwrap();
        let relay = format!("relay://127.0.0.1:4433/#{}", "A".repeat(43));
        engine.relay_set(&relay, NOW).unwrap();
        let groups = (0..groups).map(|n| engine.group_create(&format!("Notice{n}"), NOW).unwrap());
        let groups = groups.map(|id| id.parse().unwrap()).collect();
        Self {
            disk,
            engine,
            groups,
            lines: Vec::new(),
            made: 0,
        }
    }

    fn restart(&mut self) {
        self.engine.store.commit().unwrap();
        let other = Store::open_memory(&MemoryDisk::new(), [1; 32]).unwrap();
        drop(std::mem::replace(&mut self.engine.store, other));
        let store = Store::open_memory(&self.disk, [3; 32]).unwrap();
        self.engine = Engine::open(store, [4; 32], NOW).unwrap();
    }

    fn work<R>(&mut self, group: usize, work: impl FnOnce(&mut Engine, &mut Group) -> R) -> R {
        let id = self.groups[group];
        let done = self
            .engine
            .with_group(id, |engine, group| Ok(work(engine, group)));
        done.unwrap()
    }

    /// An own message with a made-up id.
    fn add(&mut self, group: usize, clock: u64, content: &MimiContent) -> MessageIdBytes {
        self.made += 1;
        let mut id = [1; 32];
        id[1..9].copy_from_slice(&self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        id[24..].copy_from_slice(&self.made.to_be_bytes());
        let record = MessageRecord {
            id,
            clock,
            sent_at: clock,
            sender: self.engine.me().unwrap().id,
            body: Body::Content(content.encode()),
            expires: None,
            holders: Vec::new(),
            snapshot: 0,
            audience: Vec::new(),
            readers: Vec::new(),
        };
        self.work(group, |engine, group| {
            engine.add_message(group, record).unwrap()
        });
        id
    }

    fn say(&mut self, group: usize, clock: u64, text: &str) -> MessageIdBytes {
        let id = self.add(group, clock, &MimiContent::text(self.salt(), text));
        self.lines.push((group, (clock, id)));
        id
    }

    fn edit(&mut self, group: usize, clock: u64, id: MessageIdBytes, text: &str) {
        let edit = MimiContent::edit(self.salt(), text, MessageId::from_bytes(id));
        self.add(group, clock, &edit);
    }

    fn delete(&mut self, group: usize, clock: u64, id: MessageIdBytes) {
        let delete = MimiContent::delete(self.salt(), MessageId::from_bytes(id));
        self.add(group, clock, &delete);
    }

    fn salt(&self) -> [u8; 16] {
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&self.made.to_be_bytes());
        salt
    }

    /// Says things until the page is full.
    fn fill_page(&mut self, group: usize, clock: u64) {
        let next = self.work(group, |_, group| group.cursor.next_message);
        for n in next..sequence_in(page_of(next), u8::MAX) + 1 {
            self.say(group, clock + n, "채움 filler");
        }
    }

    /// Everything that a search finds, in as many calls as it takes.
    fn search(&mut self, text: &str, group: Option<usize>, limit: u32) -> Vec<HitView> {
        let group = group.map(|group| self.groups[group].to_string());
        let group = group.as_deref();
        let mut answer = self.engine.message_search(text, group, limit, NOW).unwrap();
        let mut hits = answer.hits;
        let mut reached = u64::MAX;
        while let Some(name) = answer.more {
            answer = self.engine.message_search_more(&name, limit, NOW).unwrap();
            assert!(answer.hits.len() <= limit as usize);
            assert!(answer.searched_to.unwrap_or(0) <= reached);
            reached = answer.searched_to.unwrap_or(0);
            hits.extend(answer.hits);
        }
        hits
    }

    fn texts(&mut self, text: &str) -> Vec<String> {
        let hits = self.search(text, None, 10).into_iter();
        hits.map(|hit| hit.message.text).collect()
    }

    /// The same by reading everything: ids of the messages that have `text`, newest first.
    fn read(&mut self, text: &str, group: Option<usize>) -> Vec<String> {
        let mut found = BTreeMap::new();
        for number in 0..self.groups.len() {
            if group.is_some_and(|group| group != number) {
                continue;
            }
            let id = self.groups[number].to_string();
            let mut before = None;
            loop {
                let list =
                    self.engine
                        .message_list(&id, before.as_deref(), 1000, Notices::Shown, NOW);
                let list: Vec<MessageView> = list.unwrap();
                let Some(last) = list.last() else { break };
                before = Some(last.id.clone());
                let has = |view: &&MessageView| view.text.contains(text);
                for view in list.iter().filter(has) {
                    let at = self
                        .lines
                        .iter()
                        .find(|(_, place)| MessageId::from_bytes(place.1).to_string() == view.id);
                    found.insert(at.unwrap().1, view.id.clone());
                }
            }
        }
        found.into_values().rev().collect()
    }

    /// Whether the filters of a page may have a text.
    fn may_have(&mut self, group: usize, page: u64, text: &str) -> bool {
        let probe = Query::parse(text)
            .unwrap()
            .probe(&self.engine.store.filter_key());
        self.work(group, |engine, group| {
            let filters = probe.slices().map(|slice| {
                let page = engine.page_filter(group, page, slice).unwrap().unwrap();
                page.filter.candidates(slice, &probe)
            });
            !filters.fold(Columns::ALL, Columns::and).is_empty()
        })
    }
}

#[test]
fn parts_of_words_syllables_and_initials_are_found_newest_first_in_all_conversations() {
    let mut bench = Bench::new(2);
    bench.say(0, EARLY, "오늘 회의는 세 시");
    bench.say(1, EARLY + 1, "Meeting at three");
    bench.say(0, EARLY + 2, "회의 끝!");
    bench.say(1, EARLY + 3, "회 한 접시");
    assert_eq!(bench.texts("회의"), ["회의 끝!", "오늘 회의는 세 시"]);
    assert_eq!(
        bench.texts("회"),
        ["회 한 접시", "회의 끝!", "오늘 회의는 세 시"]
    );
    assert_eq!(bench.texts("ㅎㅇ"), ["회의 끝!", "오늘 회의는 세 시"]);
    assert_eq!(bench.texts("세 회의"), ["오늘 회의는 세 시"]);
    assert_eq!(bench.texts("eeT"), ["Meeting at three"]);
    assert_eq!(bench.search("회의", Some(1), 10), []);
    let hit = bench.search("THREE", None, 10).remove(0);
    assert_eq!(hit.group, bench.groups[1].to_string());
    let parts: Vec<_> = hit
        .parts
        .iter()
        .map(|part| (part.text.as_str(), part.found))
        .collect();
    assert_eq!(parts, [("Meeting at ", false), ("three", true)]);
}

#[test]
fn edited_message_is_found_by_its_newest_text_at_its_place() {
    for full in [false, true] {
        let mut bench = Bench::new(1);
        let id = bench.say(0, EARLY, "accordion");
        if full {
            bench.fill_page(0, EARLY + 1);
        }
        bench.edit(0, EARLY + 2000, id, "bassoon");
        bench.say(0, EARLY + 3000, "bassoon too");
        if full {
            bench.fill_page(0, EARLY + 3001);
        }
        assert_eq!(bench.texts("accordion"), [""; 0]);
        assert_eq!(bench.texts("bassoon"), ["bassoon too", "bassoon"]);
        bench.edit(0, EARLY + 9000, id, "clarinet");
        assert_eq!(bench.texts("bassoon"), ["bassoon too"]);
        assert_eq!(bench.texts("clarinet"), ["clarinet"]);
    }
}

#[test]
fn message_taken_back_is_not_found_and_leaves_nothing_in_the_index() {
    let mut bench = Bench::new(1);
    let id = bench.say(0, EARLY, "accordion");
    bench.say(0, EARLY + 1, "xylophone");
    bench.fill_page(0, EARLY + 2);
    bench.edit(0, EARLY + 2000, id, "bassoon");
    bench.fill_page(0, EARLY + 3000);
    assert!(!bench.may_have(0, 0, "accordion") && bench.may_have(0, 1, "bassoon"));
    assert_eq!(bench.texts("bassoon").len(), 1);
    bench.engine.store.commit().unwrap();

    bench.delete(0, EARLY + 9000, id);
    assert!(!bench.may_have(0, 0, "accordion") && !bench.may_have(0, 1, "bassoon"));
    assert!(bench.may_have(0, 0, "xylophone"));
    bench.restart();
    assert_eq!(bench.texts("accordion"), [""; 0]);
    assert_eq!(bench.texts("bassoon"), [""; 0]);
    assert_eq!(bench.texts("xylophone"), ["xylophone"]);
    assert!(!bench.may_have(0, 0, "accordion") && !bench.may_have(0, 1, "bassoon"));
}

#[test]
fn message_that_fills_a_page_and_takes_another_back_leaves_nothing_of_it() {
    let mut bench = Bench::new(1);
    let id = bench.say(0, EARLY, "accordion");
    let next = bench.work(0, |_, group| group.cursor.next_message);
    for n in next..255 {
        bench.say(0, EARLY + n, "filler");
    }
    bench.delete(0, EARLY + 999, id);
    assert!(bench.may_have(0, 0, "filler") && !bench.may_have(0, 0, "accordion"));
}

#[test]
fn removed_record_leaves_nothing_in_the_index() {
    let mut bench = Bench::new(1);
    let id = bench.say(0, EARLY, "accordion");
    bench.fill_page(0, EARLY + 1);
    assert!(bench.may_have(0, 0, "accordion"));
    bench.work(0, |engine, group| {
        let line = engine.find_line(group, &id).unwrap().unwrap();
        engine.remove_message(group, line.0).unwrap();
    });
    assert!(!bench.may_have(0, 0, "accordion"));
}

#[test]
fn step_that_is_undone_leaves_the_index_as_it_was() {
    let mut bench = Bench::new(1);
    let id = bench.say(0, EARLY, "accordion");
    bench.fill_page(0, EARLY + 1);
    bench.engine.store.commit().unwrap();
    let group = bench.groups[0];
    let sender = bench.engine.me().unwrap().id;
    let undone = bench.engine.atomically(|engine| {
        engine.with_group(group, |engine, group| {
            let delete = MimiContent::delete([9; 16], MessageId::from_bytes(id));
            let record = MessageRecord {
                id: [2; 32],
                clock: EARLY + 5000,
                sent_at: 0,
                sender,
                body: Body::Content(delete.encode()),
                expires: None,
                holders: Vec::new(),
                snapshot: 0,
                audience: Vec::new(),
                readers: Vec::new(),
            };
            engine.add_message(group, record)
        })?;
        Err::<(), _>(Error::NotAllowed)
    });
    assert!(undone.is_err());
    assert!(bench.may_have(0, 0, "accordion"));
    assert_eq!(bench.texts("accordion"), ["accordion"]);
}

#[test]
fn notices_and_names_are_not_found() {
    let mut bench = Bench::new(1);
    bench.say(0, EARLY, "hello");
    bench.fill_page(0, EARLY + 1);
    assert_eq!(bench.texts("Notice"), [""; 0]);
    assert_eq!(bench.texts("Notary"), [""; 0]);
    assert_eq!(bench.texts("created"), [""; 0]);
}

#[test]
fn late_arrival_is_found_at_its_place() {
    let mut bench = Bench::new(2);
    bench.say(0, EARLY + 10, "oboe 1");
    bench.fill_page(0, EARLY + 11);
    bench.say(1, EARLY + 5000, "oboe 3");
    bench.say(0, EARLY + 6000, "oboe 4");
    bench.fill_page(0, EARLY + 6001);
    // Both arrive when their pages hold far newer ones.
    bench.say(0, EARLY + 20, "oboe 2");
    bench.say(1, EARLY + 5, "oboe 0");
    assert_eq!(
        bench.texts("oboe"),
        ["oboe 4", "oboe 3", "oboe 2", "oboe 1", "oboe 0"]
    );
}

#[test]
fn call_does_bounded_work_and_the_search_goes_on() {
    let mut bench = Bench::new(1);
    bench.say(0, EARLY, "accordion bassoon");
    for n in 0..4000_u64 {
        // Each has one of the words, so that no filter helps.
        let text = if n % 2 == 0 { "accordion" } else { "bassoon" };
        bench.say(0, EARLY + 1 + n, text);
    }
    let mut calls = 1;
    let mut answer = bench
        .engine
        .message_search("accordion bassoon", None, 10, NOW)
        .unwrap();
    while let Some(more) = answer.more {
        assert!(answer.hits.is_empty() && answer.searched_to > Some(0));
        answer = bench.engine.message_search_more(&more, 10, NOW).unwrap();
        calls += 1;
    }
    assert_eq!(calls, 2);
    assert_eq!(answer.hits.len(), 1);
    assert_eq!(answer.searched_to, None);
}

#[test]
fn name_of_a_search_is_good_once_and_gives_way_to_later_ones() {
    let mut bench = Bench::new(1);
    for n in 0..30 {
        bench.say(0, EARLY + n, "oboe");
    }
    let engine = &mut bench.engine;
    let first = engine
        .message_search("oboe", None, 1, NOW)
        .unwrap()
        .more
        .unwrap();
    let second = engine
        .message_search_more(&first, 1, NOW)
        .unwrap()
        .more
        .unwrap();
    let gone = |engine: &mut Engine, name: &str| {
        let answer = engine.message_search_more(name, 1, NOW);
        assert!(matches!(answer, Err(Error::NotFound("search"))));
    };
    gone(engine, &first);
    gone(engine, "nonsense");
    for _ in 0..SEARCHES_MAX {
        assert!(
            engine
                .message_search("oboe", None, 1, NOW)
                .unwrap()
                .more
                .is_some()
        );
    }
    gone(engine, &second);
    assert_eq!(engine.searches.resting.len(), SEARCHES_MAX);
}

#[test]
fn search_that_cannot_be_made_is_refused() {
    let mut bench = Bench::new(1);
    for text in ["", " \"\" ", &"a".repeat(1025)] {
        let refused = bench.engine.message_search(text, None, 1, NOW);
        assert!(matches!(refused, Err(Error::OutOfBounds { .. })));
    }
    for group in ["nonsense", "AAAAAAAAAAAAAAAAAAAAAA"] {
        let refused = bench.engine.message_search("a", Some(group), 1, NOW);
        assert!(matches!(refused, Err(Error::NotFound("group"))));
    }
}

#[test]
fn lost_or_damaged_filter_costs_time_and_no_result() {
    let mut bench = Bench::new(1);
    bench.say(0, EARLY, "accordion");
    bench.fill_page(0, EARLY + 1);
    bench.fill_page(0, EARLY + 3000);
    let group = bench.work(0, |_, group| group.record.number);
    let keys: Vec<_> = (0..SLICES)
        .map(|slice| table::filter(group, 0, slice))
        .collect();
    for damage in [vec![], vec![0; 7], vec![0; 8], vec![9; 100], vec![1; 9]] {
        for key in &keys {
            let engine = &mut bench.engine;
            engine.put_bytes(table::FILTER, key, &damage).unwrap();
        }
        assert_eq!(bench.texts("accordion"), ["accordion"]);
    }
    for key in &keys {
        bench.engine.delete(table::FILTER, key).unwrap();
        assert_eq!(bench.texts("accordion"), ["accordion"]);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Say(usize, u64, usize),
    Many(usize, u16),
    Edit(prop::sample::Index, usize),
    Delete(prop::sample::Index),
    Restart,
}

const WORDS: [&str; 12] = [
    "소리",
    "회의",
    "소리회의",
    "리회",
    "sound",
    "round",
    "un",
    "so un",
    "ㅋㅋ",
    "👍",
    "채움",
    "Ωmega",
];

fn step() -> impl Strategy<Value = Step> {
    let word = 0..WORDS.len();
    prop_oneof![
        6 => (0..3_usize, 0..3000_u64, word.clone()).prop_map(|(g, clock, w)| Step::Say(g, clock, w)),
        2 => (0..3_usize, 1..300_u16).prop_map(|(g, count)| Step::Many(g, count)),
        3 => (any::<prop::sample::Index>(), word).prop_map(|(line, w)| Step::Edit(line, w)),
        2 => any::<prop::sample::Index>().prop_map(Step::Delete),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// Whatever is said, changed and taken back, in whatever order it comes: a search finds what reading
    /// everything finds, in the same order.
    #[test]
    fn search_finds_what_reading_everything_finds(
        steps in prop::collection::vec(step(), 1..30),
        word in 0..WORDS.len(),
        group in prop::option::of(0..3_usize),
        limit in 1..60_u32,
    ) {
        let mut bench = Bench::new(3);
        for step in &steps {
            bench.step(step);
        }
        let word = WORDS[word];
        let hits = bench.search(&format!("\"{word}\""), group, limit);
        let ids: Vec<String> = hits.iter().map(|hit| hit.message.id.clone()).collect();
        prop_assert_eq!(&ids, &bench.read(word, group));
        prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        for hit in hits {
            let text: String = hit.parts.iter().map(|part| part.text.as_str()).collect();
            prop_assert_eq!(text, hit.message.text);
            prop_assert!(hit.parts.iter().any(|part| part.found && part.text.contains(word)));
        }
    }
}

impl Bench {
    fn step(&mut self, step: &Step) {
        let last = self
            .lines
            .iter()
            .map(|(_, place)| place.0)
            .max()
            .unwrap_or(EARLY);
        match step {
            Step::Say(group, clock, word) => {
                self.say(*group, EARLY + clock, &format!("a {} b", WORDS[*word]));
            }
            Step::Many(group, count) => {
                for n in 0..u64::from(*count) {
                    let word = WORDS[(n % 7) as usize];
                    self.say(*group, last + n, word);
                }
            }
            Step::Edit(line, word) if !self.lines.is_empty() => {
                let (group, (_, id)) = self.lines[line.index(self.lines.len())];
                self.edit(group, last + 1, id, WORDS[*word]);
            }
            Step::Delete(line) if !self.lines.is_empty() => {
                let (group, (_, id)) = self.lines[line.index(self.lines.len())];
                self.delete(group, last + 1, id);
            }
            Step::Edit(..) | Step::Delete(_) => {}
            Step::Restart => self.restart(),
        }
    }
}

/// More of them by `SORI_SEARCH_CASES`.
fn cases() -> u32 {
    let asked = std::env::var("SORI_SEARCH_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(12)
}
