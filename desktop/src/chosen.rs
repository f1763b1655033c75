//! Files that the person has chosen and not sent yet: by the system's dialog, by dropping them on the window, by pasting.
//!
//! The page knows them by numbers. It can send them and let go of them, and cannot reach any other file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use sori_client::{Client, FILE_LEN_MAX, NewFile};
use zeroize::Zeroizing;

use crate::pictures;
use crate::refusal::Refusal;

/// More files than this are not sent at a time.
const CHOSEN_MAX: usize = 20;
/// A picture is made anew before it is sent, so that it may be longer at first, in bytes.
const PICTURE_LEN_MAX: u64 = 64 * 1024 * 1024;
/// Bytes that tell what kind of file it is.
const HEAD_LEN: usize = 64;

/// What was chosen.
#[derive(Default)]
pub(crate) struct Chosen(Mutex<State>);

#[derive(Default)]
struct State {
    next: u32,
    files: BTreeMap<u32, Source>,
}

/// Where a file is.
#[derive(Clone)]
pub(crate) enum Source {
    Disk(PathBuf),
    /// It was pasted, and has no name.
    Pasted(Zeroizing<Vec<u8>>),
}

/// A chosen file, for the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ChosenView {
    number: u32,
    /// Empty for what was pasted.
    name: String,
    size: u64,
    /// Whether it is a picture that can be shown.
    picture: bool,
    /// Whether it is too long to be sent.
    too_long: bool,
}

impl Chosen {
    /// Notes files that were chosen. What is no file, or cannot be read, is left out.
    pub(crate) fn add(&self, sources: Vec<Source>) -> Vec<ChosenView> {
        let mut views = Vec::new();
        for source in sources {
            let Some((head, size)) = source.look() else {
                continue;
            };
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.files.len() >= CHOSEN_MAX {
                break;
            }
            let number = state.next;
            state.next = number.wrapping_add(1);
            let picture = pictures::is_picture(&head);
            let limit = if picture {
                PICTURE_LEN_MAX
            } else {
                FILE_LEN_MAX
            };
            views.push(ChosenView {
                number,
                name: source.name(),
                size,
                picture,
                too_long: size > limit,
            });
            state.files.insert(number, source);
        }
        views
    }

    /// Lets go of one, or of all.
    pub(crate) fn forget(&self, number: Option<u32>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match number {
            Some(number) => drop(state.files.remove(&number)),
            None => state.files.clear(),
        }
    }

    /// # Errors
    /// `not_found` for one that was let go of.
    pub(crate) fn get(&self, number: u32) -> Result<Source, Refusal> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.files.get(&number).cloned().ok_or_else(Refusal::gone)
    }
}

impl Source {
    /// The beginning of the file, and its length; `None` for what is no file or cannot be read.
    fn look(&self) -> Option<(Vec<u8>, u64)> {
        match self {
            Self::Disk(path) => {
                let file = regular(path)?;
                let size = file.metadata().ok()?.len();
                let mut head = Vec::new();
                let head_len = u64::try_from(HEAD_LEN).ok()?;
                file.take(head_len).read_to_end(&mut head).ok()?;
                Some((head, size))
            }
            Self::Pasted(bytes) => {
                let head = bytes.get(..HEAD_LEN).unwrap_or(bytes);
                Some((head.to_vec(), u64::try_from(bytes.len()).ok()?))
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Disk(path) => {
                let name = path.file_name().unwrap_or_default();
                name.to_string_lossy().into_owned()
            }
            Self::Pasted(_) => String::new(),
        }
    }

    /// All of it.
    ///
    /// # Errors
    /// `unreadable_file`, or `file_too_long`.
    pub(crate) fn read(&self) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let path = match self {
            Self::Disk(path) => path,
            Self::Pasted(bytes) => return Ok(bytes.clone()),
        };
        let file = regular(path).ok_or_else(Refusal::unreadable)?;
        let mut bytes = Zeroizing::new(Vec::new());
        let bound = PICTURE_LEN_MAX.saturating_add(1);
        let read = file.take(bound).read_to_end(&mut bytes);
        let len = read.map_err(|_error| Refusal::unreadable())?;
        match u64::try_from(len).is_ok_and(|len| len <= PICTURE_LEN_MAX) {
            true => Ok(bytes),
            false => Err(Refusal::too_long()),
        }
    }

