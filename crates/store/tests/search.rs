//! Search: nothing that matches is missed, little that does not is read, and no record is trusted.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

#[path = "common/corpus.rs"]
mod corpus;

use std::ops::Range;

use corpus::{Corpus, Numbers};
use proptest::prelude::*;
use sori_store::search::{
    Columns, Filter, FilterBuilder, FilterKey, Probe, QUERY_LEN_MAX, Query, QueryError, SLICES,
};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

fn key() -> FilterKey {
    FilterKey::new(*b"one profile's 16")
}

/// All filters of a bucket.
struct Filters([Filter; SLICES as usize]);

impl Filters {
    fn candidates(&self, probe: &Probe) -> Columns {
        let slices = probe.slices();
        slices
            .map(|slice| self.0[usize::from(slice)].candidates(slice, probe))
            .fold(Columns::ALL, Columns::and)
    }

    fn len(&self) -> usize {
        self.0.iter().map(|filter| filter.as_bytes().len()).sum()
    }
}

fn filter_of<'a>(texts: impl IntoIterator<Item = (u8, &'a str)>) -> Filters {
    let key = key();
    let mut builder = FilterBuilder::new(&key);
    for (index, text) in texts {
        builder.add(index, text);
    }
    Filters(builder.finish())
}

/// The texts that `query` finds in `text`; `None` if it does not.
fn found<'a>(query: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let ranges = Query::parse(query).unwrap().find(text)?;
    Some(ranges.into_iter().map(|range| &text[range]).collect())
}

#[test]
fn terms_are_found_anywhere_in_any_case_and_form() {
    for (query, text, expected) in [
        ("소리", "그 소리를 들었다", &["소리"][..]),
        ("리", "소리", &["리"]),
        ("SORI", "Sori and sori", &["Sori", "sori"]),
        ("o", "go", &["o"]),
        ("nd", "sound", &["nd"]),
        ("\u{1109}\u{1169}\u{1105}\u{1175}", "소리", &["소리"]),
        (
            "소리",
            "\u{1109}\u{1169}\u{1105}\u{1175}!",
            &["\u{1109}\u{1169}\u{1105}\u{1175}"],
        ),
        ("cafe\u{301}", "Café", &["Café"]),
        ("é", "e\u{301}t", &["e\u{301}"]),
        ("💬", "a💬b", &["💬"]),
        ("👨‍👩", "👨‍👩‍👧", &["👨‍👩"]),
        ("회의 내일", "내일 회의", &["내일", "회의"]),
        ("\"내일 회의\"", "내일\u{3000}회의", &["내일\u{3000}회의"]),
        ("“a b” c", "c a b", &["c", "a b"]),
        ("\"a b", "xa b", &["a b"]),
        ("aa", "aaaa", &["aaaa"]),
        ("ab bc", "abc", &["abc"]),
    ] {
        assert_eq!(
            found(query, text).as_deref(),
            Some(expected),
            "{query:?} in {text:?}"
        );
    }
    for (query, text) in [
        ("소리 없음", "소리"),
        ("\"내일 회의\"", "회의 내일"),
        ("솔", "소리"),
        ("e", "é"),
        ("a b", "a"),
    ] {
        assert_eq!(found(query, text), None, "{query:?} in {text:?}");
    }
}

#[test]
fn initial_consonants_stand_for_syllables_and_for_themselves() {
    for (query, text, expected) in [
        ("ㅅㄹ", "큰 소리", &["소리"][..]),
        ("ㅅㄹ", "ㅅㄹ 사람 솔", &["ㅅㄹ", "사람"]),
        ("소ㄹ", "소리 소금", &["소리"]),
        ("ㅋㅋ", "ㅋㅋㅋ 크큭", &["ㅋㅋ", "크큭"]),
        ("ㅎㅇ ok", "OK 회의", &["OK", "회의"]),
        (
            "ㅅㄹ",
            "\u{1109}\u{1169}\u{1105}\u{1175}",
            &["\u{1109}\u{1169}\u{1105}\u{1175}"],
        ),
        ("ㅠ", "ㅠㅠ", &["ㅠㅠ"]),
    ] {
        assert_eq!(
            found(query, text).as_deref(),
            Some(expected),
            "{query:?} in {text:?}"
        );
    }
    for (query, text) in [
        ("ㅅㄹ", "소금"),
        ("ㅏ", "아"),
        ("ㅅㄹ", "소 리"),
        ("ㄲ", "가"),
    ] {
        assert_eq!(found(query, text), None, "{query:?} in {text:?}");
    }
}

