//! Lines that no program would send, for the fuzzing of `fuzz/`, for its corpus, and for the requests of docs/rpc.md, damaged.

use super::call::Call;
use super::lines::{self, Line};
use super::protocol::{Fault, Request};

/// Reads `bytes` as standard input: each line is a request that is understood or refused. Gives how many were either.
pub(super) fn lines(mut bytes: &[u8]) -> (u64, u64) {
    let (mut understood, mut refused) = (0, 0);
    while let Some(line) = lines::next(&mut bytes) {
        let call = match line {
            Line::Text(line) => Request::parse(&line)
                .and_then(|request| Call::parse(&request.method, request.params)),
            Line::TooLong => Err(Fault::line_too_long()),
        };
        match call {
            Ok(_) => understood += 1,
            Err(_) => refused += 1,
        }
    }
    (understood, refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../../../docs/rpc.md");

    /// How many lines are tried; a hundred times as many with `SORI_LONG`.
    const LINES: u64 = 5_000;

    /// Numbers from a seed (splitmix64).
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            usize::try_from((z ^ (z >> 31)) % u64::try_from(sides.max(1)).unwrap()).unwrap()
        }
    }

    /// What JSON and its readers stumble over.
    const PIECES: [&str; 12] = [
        "null",
        "-1",
        "1e999",
        "18446744073709551616",
        "\"\\ud800\"",
        "[[[[[[[[",
        "{\"a\":",
        "\u{0}",
        "\n",
        "\r\n",
        "true",
        "\"\"",
    ];

    fn damage(line: &str, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = line.as_bytes().to_vec();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(bytes.len());
            let end = (at + dice.roll(12)).min(bytes.len());
            match dice.roll(4) {
                0 => drop(bytes.drain(at..end)),
                1 => {
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part);
                }
                2 => {
                    let piece = PIECES[dice.roll(PIECES.len())];
                    bytes.splice(at..end, piece.bytes());
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = u8::try_from(dice.roll(256)).unwrap();
                    }
                }
            }
        }
        bytes
    }

    #[test]
    fn damaged_lines_are_refused_or_understood_and_nothing_worse() {
        let examples = DOCUMENT
            .lines()
            .filter_map(|line| line.strip_prefix("--> "));
        let examples: Vec<&str> = examples.filter(|line| line.starts_with('{')).collect();
        assert!(examples.len() > 40, "the document has examples");
        let times = if std::env::var_os("SORI_LONG").is_some() {
            100
        } else {
            1
        };
        let (mut understood, mut refused) = (0_u64, 0_u64);
        for seed in 0..LINES * times {
            let mut dice = Dice(seed);
            let bytes = damage(examples[dice.roll(examples.len())], &mut dice);
            let (new, more) = lines(&bytes);
            understood += new;
            refused += more;
        }
        // Both happen, or the lines are damaged too much or too little to say anything.
        assert!(
            understood > 100 && refused > 500,
            "{understood} understood, {refused} refused"
        );
    }

    /// What fuzzing found worth keeping, and what it began with.
    #[test]
    fn corpora_of_lines_are_parsed_without_a_panic() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/rpc_line");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            lines(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count >= 3, "there is a corpus");
    }
}
