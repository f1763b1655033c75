//! Folding: what makes two spellings of a text the same for a search.
//!
//! `fold(text) = NFC(lower(NFD(text)))`, white space made a plain space and invisible characters left
//! out. So precomposed and decomposed text (as macOS writes Hangul in file names) are one, and so are
//! capital and small letters. Lower case is Unicode's one character at a time (`char::to_lowercase`) with
//! the final sigma `ς` as `σ`: it does what Korean and English need, and it is the same wherever in a
//! word a letter stands. It does not make `ß` equal `ss`, nor `é` equal `e`.
//!
//! Folding works cluster by cluster: a cluster begins at a character that never merges with what stands
//! before it. So the folded form of a text is that of its clusters one after another, and each place
//! in it leads back to a range of the original.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, decompose_canonical};
use unicode_normalization::{IsNormalized, is_nfc_quick};

/// The folded form of `text`, appended to `out`.
pub(super) fn fold_into(text: &str, out: &mut String) {
    for (_, cluster) in clusters(text) {
        fold_cluster(cluster, out);
    }
}

/// The folded form of `text`.
pub(super) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fold_into(text, &mut out);
    out
}

/// Which bytes of the original each byte of the folded form came from.
pub(super) struct Origins {
    /// Ascending: where a cluster begins in the folded form, and its range in the original.
    clusters: Vec<(usize, Range<usize>)>,
}

impl Origins {
    /// Of `text` and its folded form.
    pub(super) fn of(text: &str) -> Self {
        let mut folded = String::with_capacity(text.len());
        let clusters = clusters(text).map(|(start, cluster)| {
            let at = folded.len();
            fold_cluster(cluster, &mut folded);
            (at, start..start.saturating_add(cluster.len()))
        });
        Self {
            clusters: clusters.collect(),
        }
    }

    /// The smallest range of whole clusters of the original that folds to a text around `folded`, a
    /// range that is not empty; `None` if it lies outside of the text.
    pub(super) fn original(&self, folded: &Range<usize>) -> Option<Range<usize>> {
        let first = self.cluster_at(folded.start)?;
        let last = self.cluster_at(folded.end.checked_sub(1)?)?;
        Some(first.start..last.end)
    }

    fn cluster_at(&self, folded: usize) -> Option<&Range<usize>> {
        // Clusters that fold to nothing begin where the next one does: the last of them is meant.
        let after = self.clusters.partition_point(|(at, _)| *at <= folded);
        let (_, range) = self.clusters.get(after.checked_sub(1)?)?;
        Some(range)
    }
}

/// The clusters of a text with the byte each begins at.
fn clusters(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = text;
    let mut start = 0_usize;
    std::iter::from_fn(move || {
        let mut chars = rest.char_indices();
        chars.next()?;
        let len = chars
            .find(|(_, c)| begins_cluster(*c))
            .map_or(rest.len(), |(at, _)| at);
        let (cluster, after) = rest.split_at_checked(len)?;
        let at = start;
        start = start.saturating_add(len);
        rest = after;
        Some((at, cluster))
    })
}

fn fold_cluster(cluster: &str, out: &mut String) {
    let mut chars = cluster.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if folds_alone(c) => out.push(c.to_ascii_lowercase()),
        _ => out.extend(
            cluster
                .nfd()
                .filter(|c| !is_invisible(*c))
                .flat_map(lower)
                .nfc(),
        ),
    }
}

/// Whether all there is to folding `c` is the case of ASCII: most of Korean and English.
const fn folds_alone(c: char) -> bool {
    matches!(c, '!'..='~' | ' ' | HANGUL_FIRST..=HANGUL_LAST | COMPATIBILITY_JAMO_FIRST..=COMPATIBILITY_JAMO_LAST)
}

fn lower(c: char) -> impl Iterator<Item = char> {
    let c = match c {
        'ς' => 'σ',
        c if c.is_whitespace() => ' ',
        c => c,
    };
    c.to_lowercase()
}

/// Whether `c` never merges with a character before it.
fn begins_cluster(c: char) -> bool {
    if folds_alone(c) {
        return true;
    }
    if is_invisible(c) {
        return false;
    }
    let mut first = None;
    decompose_canonical(c, |part| first = first.or(Some(part)));
    first.is_some_and(|c| {
        canonical_combining_class(c) == 0 && is_nfc_quick(std::iter::once(c)) == IsNormalized::Yes
    })
}

/// Characters that nobody sees and nobody types: soft hyphen, zero-width space, word joiner, byte order
/// mark, and the selectors between a text's and a picture's look of one sign.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{fe0e}' | '\u{fe0f}'
    )
}

const HANGUL_FIRST: char = '\u{ac00}';
const HANGUL_LAST: char = '\u{d7a3}';
const COMPATIBILITY_JAMO_FIRST: char = '\u{3131}';
const COMPATIBILITY_JAMO_LAST: char = '\u{318e}';

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::{UnicodeNormalization, is_nfc};

    use super::{Origins, fold, is_invisible, lower};

    fn whole(text: &str) -> String {
        text.nfd()
            .filter(|c| !is_invisible(*c))
            .flat_map(lower)
            .nfc()
            .collect()
    }

    #[test]
    fn case_form_and_invisible_characters_make_no_difference() {
        for (text, folded) in [
            ("Sound 소리!", "sound 소리!"),
            ("\u{1109}\u{1169}\u{1105}\u{1175}", "소리"),
            ("각\u{200b}", "각"),
            ("가\u{11a8}", "각"),
            ("E\u{301}", "é"),
            ("H\u{331}", "\u{1e96}"),
            ("ΣΑΣ ΣΑς", "σασ σασ"),
            ("\u{212a}", "k"),
            ("a\tb\nc\u{3000}d", "a b c d"),
            ("❤\u{fe0f}", "❤"),
            ("\u{feff}x", "x"),
        ] {
            assert_eq!(fold(text), folded, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn folding_by_cluster_is_folding_as_a_whole(text in any_text()) {
            prop_assert_eq!(fold(&text), whole(&text));
            prop_assert!(is_nfc(&fold(&text)));
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }

        #[test]
        fn every_part_of_the_folded_text_leads_back_to_the_original(text in any_text()) {
            let folded = fold(&text);
            let origins = Origins::of(&text);
            for (at, c) in folded.char_indices() {
                let range = origins.original(&(at..at + c.len_utf8())).unwrap();
                prop_assert!(fold(text.get(range).unwrap()).contains(c));
            }
        }
    }

    fn any_text() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            any::<char>().prop_map(String::from),
            "[a-zA-Z ]{1,4}",
            "[가-힣]{1,3}",
            "[\u{1100}-\u{1112}\u{1161}-\u{1175}\u{11a8}-\u{11c2}]{1,4}",
            "[\u{300}-\u{345}]{1,2}",
            "[\u{ad}\u{200b}\u{200d}\u{2060}\u{fe0f}\u{feff}]",
            "[À-ɏͰ-ϿḀ-ỿ]{1,2}",
        ];
        prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }
}