#[test]
fn query_without_anything_to_look_for_or_too_long_is_refused() {
    for empty in ["", "  ", "\"\"", "\u{200b}", "\" \" “”"] {
        assert_eq!(Query::parse(empty).unwrap_err(), QueryError::Empty);
    }
    assert!(Query::parse(&"a".repeat(QUERY_LEN_MAX)).is_ok());
    assert_eq!(
        Query::parse(&"a".repeat(QUERY_LEN_MAX + 1)).unwrap_err(),
        QueryError::TooLong
    );
}

#[test]
fn debug_output_shows_neither_query_nor_key_nor_filter() {
    let query = Query::parse("canary").unwrap();
    let shown = format!("{query:?} {:?} {:?}", query.probe(&key()), key());
    assert_eq!(shown, "Query(1 terms) Probe(14 grams) FilterKey");
    assert!(format!("{:?}", filter_of([(0, "canary")]).0[0]).starts_with("Filter("));
}

#[test]
fn filters_of_two_profiles_say_nothing_about_each_other() {
    let other = FilterKey::new([9; 16]);
    let texts = messages(1, 256);
    let filter = filter_of((0..=255).zip(texts.iter().map(String::as_str)));
    let mut foreign = 0;
    for text in &texts {
        let query = Query::parse(&text.replace('"', "")).unwrap();
        assert!(!filter.candidates(&query.probe(&key())).is_empty());
        foreign += u32::from(!filter.candidates(&query.probe(&other)).is_empty());
    }
    // One-word messages of two letters have few grams and pass by chance now and then.
    assert!(foreign < 64, "{foreign} of 256 passed under a foreign key");
}

#[test]
fn columns_name_the_messages_that_may_match() {
    let filter = filter_of([(0, "apple"), (40, "소리"), (255, "apple")]);
    let columns = filter.candidates(&Query::parse("apple").unwrap().probe(&key()));
    let ranges: Vec<_> = columns.newest_first().collect();
    assert_eq!(ranges, [240..=255, 0..=15]);
    assert!(columns.contains(15) && columns.contains(240) && !columns.contains(16));
    assert_eq!(Columns::ALL.newest_first().count(), 16);
    let everywhere: Vec<u8> = Columns::ALL
        .newest_first()
        .flat_map(Iterator::rev)
        .collect();
    assert!(everywhere.into_iter().eq((0..=255).rev()));
}

#[test]
fn flood_of_long_texts_keeps_the_filter_bounded_and_still_lets_everything_through() {
    let mut numbers = Numbers::new(5);
    let long: String = (0..200_000)
        .map(|_| char::from_u32(0xAC00 + numbers.below(11_172) as u32).unwrap())
        .collect();
    let filter = filter_of([(0, long.as_str()), (1, "apple"), (17, "pear")]);
    assert!(
        filter
            .0
            .iter()
            .all(|filter| filter.as_bytes().len() <= Filter::LEN_MAX)
    );
    let probe = Query::parse("apple").unwrap().probe(&key());
    assert!(filter.candidates(&probe).contains(1));
    let candidates = filter.candidates(&Query::parse("pear").unwrap().probe(&key()));
    assert!(candidates.contains(17) && !candidates.contains(32));
}

#[test]
fn stored_filter_comes_back_and_others_are_refused() {
    let probe = Query::parse("소리").unwrap().probe(&key());
    let slice = probe.slices().next().unwrap();
    let filter = &filter_of([(7, "소리")]).0[usize::from(slice)];
    let again = Filter::from_bytes(Zeroizing::new(filter.as_bytes().to_vec())).unwrap();
    assert_eq!(
        again.candidates(slice, &probe),
        filter.candidates(slice, &probe)
    );
    let version = filter.as_bytes()[0];
    assert!(Filter::from_bytes(Zeroizing::new(vec![version; 11])).is_some());
    for refused in [
        vec![],
        vec![version; 9],
        vec![version + 1; 11],
        vec![version; 10],
        vec![version; 12],
        vec![version; Filter::LEN_MAX + 2],
    ] {
        assert!(Filter::from_bytes(Zeroizing::new(refused)).is_none());
    }
    assert!(Filter::from_bytes(Zeroizing::new(vec![version; Filter::LEN_MAX])).is_some());
}

