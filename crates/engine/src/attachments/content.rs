//! Files inside messages: how a message names one, and sending one (protocol §9.3).

use sori_content::{Disposition, ExternalPart, Meaning, MimiContent, NestedPart, PartSemantics};
use zeroize::Zeroizing;

use super::sealed::{FileId, FileKey, PIECE_LEN, count, hash};
use super::shelf::Named;
use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::messages::NewMessage;
use crate::record::Body;
use crate::show::meaning;
use crate::time::Time;

/// How the address of a file begins; its name follows in hexadecimal digits.
const SCHEME: &str = "sori:file/";
/// AEAD_CHACHA20_POLY1305 in IANA's registry.
const CHACHA20_POLY1305: u16 = 29;
/// Longest name of a file, in bytes.
const NAME_LEN_MAX: usize = 200;
/// Longest media type, in bytes.
const TYPE_LEN_MAX: usize = 100;
/// What a file is called whose name is nothing after what is unsafe was left out.
const NO_NAME: &str = "file";

/// A file to be sent.
#[derive(Clone)]
pub struct NewFile {
    /// What others see as its name; a path is cut off.
    pub name: String,
    /// Its media type, such as `image/png`; empty if not known.
    pub media_type: String,
    /// What is in it: at least one byte, at most [`FILE_LEN_MAX`](super::FILE_LEN_MAX).
    pub bytes: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for NewFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewFile(..)")
    }
}

/// What a message says of its file.
#[derive(Debug)]
pub(crate) struct FileRef {
    pub(crate) id: FileId,
    pub(crate) size: u64,
    pub(crate) key: FileKey,
    pub(crate) name: String,
    pub(crate) media_type: String,
}

impl FileRef {
    /// What a part names, if it is a file that can be fetched.
    fn of(part: &ExternalPart) -> Option<Self> {
        let id = FileId(from_hex(part.url.strip_prefix(SCHEME)?)?);
        count(part.size)?;
        if part.encryption_algorithm != CHACHA20_POLY1305 || !part.associated_data.is_empty() {
            return None;
        }
        Some(Self {
            id,
            size: part.size,
            key: FileKey::from_slices(&part.key, &part.nonce)?,
            name: safe_name(&part.filename),
            media_type: safe_type(&part.content_type),
        })
    }

    /// The file that it is in a group.
    pub(crate) fn named(&self, group: &Group) -> Named {
        Named {
            id: self.id,
            group: group.record.id,
            size: self.size,
        }
    }

    fn part(&self) -> ExternalPart {
        let (key, nonce) = self.key.parts();
        ExternalPart {
            content_type: self.media_type.clone(),
            url: format!("{SCHEME}{}", to_hex(&self.id.0)),
            size: self.size,
            encryption_algorithm: CHACHA20_POLY1305,
            key,
            nonce,
            filename: self.name.clone(),
            ..ExternalPart::default()
        }
    }
}

/// The file that a message carries, if it carries one.
pub(crate) fn file_of(body: &Body) -> Option<FileRef> {
    match meaning(body)? {
        Meaning::Text { files, .. } => files.first().and_then(FileRef::of),
        Meaning::Delete { .. }
        | Meaning::Edit { .. }
        | Meaning::Reaction { .. }
        | Meaning::Unknown { .. }
        | Meaning::Unreact { .. } => None,
    }
}

impl Engine {
    /// Sends a file, with a text beside it or without. Returns the message id.
    ///
    /// # Errors
    /// As [`message_post`](Self::message_post).
    pub fn message_send_file(
        &mut self,
        group: &str,
        file: &NewFile,
        text: &str,
        now: Time,
    ) -> Result<String, Error> {
        let new = NewMessage {
            text: text.to_owned(),
            file: Some(file.clone()),
            ..NewMessage::default()
        };
        self.message_post(group, &new, now)
    }

    /// Seals and keeps a file that is about to be sent; gives what the message says of it.
    pub(crate) fn content_with_file(
        &mut self,
        group: &mut Group,
        salt: [u8; 16],
        file: &NewFile,
        text: Option<&str>,
    ) -> Result<MimiContent, Error> {
        let size = u64::try_from(file.bytes.len()).unwrap_or(u64::MAX);
        count(size).ok_or(Error::OutOfBounds {
            what: "a file",
            bounds: "between one byte and 16 MiB",
        })?;
        if !self.permits_file(group, size)? {
            return Err(Error::OutOfBounds {
                what: "a file",
                bounds: "not longer than this group permits",
            });
        }
        let key = FileKey::new(self.random(), self.random());
        let mut pieces = Vec::new();
        for (index, piece) in (0_u32..).zip(file.bytes.chunks(PIECE_LEN)) {
            pieces.push(key.seal(index, piece)?);
        }
        let hashes: Vec<_> = pieces.iter().map(|piece| hash(piece)).collect();
        let file = FileRef {
            id: FileId::of(size, &hashes),
            size,
            key,
            name: safe_name(&file.name),
            media_type: safe_type(&file.media_type),
        };
        self.shelve(file.named(group), &hashes, &pieces)?;
        content_of(salt, &file, text)
    }

