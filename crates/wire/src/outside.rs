//! Every parser of this crate that meets bytes from outside, for the fuzzing of `fuzz/` and for its corpora.
//!
//! Compiled for tests and fuzzing alone. What has one encoding must have come from that one.

use crate::{ClientMessage, Decoder, Intake, RelayMessage, RelayUrl};

/// What a client says: the first byte tells where the bytes are cut in two.
pub fn client_message(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else {
        return;
    };
    let (first, second) = bytes.split_at(bytes.len().min(usize::from(*cut)));
    let mut decoder = Decoder::<ClientMessage>::new();
    let mut again = Vec::new();
    let mut outcome = Ok(());
    for part in [first, second] {
        decoder.push(part);
        while outcome.is_ok() {
            match decoder.next() {
                Ok(Some(message)) => again.extend(message.encode()),
                Ok(None) => break,
                Err(error) => outcome = Err(error),
            }
        }
    }
    assert!(bytes.starts_with(&again), "a message has one encoding");
    let mut intake = Intake::new();
    let mut count = 0_usize;
    'parts: for part in [first, second] {
        let mut received = intake.receive(part);
        loop {
            match received.next() {
                Ok(Some(_)) => count = count.saturating_add(1),
                Ok(None) => break,
                Err(_) => break 'parts,
            }
        }
    }
    let mut decoder = Decoder::<ClientMessage>::new();
    decoder.push(&again);
    while let Ok(Some(_)) = decoder.next() {
        count = count.wrapping_sub(1);
    }
    assert_eq!(count, 0, "both readers find the same messages");
}

/// What a relay says.
pub fn relay_message(bytes: &[u8]) {
    let mut decoder = Decoder::<RelayMessage>::new();
    decoder.push(bytes);
    let mut again = Vec::new();
    while let Ok(Some(message)) = decoder.next() {
        again.extend(message.encode());
    }
    assert!(bytes.starts_with(&again), "a message has one encoding");
}

/// The URL of a relay.
pub fn relay_url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(url) = text.parse::<RelayUrl>() {
        assert_eq!(url.to_string().parse::<RelayUrl>(), Ok(url));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A name and what it stands for.
    type Door = (&'static str, fn(&[u8]));

    /// What fuzzing found worth keeping, and what it began with.
    #[test]
    fn corpora_are_parsed_without_a_panic() {
        let doors: &[Door] = &[
            ("client_message", client_message),
            ("relay_message", relay_message),
            ("relay_url", relay_url),
        ];
        for (name, parse) in doors {
            let folder = format!("{}/../../fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
            let mut count = 0;
            for entry in fs::read_dir(folder).unwrap() {
                parse(&fs::read(entry.unwrap().path()).unwrap());
                count += 1;
            }
            assert!(count >= 3, "{name} has a corpus");
        }
    }
}
