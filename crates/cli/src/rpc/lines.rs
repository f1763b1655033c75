//! Standard input cut into lines of bounded length.

use std::io::{BufRead, BufReader, Read};

use tokio::sync::mpsc;

/// Largest length of a line, without its end: 1 MiB. A longer one is passed over to its end, so
/// that a caller who forgets the line break costs no memory.
pub(super) const LINE_LEN_MAX: usize = 1024 * 1024;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its bytes, which need not be text.
    Text(Vec<u8>),
    /// It was longer than [`LINE_LEN_MAX`].
    TooLong,
}

/// Reads lines on a thread of its own: a read that blocks cannot be given up, and must not keep
/// the program from ending.
pub(super) fn read(input: impl Read + Send + 'static) -> mpsc::Receiver<Line> {
    let (sender, receiver) = mpsc::channel(LINES_WAITING_MAX);
    std::thread::spawn(move || {
        let mut input = BufReader::new(input);
        while let Some(line) = next(&mut input) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The next line that is not blank; `None` at the end or when reading fails.
pub(super) fn next(input: &mut impl BufRead) -> Option<Line> {
    loop {
        let line = next_of_any_kind(input)?;
        if !matches!(&line, Line::Text(text) if text.iter().all(u8::is_ascii_whitespace)) {
            return Some(line);
        }
    }
}

fn next_of_any_kind(input: &mut impl BufRead) -> Option<Line> {
    let mut line = Vec::new();
    let mut is_too_long = false;
    let mut has_begun = false;
    loop {
        let buffer = input.fill_buf().ok()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = end.map_or(buffer, |end| buffer.get(..end).unwrap_or_default());
        if buffer.is_empty() && !has_begun {
            return None;
        }
        let is_last = end.is_some() || buffer.is_empty();
        has_begun = true;
        is_too_long |= line.len().saturating_add(part.len()) > LINE_LEN_MAX;
        if is_too_long {
            line = Vec::new();
        } else {
            line.extend_from_slice(part);
        }
        let used = part.len().saturating_add(usize::from(end.is_some()));
        input.consume(used);
        if is_last {
            return Some(if is_too_long {
                Line::TooLong
            } else {
                Line::Text(line)
            });
        }
    }
}

/// Lines read ahead.
const LINES_WAITING_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8]) -> Vec<Line> {
        // A small buffer, so that lines span several reads.
        let mut input = BufReader::with_capacity(7, input);
        std::iter::from_fn(|| next(&mut input)).collect()
    }

    fn text(bytes: &[u8]) -> Line {
        Line::Text(bytes.to_vec())
    }

    #[test]
    fn lines_are_cut_and_blank_ones_passed_over() {
        assert_eq!(all(b""), []);
        assert_eq!(all(b"\n \r\n\n"), []);
        assert_eq!(
            all(b"one\n\ntwo and more\r\nthree"),
            [text(b"one"), text(b"two and more\r"), text(b"three")]
        );
    }

    #[test]
    fn a_line_over_the_limit_is_passed_over_and_the_next_one_read() {
        let mut input = vec![b'x'; LINE_LEN_MAX];
        input.push(b'\n');
        input.extend(vec![b'y'; LINE_LEN_MAX + 1]);
        input.extend(b"\nnext");
        let lines = all(&input);
        assert_eq!(lines.len(), 3);
        assert!(matches!(&lines[0], Line::Text(line) if line.len() == LINE_LEN_MAX));
        assert_eq!(lines[1..], [Line::TooLong, text(b"next")]);
    }
}
