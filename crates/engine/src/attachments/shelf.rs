//! Where the pieces of files are: rows of the store, sealed twice (protocol §9.6).
//!
//! What a file is called and what opens it is only in its message. Pieces come in order, so that how many
//! there are says which.

use serde::{Deserialize, Serialize};
use sori_content::MessageId;
use sori_mls::GroupId;
use zeroize::Zeroizing;

use super::Files;
use super::avatar::{PRESENT, is_avatar};
use super::content::{FileRef, file_of};
use super::sealed::{FileId, PieceHash, count};
use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::messages::{parse_group, parse_message};
use crate::record::{MessageIdBytes, MessageRecord};
use crate::table;
use crate::time::Time;
use crate::view::{FileState, FileView};

/// Which file of which group. Who names a file of another group, or one with another length, means another
/// file: what came of it says nothing about this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: FileId,
    pub(crate) group: GroupId,
    pub(crate) size: u64,
}

/// What is here of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileRecord {
    pub(crate) named: Named,
    /// The message that carries it, or what stands for one (`avatar`); none while it is written.
    pub(crate) message: Option<MessageIdBytes>,
    /// How many of its first pieces are here.
    pub(crate) have: u32,
    /// Whether what is missing is to be fetched.
    pub(crate) wanted: bool,
}

impl FileRecord {
    pub(crate) fn count(&self) -> u32 {
        count(self.named.size).unwrap_or(0)
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.have >= self.count()
    }
}

impl Files {
    pub(crate) fn record(&self, file: &Named) -> Option<&FileRecord> {
        self.known.get(file).map(|(_, record)| record)
    }

    /// The pictures of a group that are known.
    pub(super) fn avatars_of(&self, group: &GroupId) -> Vec<Named> {
        let of_group = |(named, (_, record)): &(&Named, &(u32, FileRecord))| {
            named.group == *group && is_avatar(record)
        };
        let found = self.known.iter().filter(of_group);
        found.map(|(named, _)| *named).collect()
    }

    /// The file of this name in a group, if all of it is here.
    pub(crate) fn whole(&self, id: FileId, group: GroupId) -> Option<Named> {
        let of_size = |size| Named { id, group, size };
        let mut named = self.known.range(of_size(0)..=of_size(u64::MAX));
        let (named, _) = named.find(|(_, (_, record))| record.is_whole())?;
        Some(*named)
    }
}

impl Engine {
    pub(crate) fn load_files(&mut self) -> Result<(), Error> {
        let rows: Vec<(u64, FileRecord)> = self.scan(table::FILE, &[])?;
        self.files.known.clear();
        self.files.avatars.clear();
        self.files.next = 0;
        for (number, record) in rows {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            self.files.next = self.files.next.max(number.saturating_add(1));
            if record.message == Some(PRESENT) {
                self.files.avatars.insert(record.named.group, record.named);
            }
            self.files.known.insert(record.named, (number, record));
        }
        if !self.files.missing().is_empty() {
            self.files.ask_at = Some(Time::default());
        }
        Ok(())
    }

    fn save_file(&mut self, number: u32, record: FileRecord) -> Result<(), Error> {
        self.put(table::FILE, &table::one(number), &record)?;
        self.files.known.insert(record.named, (number, record));
        Ok(())
    }

    /// Keeps all of an own file that is about to be sent.
    pub(crate) fn shelve(
        &mut self,
        named: Named,
        hashes: &[PieceHash],
        pieces: &[Vec<u8>],
    ) -> Result<(), Error> {
        let number = self.files.next;
        self.files.next = number.saturating_add(1);
        self.put_hashes(number, hashes)?;
        for (index, piece) in (0_u32..).zip(pieces) {
            self.put_bytes(table::FILE_PIECE, &piece_key(number, index), piece)?;
        }
        let record = FileRecord {
            named,
            message: None,
            have: count(named.size).unwrap_or(0),
            wanted: true,
        };
        self.save_file(number, record)
    }

    fn put_hashes(&mut self, number: u32, hashes: &[PieceHash]) -> Result<(), Error> {
        self.put_bytes(table::FILE_PIECE, &hashes_key(number), &hashes.concat())
    }

    /// The hashes of a file's pieces, if they are here.
    pub(crate) fn hashes(&self, file: &Named) -> Result<Option<Vec<PieceHash>>, Error> {
        let Some((number, _)) = self.files.known.get(file) else {
            return Ok(None);
        };
        let bytes = self.store.get(table::FILE_PIECE, &hashes_key(*number))?;
        Ok(bytes.map(|bytes| bytes.as_chunks::<32>().0.to_vec()))
    }