    /// The file as it is sent: a picture is made anew, unless it shall go as it is.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn to_send(&self, as_it_is: bool) -> Result<NewFile, Refusal> {
        let (bytes, name) = (self.read()?, self.name());
        let clean = if as_it_is {
            None
        } else {
            pictures::clean(&bytes)
        };
        let file = match clean {
            Some(clean) => NewFile {
                name: format!("{}.{}", stem(&name), clean.ending),
                media_type: clean.media_type.to_owned(),
                bytes: clean.bytes,
            },
            None => Client::file_of(name, bytes),
        };
        match u64::try_from(file.bytes.len()).is_ok_and(|len| len <= FILE_LEN_MAX) {
            true => Ok(file),
            false => Err(Refusal::too_long()),
        }
    }
}

/// A file that ends: no pipe, device or folder.
fn regular(path: &Path) -> Option<File> {
    let is_file = |found: std::fs::Metadata| found.is_file();
    std::fs::metadata(path)
        .ok()
        .filter(|found| found.is_file())?;
    let file = File::open(path).ok()?;
    file.metadata().is_ok_and(is_file).then_some(file)
}

/// A name without its ending; what was pasted is called a picture.
fn stem(name: &str) -> &str {
    let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str());
    stem.filter(|stem| !stem.is_empty()).unwrap_or("picture")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn png() -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let picture = image::DynamicImage::new_rgb8(8, 8);
        picture
            .write_to(&mut bytes, image::ImageFormat::Png)
            .unwrap();
        bytes.into_inner()
    }

    #[test]
    fn only_files_are_chosen_and_each_until_it_is_let_go_of() {
        let dir = tempfile::tempdir().unwrap();
        let (note, photo) = (dir.path().join("메모.txt"), dir.path().join("a.b.png"));
        std::fs::write(&note, "hello").unwrap();
        std::fs::write(&photo, png()).unwrap();
        let chosen = Chosen::default();
        let sources = [dir.path().to_owned(), note, dir.path().join("none"), photo];
        let views = chosen.add(sources.into_iter().map(Source::Disk).collect());
        let told: Vec<_> = views
            .iter()
            .map(|view| (view.number, view.name.as_str(), view.picture))
            .collect();
        assert_eq!(told, [(0, "메모.txt", false), (1, "a.b.png", true)]);
        let file = chosen.get(0).unwrap().to_send(false).unwrap();
        assert_eq!((&*file.name, &**file.bytes), ("메모.txt", &b"hello"[..]));
        chosen.forget(Some(0));
        assert!(chosen.get(0).is_err() && chosen.get(1).is_ok());
        chosen.forget(None);
        assert!(chosen.get(1).is_err());
    }

    #[test]
    fn a_picture_is_made_anew_unless_it_shall_go_as_it_is() {
        let mut told = png();
        told.extend_from_slice(b"what a program wrote behind it");
        let pasted = Source::Pasted(Zeroizing::new(told.clone()));
        assert_eq!(*pasted.to_send(true).unwrap().bytes, told);
        let clean = pasted.to_send(false).unwrap();
        assert_eq!(
            (&*clean.name, &*clean.media_type),
            ("picture.png", "image/png")
        );
        assert!(clean.bytes.len() < told.len());
    }

    #[test]
    fn what_is_too_long_is_told_before_it_is_sent_and_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long.bin");
        File::create(&path)
            .unwrap()
            .set_len(FILE_LEN_MAX + 1)
            .unwrap();
        let source = Source::Disk(path);
        let views = Chosen::default().add(vec![source.clone()]);
        assert!(views[0].too_long);
        assert_eq!(source.to_send(false).unwrap_err(), Refusal::too_long());
    }

    #[test]
    fn more_than_twenty_are_not_chosen() {
        let one = Source::Pasted(Zeroizing::new(png()));
        assert_eq!(Chosen::default().add(vec![one; 30]).len(), CHOSEN_MAX);
    }
}