#[test]
fn empty_bucket_has_no_candidates() {
    let probe = Query::parse("a").unwrap().probe(&key());
    assert!(filter_of([]).candidates(&probe).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// A part of any text, in any form and case, is found in it and let through by its filter.
    #[test]
    fn no_part_of_a_text_is_missed(
        parts in prop::collection::vec(part(), 1..16),
        (start, len, form) in (any::<prop::sample::Index>(), 1..8_usize, 0..5_u8),
        index in any::<u8>(),
    ) {
        let start = start.index(parts.len());
        let query = parts[start..parts.len().min(start + len)].concat();
        let text = parts.concat();
        let query = match form {
            0 => query,
            1 => query.nfd().collect(),
            2 => query.to_uppercase(),
            3 => query.to_lowercase().nfd().collect(),
            _ => query.chars().map(initial_of).collect(),
        };
        prop_assume!(!query.trim().is_empty() && query.len() <= QUERY_LEN_MAX);
        let stored: String = if form == 1 { text.nfc().collect() } else { text.nfd().collect() };
        for query in [query.clone(), format!("\"{query}\"")] {
            let parsed = Query::parse(&query).unwrap();
            prop_assert!(parsed.find(&stored).is_some(), "{query:?} in {stored:?}");
            let filter = filter_of([(index, stored.as_str()), (index.wrapping_add(64), "x")]);
            prop_assert!(filter.candidates(&parsed.probe(&key())).contains(index), "{query:?} in {stored:?}");
        }
    }

    /// Whatever is typed and whatever is stored: what `find` finds, the filter lets through, and the
    /// ranges can be highlighted.
    #[test]
    fn what_is_found_passes_the_filter_and_can_be_highlighted(
        text in anything(),
        query in anything(),
        cut in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let whole = format!("{text}{query}{text}");
        let boundaries: Vec<usize> = whole.char_indices().map(|(at, _)| at).chain([whole.len()]).collect();
        let (a, b) = (boundaries[cut.0.index(boundaries.len())], boundaries[cut.1.index(boundaries.len())]);
        for query in [query.as_str(), &whole[a.min(b)..a.max(b)]] {
            let Ok(query) = Query::parse(query) else { continue };
            let filter = filter_of([(3, whole.as_str())]);
            let passes = filter.candidates(&query.probe(&key())).contains(3);
            let Some(ranges) = query.find(&whole) else { continue };
            prop_assert!(passes);
            prop_assert!(!ranges.is_empty());
            assert_can_be_highlighted(&whole, &ranges)?;
        }
    }

    /// Any bytes: refused, or asked without harm.
    #[test]
    fn damaged_filter_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..300), query in anything()) {
        if let Some(version) = bytes.first_mut().filter(|version| **version > 9) {
            *version = 1;
        }
        let Some(filter) = Filter::from_bytes(Zeroizing::new(bytes)) else { return Ok(()) };
        let Ok(query) = Query::parse(&query) else { return Ok(()) };
        let probe = query.probe(&key());
        let slices = (0..=255).map(|slice| filter.candidates(slice, &probe));
        let columns = slices.fold(Columns::ALL, Columns::and);
        prop_assert_eq!(columns.is_empty(), columns.newest_first().next().is_none());
    }
}

fn assert_can_be_highlighted(text: &str, ranges: &[Range<usize>]) -> Result<(), TestCaseError> {
    let mut end = 0;
    for range in ranges {
        prop_assert!(end <= range.start && range.start < range.end);
        prop_assert!(text.get(range.clone()).is_some());
        end = range.end;
    }
    Ok(())
}