    /// Keeps the hashes of a file if they make its name. Whether they do.
    pub(crate) fn take_hashes(&mut self, file: Named, hashes: &[PieceHash]) -> Result<bool, Error> {
        let Some((number, record)) = self.files.known.get(&file) else {
            return Ok(false);
        };
        let counts = u32::try_from(hashes.len()).is_ok_and(|len| len == record.count());
        if !counts || FileId::of(file.size, hashes) != file.id {
            return Ok(false);
        }
        self.put_hashes(*number, hashes)?;
        Ok(true)
    }

    /// Keeps the next piece of a file, which was checked.
    pub(crate) fn take_piece(&mut self, file: Named, sealed: &[u8]) -> Result<(), Error> {
        let Some((number, record)) = self.files.known.get(&file).cloned() else {
            return Ok(());
        };
        self.put_bytes(table::FILE_PIECE, &piece_key(number, record.have), sealed)?;
        let have = record.have.saturating_add(1);
        self.save_file(number, FileRecord { have, ..record })
    }

    /// A sealed piece, if it is here.
    pub(crate) fn sealed_piece(&self, file: &Named, index: u32) -> Result<Option<Vec<u8>>, Error> {
        let known = self.files.known.get(file);
        let Some((number, _)) = known.filter(|(_, record)| index < record.have) else {
            return Ok(None);
        };
        let piece = self
            .store
            .get(table::FILE_PIECE, &piece_key(*number, index))?;
        Ok(piece.map(|piece| piece.to_vec()))
    }

    /// Notes the file of a message that is new in the timeline.
    pub(crate) fn note_file(
        &mut self,
        group: &mut Group,
        message: &MessageRecord,
    ) -> Result<(), Error> {
        let Some(file) = file_of(&message.body) else {
            return Ok(());
        };
        // One's own is here already; of others, what the members have agreed on.
        let wanted = self.files.is_automatic(file.size)
            && !self.is_blocked(&message.sender)
            && self.permits_file(group, file.size)?;
        self.know_file(group, message.id, &file, wanted)
    }

    fn know_file(
        &mut self,
        group: &Group,
        message: MessageIdBytes,
        file: &FileRef,
        wanted: bool,
    ) -> Result<(), Error> {
        let named = file.named(group);
        let (number, record) = self.known_or_new(named, wanted);
        let wanted = wanted || record.wanted;
        // Of two messages that name one file, the first has it.
        let message = record.message.or(Some(message));
        self.save_file(
            number,
            FileRecord {
                message,
                wanted,
                ..record
            },
        )?;
        self.ask_soon();
        Ok(())
    }

    fn known_or_new(&mut self, named: Named, wanted: bool) -> (u32, FileRecord) {
        if let Some(known) = self.files.known.get(&named) {
            return known.clone();
        }
        let number = self.files.next;
        self.files.next = number.saturating_add(1);
        let record = FileRecord {
            named,
            message: None,
            have: 0,
            wanted,
        };
        (number, record)
    }

    /// A file that no message carries is to be here.
    pub(super) fn expect_file(&mut self, named: &Named) -> Result<(), Error> {
        let (number, record) = self.known_or_new(*named, true);
        self.save_file(number, record)?;
        self.ask_soon();
        Ok(())
    }

    /// Notes what stands in the place of a file's message.
    pub(super) fn mark_file(&mut self, named: &Named, mark: MessageIdBytes) -> Result<(), Error> {
        let Some((number, record)) = self.files.known.get(named).cloned() else {
            return Ok(());
        };
        let message = Some(mark);
        self.save_file(number, FileRecord { message, ..record })
    }

    /// Forgets the file of a message that is no more.
    pub(crate) fn forget_file(
        &mut self,
        group: &Group,
        message: &MessageRecord,
    ) -> Result<(), Error> {
        let Some(file) = file_of(&message.body) else {
            return Ok(());
        };
        let named = file.named(group);
        let record = self.files.record(&named);
        match record.is_some_and(|record| record.message == Some(message.id)) {
            true => self.drop_file(&named),
            false => Ok(()),
        }
    }

    /// Forgets a file.
    pub(super) fn drop_file(&mut self, named: &Named) -> Result<(), Error> {
        let Some((number, record)) = self.files.known.get(named) else {
            return Ok(());
        };
        let (number, have) = (*number, record.have);
        self.delete(table::FILE_PIECE, &hashes_key(number))?;
        for index in 0..have {
            self.delete(table::FILE_PIECE, &piece_key(number, index))?;
        }
        self.delete(table::FILE, &table::one(number))?;
        self.files.known.remove(named);
        self.end_transfers_of(named);
        Ok(())
    }