    /// Whether the group's members have agreed on files of this size.
    pub(crate) fn permits_file(&self, group: &mut Group, size: u64) -> Result<bool, Error> {
        let limit = self.group_data(group)?.file_limit;
        Ok(limit.is_none_or(|limit| size <= u64::from(limit)))
    }
}

fn content_of(salt: [u8; 16], file: &FileRef, text: Option<&str>) -> Result<MimiContent, Error> {
    let unfit = |_| Error::Internal("content");
    let file = NestedPart::external(Disposition::ATTACHMENT, file.part()).map_err(unfit)?;
    let Some(text) = text else {
        return Ok(MimiContent::with_body(salt, file));
    };
    let text = MimiContent::text(salt, text).body;
    let parts = vec![text, file];
    let both = NestedPart::multi(Disposition::RENDER, PartSemantics::ProcessAll, parts);
    both.map(|body| MimiContent::with_body(salt, body))
        .map_err(unfit)
}

/// A name that is no path and shows what it is: without folders, signs that cannot be seen or that turn text
/// around, and not too long (protocol §9.3).
fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\', ':']).next().unwrap_or_default();
    let seen = last.chars().filter(|letter| {
        let hidden = matches!(u32::from(*letter), 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xfeff);
        !letter.is_control() && !hidden && !r#"<>"|?*"#.contains(*letter)
    });
    let mut safe = String::new();
    for letter in seen {
        if safe.len().saturating_add(letter.len_utf8()) > NAME_LEN_MAX {
            break;
        }
        safe.push(letter);
    }
    let safe = safe
        .trim()
        .trim_start_matches('.')
        .trim_end_matches('.')
        .trim();
    match safe {
        "" => NO_NAME.to_owned(),
        safe => safe.to_owned(),
    }
}

/// A media type of letters that media types have; nothing for others.
fn safe_type(media_type: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/.+-".contains(letter);
    match media_type.len() <= TYPE_LEN_MAX && media_type.chars().all(plain) {
        true => media_type.to_ascii_lowercase(),
        false => String::new(),
    }
}

pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64
        || !text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        let at = index.checked_mul(2)?;
        *byte = u8::from_str_radix(text.get(at..at.checked_add(2)?)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// protocol §9.3
    #[test]
    fn a_name_is_never_a_path_and_hides_nothing() {
        for (name, safe) in [
            ("사진.jpg", "사진.jpg"),
            ("../../.bashrc", "bashrc"),
            (r"C:\Windows\a.exe", "a.exe"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("a\0b\n.txt", "ab.txt"),
            ("  ..  ", "file"),
            ("", "file"),
        ] {
            assert_eq!(safe_name(name), safe);
        }
        assert!(safe_name(&"가".repeat(500)).len() <= NAME_LEN_MAX);
        assert_eq!(safe_type("image/PNG"), "image/png");
        assert_eq!(safe_type("text/html;<script>"), "");
    }

    /// protocol §9.3
    #[test]
    fn a_part_is_a_file_only_if_everything_about_it_is_in_order() {
        let file = FileRef {
            id: FileId([7; 32]),
            size: 5,
            key: FileKey::new([1; 32], [2; 12]),
            name: "a.txt".to_owned(),
            media_type: "text/plain".to_owned(),
        };
        let good = file.part();
        assert_eq!(FileRef::of(&good).unwrap().id, file.id);
        let bad: [fn(&mut ExternalPart); 8] = [
            |part| part.url = format!("https://example.org/{}", "07".repeat(32)),
            |part| part.url.truncate(40),
            |part| part.url = part.url.to_uppercase(),
            |part| part.size = 0,
            |part| part.size = super::super::FILE_LEN_MAX + 1,
            |part| part.encryption_algorithm = 1,
            |part| part.key.truncate(16),
            |part| part.nonce.push(0),
        ];
        for change in bad {
            let mut part = good.clone();
            change(&mut part);
            assert!(FileRef::of(&part).is_none());
        }
    }
}