/// A piece of text that stays itself beside others, in every form and case.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[가-힣]{1,3}",
        3 => "[a-zA-Z0-9]{1,4}",
        1 => "[ㄱ-ㅎㅏ-ㅣ]{1,3}",
        1 => "[一-龥ぁ-んァ-ヶ]{1,2}",
        1 => prop::sample::select(vec!["é", "Ñ", "Я", "Ω", "ñ", "ü"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["👍", "👨‍👩‍👧", "🇰🇷", "❤\u{fe0f}", "👍🏽"]).prop_map(str::to_owned),
        2 => "[ .,!?/:-]{1,2}",
    ]
}

fn anything() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        part(),
        any::<char>().prop_map(String::from),
        "[\u{1100}-\u{1112}\u{1161}-\u{1175}\u{11a8}-\u{11c2}]{1,4}",
        "[\u{300}-\u{345}]{1,2}",
        "[\u{ad}\u{200b}\u{200d}\u{2060}\u{fe0f}\u{feff}\"“”]",
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

/// What somebody types for a syllable to save letters.
fn initial_of(c: char) -> char {
    const INITIALS: &str = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ";
    match u32::from(c) {
        code @ 0xAC00..=0xD7A3 => INITIALS
            .chars()
            .nth(((code - 0xAC00) / 588) as usize)
            .unwrap(),
        _ => c,
    }
}

fn messages(seed: u64, count: usize) -> Vec<String> {
    let mut corpus = Corpus::new(seed);
    (0..count).map(|_| corpus.message()).collect()
}

/// How long filters are and how much they let through:
/// `cargo test -p sori-store --release --test search -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn how_much_the_filters_let_through() {
    const BUCKETS: usize = 400;
    let mut corpus = Corpus::new(1);
    let texts: Vec<String> = (0..BUCKETS * 256).map(|_| corpus.message()).collect();
    let bytes: usize = texts.iter().map(String::len).sum();
    let start = std::time::Instant::now();
    let filters: Vec<Filters> = texts
        .chunks(256)
        .map(|texts| filter_of((0..=255).zip(texts.iter().map(String::as_str))))
        .collect();
    let built = start.elapsed() / texts.len() as u32;
    let len: usize = filters.iter().map(Filters::len).sum();
    println!(
        "{} messages of {} bytes; filters of {} bytes a bucket, {} MB a million messages, {built:?} a message",
        texts.len(),
        bytes / texts.len(),
        len / BUCKETS,
        len / BUCKETS * 3907 / 1_000_000,
    );
    let mut queries: Vec<String> = [
        "오늘 회의",
        "ok",
        "qz",
        "뷁",
        "ㅅㄹ",
        "ㅃㅉ",
        "ㅎㅇㅅㅇ",
        "zzzzz",
        "쁋뢟",
    ]
    .map(str::to_owned)
    .to_vec();
    for rank in [40, 300, 1000, 3000, 9000, 20_000, 39_000] {
        let (korean, english) = (corpus.korean(rank), corpus.english(rank * 3 / 4));
        queries.push(korean.to_owned());
        queries.push(format!("{korean} {}", corpus.korean(rank + 1)));
        queries.push(english.to_owned());
        queries.push(format!("{english} {}", corpus.english(rank * 3 / 4 + 1)));
        queries.push(korean.chars().map(initial_of).collect());
    }
    println!(
        "{:>10} {:>10} {:>10} {:>10}  of {} columns",
        "hits",
        "true",
        "let through",
        "false",
        BUCKETS * 16
    );
    for text in queries {
        let query = Query::parse(&text).unwrap();
        let probe = query.probe(&key());
        let (mut hits, mut held, mut passed) = (0, 0, 0);
        for (texts, filter) in texts.chunks(256).zip(&filters) {
            let columns = filter.candidates(&probe);
            for (column, texts) in texts.chunks(16).enumerate() {
                let found = texts
                    .iter()
                    .filter(|text| query.find(text).is_some())
                    .count();
                let candidate = columns.contains(column as u8 * 16);
                assert!(candidate || found == 0, "{text} is missed");
                hits += found;
                held += usize::from(found > 0);
                passed += usize::from(candidate);
            }
        }
        println!(
            "{hits:>10} {held:>10} {passed:>10} {:>10}  {text}",
            passed - held
        );
    }
}

/// More of them by `SORI_SEARCH_CASES`.
fn cases() -> u32 {
    let asked = std::env::var("SORI_SEARCH_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(256)
}