    /// Fetches the file of a message, or goes on fetching it.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group, the message or a file in it.
    pub fn file_fetch(&mut self, group: &str, message: &str, _now: Time) -> Result<(), Error> {
        self.with_file(group, message, |engine, group, record, file| {
            engine.know_file(group, record.id, &file, true)?;
            engine.message_changed(group, &record.id)
        })
    }

    /// Stops fetching the file of a message. What is here stays.
    ///
    /// # Errors
    /// As [`file_fetch`](Self::file_fetch).
    pub fn file_stop(&mut self, group: &str, message: &str, _now: Time) -> Result<(), Error> {
        self.with_file(group, message, |engine, group, record, file| {
            let named = file.named(group);
            if let Some((number, known)) = engine.files.known.get(&named).cloned() {
                engine.save_file(
                    number,
                    FileRecord {
                        wanted: false,
                        ..known
                    },
                )?;
            }
            engine.end_taking(&named);
            engine.message_changed(group, &record.id)
        })
    }

    /// Piece `index` of the file of a message; `None` after the last.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the group, the message, a file in it, or a piece that is not here yet.
    pub fn file_piece(
        &mut self,
        group: &str,
        message: &str,
        index: u32,
        _now: Time,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        self.with_file(group, message, |engine, group, _, file| {
            if count(file.size).is_none_or(|count| index >= count) {
                return Ok(None);
            }
            let missing = Error::NotFound("the file, of which not everything is here yet");
            let Some(sealed) = engine.sealed_piece(&file.named(group), index)? else {
                return Err(missing);
            };
            file.key.open(index, &sealed).map(Some).ok_or(missing)
        })
    }

    fn with_file<R>(
        &mut self,
        group: &str,
        message: &str,
        work: impl FnOnce(&mut Self, &mut Group, MessageRecord, FileRef) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let (group, message) = (parse_group(group)?, parse_message(message)?);
        self.atomically(|engine| {
            engine.with_group(group, |engine, group| {
                let found = engine.find_line(group, &message)?;
                let (_, record) = found.ok_or(Error::NotFound("message"))?;
                let file = file_of(&record.body).ok_or(Error::NotFound("file"))?;
                work(engine, group, record, file)
            })
        })
    }

    /// That an edit takes nothing but a text away: it takes the place of all of a message (protocol §9.6).
    pub(crate) fn carries_no_file(&self, group: &Group, line: &MessageId) -> Result<(), Error> {
        let found = self.find_line(group, line.as_bytes())?;
        match found.and_then(|(_, record)| file_of(&record.body)) {
            Some(_) => Err(Error::OutOfBounds {
                what: "an edit",
                bounds: "of a message without a file",
            }),
            None => Ok(()),
        }
    }

    /// How the file of a message stands, if it has one.
    pub(crate) fn file_view(
        &self,
        group: &Group,
        message: &MessageRecord,
    ) -> Option<Box<FileView>> {
        let file = file_of(&message.body)?;
        let named = file.named(group);
        let record = self.files.record(&named);
        let have = record.map_or(0, |record| record.have);
        let state = match record {
            Some(record) if record.is_whole() => FileState::Here,
            Some(record) if !record.wanted => FileState::Stopped,
            Some(_) if self.files.is_taking(&named) => FileState::Fetching,
            Some(_) => FileState::Waiting,
            None => FileState::Stopped,
        };
        Some(Box::new(FileView {
            name: file.name,
            media_type: file.media_type,
            size: file.size,
            have: super::sealed::bytes_of(file.size, have),
            state,
        }))
    }

    /// Tells the front end how a file stands now.
    pub(crate) fn file_changed(&mut self, file: &Named) -> Result<(), Error> {
        let record = self.files.record(file);
        let Some(message) = record.and_then(|record| record.message) else {
            return Ok(());
        };
        let is_avatar = record.is_some_and(is_avatar);
        self.with_group(file.group, |engine, group| match is_avatar {
            true => {
                engine.group_changed(group);
                Ok(())
            }
            false => engine.message_changed(group, &message),
        })
    }
}

fn hashes_key(number: u32) -> [u8; 12] {
    table::of(number, 0)
}

fn piece_key(number: u32, index: u32) -> [u8; 12] {
    table::of(number, u64::from(index).saturating_add(1))
}
