//! Grams: the short pieces of a text that a filter remembers.
//!
//! From each run of letters of one kind, every piece of one and two characters; of narrow scripts (Latin
//! and its neighbours, where two letters say little) every piece of three as well. From each run of Hangul,
//! the initial consonants of every two, three and four syllables. White space ends a run. So the grams of
//! a part of a text are grams of the text: that is why a filter has no false negatives.

use super::initials::initial;

/// A gram, packed: no two different grams are the same number.
pub(super) type Gram = u64;

/// Calls `visit` with every gram of a folded text, as often as it occurs.
pub(super) fn each(folded: &str, mut visit: impl FnMut(Gram)) {
    each_literal(folded, &mut visit);
    each_of_initials(folded, &mut visit);
}

/// The grams of the characters themselves.
pub(super) fn each_literal(folded: &str, visit: &mut impl FnMut(Gram)) {
    let mut run = (Script::Space, None, None);
    for c in folded.chars() {
        let script = Script::of(c);
        let (before, last) = match run {
            (same, before, last) if same == script => (before, last),
            _ => (None, None),
        };
        run = (script, last, Some(c));
        if script == Script::Space {
            continue;
        }
        visit(pack(&[c]));
        if let Some(b) = last {
            visit(pack(&[b, c]));
            if let Some(a) = before.filter(|_| script == Script::Narrow) {
                visit(pack(&[a, b, c]));
            }
        }
    }
}

/// The grams of the initial consonants.
pub(super) fn each_of_initials(folded: &str, visit: &mut impl FnMut(Gram)) {
    let mut window = 0_u64;
    for c in folded.chars() {
        let Some(place) = initial(c) else {
            window = 0;
            continue;
        };
        window = (window << INITIAL_BITS | u64::from(place)) & FOUR_INITIALS;
        for (mask, shorter) in [
            (TWO_INITIALS, ONE_INITIAL),
            (THREE_INITIALS, TWO_INITIALS),
            (FOUR_INITIALS, THREE_INITIALS),
        ] {
            // A place is never 0, so what exceeds the mask of one less is that long.
            let gram = window & mask;
            if gram > shorter {
                visit(OF_INITIALS | gram);
            }
        }
    }
}

/// The more of a text only few have a gram, the higher: longer pieces and signs of larger sets come first,
/// initial consonants last.
pub(super) const fn telling(gram: Gram) -> u64 {
    gram & !OF_INITIALS
}

/// What decides into which pieces a run is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    /// White space; folding has made a plain space of it.
    Space,
    /// Scripts of few letters: Latin, Greek, Cyrillic, Arabic, Devanagari, digits, punctuation, ...
    Narrow,
    /// Scripts and sets of many signs: Hangul, Han, Kana, emoji, ...
    Wide,
}

impl Script {
    const fn of(c: char) -> Self {
        match c {
            ' ' => Self::Space,
            '\0'..='\u{10ff}' | '\u{1e00}'..='\u{1fff}' => Self::Narrow,
            _ => Self::Wide,
        }
    }
}

/// Up to three characters of 21 bits side by side.
fn pack(chars: &[char]) -> Gram {
    chars
        .iter()
        .fold(0, |gram, c| gram << 21 | u64::from(u32::from(*c)))
}

/// Sets grams of initials apart.
const OF_INITIALS: Gram = 1 << 63;
const INITIAL_BITS: u32 = 5;
const ONE_INITIAL: u64 = (1 << INITIAL_BITS) - 1;
const TWO_INITIALS: u64 = (1 << (2 * INITIAL_BITS)) - 1;
const THREE_INITIALS: u64 = (1 << (3 * INITIAL_BITS)) - 1;
const FOUR_INITIALS: u64 = (1 << (4 * INITIAL_BITS)) - 1;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{OF_INITIALS, each, each_literal, pack};

    fn literal(text: &str) -> BTreeSet<u64> {
        let mut grams = BTreeSet::new();
        each_literal(text, &mut |gram| {
            grams.insert(gram);
        });
        grams
    }

    #[test]
    fn narrow_runs_give_pieces_of_up_to_three_and_wide_runs_of_up_to_two() {
        let expected = [
            &['a'][..],
            &['b'],
            &['c'],
            &['a', 'b'],
            &['b', 'c'],
            &['a', 'b', 'c'],
        ];
        assert_eq!(
            literal("abc"),
            expected.iter().map(|gram| pack(gram)).collect()
        );
        let expected = [&['소'][..], &['리'], &['는'], &['소', '리'], &['리', '는']];
        assert_eq!(
            literal("소리는"),
            expected.iter().map(|gram| pack(gram)).collect()
        );
    }

    #[test]
    fn a_change_of_script_and_a_space_end_a_run() {
        let expected = [&['a'][..], &['소'], &['b']];
        assert_eq!(
            literal("a소 b"),
            expected.iter().map(|gram| pack(gram)).collect()
        );
    }

    #[test]
    fn initials_give_pieces_of_two_to_four() {
        let mut grams = BTreeSet::new();
        each("안녕하세요 ㅋ", |gram| {
            if gram & OF_INITIALS != 0 {
                grams.insert(gram);
            }
        });
        assert_eq!(grams.len(), 4 + 3 + 2);
    }
}
