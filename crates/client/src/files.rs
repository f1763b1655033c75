//! Files: sending one from the disk, and saving one where the person says.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sori_engine::{FILE_LEN_MAX, NewFile, NewMessage};
use zeroize::Zeroizing;

use crate::client::{Client, blocking};
use crate::error::Error;
use crate::part_file::PartFile;

impl Client {
    /// Sends the file at `path`, with a text beside it or an empty one. Gives the message id.
    ///
    /// The file goes as it is: what a camera or an editor wrote into it goes with it.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if it cannot be read; otherwise as for all calls.
    pub async fn message_send_file(
        &self,
        group: &str,
        path: &Path,
        text: &str,
    ) -> Result<String, Error> {
        let new = NewMessage {
            text: text.to_owned(),
            file: Some(Self::file_read(path).await?),
            ..NewMessage::default()
        };
        self.message_post(group, new).await
    }

    /// The file at `path` as it would be sent; what is beyond the longest file is left out, so that sending it fails.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if it cannot be read.
    pub async fn file_read(path: &Path) -> Result<NewFile, Error> {
        let path = path.to_owned();
        blocking(move || read(&path)).await
    }

    /// Bytes as a file that can be sent, with the media type of some common formats.
    #[must_use]
    pub fn file_of(name: String, bytes: Zeroizing<Vec<u8>>) -> NewFile {
        let media_type = media_type(&bytes).to_owned();
        NewFile {
            name,
            media_type,
            bytes,
        }
    }

    /// Fetches the file of a message, or goes on fetching it.
    ///
    /// # Errors
    /// As for all calls.
    pub async fn file_fetch(&self, group: &str, id: &str) -> Result<(), Error> {
        let (group, id) = (group.to_owned(), id.to_owned());
        self.call(move |engine, now| engine.file_fetch(&group, &id, now))
            .await
    }

    /// Stops fetching the file of a message. What is here stays.
    ///
    /// # Errors
    /// As for all calls.
    pub async fn file_stop(&self, group: &str, id: &str) -> Result<(), Error> {
        let (group, id) = (group.to_owned(), id.to_owned());
        self.call(move |engine, now| engine.file_stop(&group, &id, now))
            .await
    }

    /// The file of a message, to be shown; it is nowhere but in memory.
    ///
    /// # Errors
    /// The engine's `not_found` if not everything of it is here; otherwise as for all calls.
    pub async fn file_bytes(&self, group: &str, id: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut bytes = Zeroizing::new(Vec::new());
        for index in 0_u32.. {
            let Some(piece) = self.file_piece(group, id, index).await? else {
                break;
            };
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// One piece at a time, so that nothing else has to wait for a long file.
    async fn file_piece(
        &self,
        group: &str,
        id: &str,
        index: u32,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let (group, id) = (group.to_owned(), id.to_owned());
        self.call(move |engine, now| engine.file_piece(&group, &id, index, now))
            .await
    }

    /// Sends the file of a message to another conversation, or the same, as a new one. Gives the message id.
    ///
    /// # Errors
    /// As [`file_bytes`](Self::file_bytes).
    pub async fn file_forward(&self, group: &str, id: &str, to: &str) -> Result<String, Error> {
        let around = self.message_around(group, id, (0, 0)).await?;
        let mut messages = around.messages.into_iter();
        let message = messages.find(|message| message.id == id);
        let view = message.and_then(|message| Some((message.file?, message.text)));
        let (view, text) = view.ok_or(sori_engine::Error::NotFound("file"))?;
        let file = NewFile {
            name: view.name,
            media_type: view.media_type,
            bytes: self.file_bytes(group, id).await?,
        };
        let new = NewMessage {
            text,
            file: Some(file),
            ..NewMessage::default()
        };
        self.message_post(to, new).await
    }

    /// Writes the picture of a group to `place`, as [`file_save`](Self::file_save) does with a file. Gives its length.
    ///
    /// # Errors
    /// As [`file_save`](Self::file_save); the engine's `not_found` where there is none, or not yet on this device.
    pub async fn group_avatar_save(
        &self,
        group: &str,
        place: &Path,
        replace: bool,
    ) -> Result<u64, Error> {
        let picture = self.group_avatar(group).await?;
        let picture = picture.ok_or(sori_engine::Error::NotFound("picture"))?;
        let mut out = PartFile::create(place, replace)?;
        out.write_all(&picture)?;
        out.complete()?;
        Ok(u64::try_from(picture.len()).unwrap_or(u64::MAX))
    }

    /// Writes the file of a message to `place`, readable by its owner only. Gives its length. From then on
    /// it lies there unsealed, and does not disappear with its message.
    ///
    /// # Errors
    /// [`Error::Export`] if it cannot be written there, or something is there already and `replace` is
    /// false: then nothing is left of it. The engine's `not_found` if not everything of it is here.
    pub async fn file_save(
        &self,
        group: &str,
        id: &str,
        place: &Path,
        replace: bool,
    ) -> Result<u64, Error> {
        let mut out = PartFile::create(place, replace)?;
        let mut len = 0_u64;
        for index in 0_u32.. {
            let Some(piece) = self.file_piece(group, id, index).await? else {
                break;
            };
            out.write_all(&piece)?;
            len = len.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        }
        out.complete()?;
        Ok(len)
    }
}

fn read(path: &PathBuf) -> Result<NewFile, Error> {
    let unreadable = |error: std::io::Error| Error::Unreadable { kind: error.kind() };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Zeroizing::new(Vec::new());
    // One byte more than there may be, so that the engine sees that it is too long.
    let bound = FILE_LEN_MAX.saturating_add(1);
    file.take(bound)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(Client::file_of(name, bytes))
}

/// The media type of some common formats by how they begin; nothing for others.
fn media_type(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => "image/webp",
        [b'%', b'P', b'D', b'F', ..] => "application/pdf",
        [b'P', b'K', 3, 4, ..] => "application/zip",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::UnlockChoice;

    #[tokio::test]
    async fn a_file_that_was_sent_is_saved_as_it_was_and_nothing_is_replaced_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let unlock = UnlockChoice::Passphrase(Zeroizing::new("right".to_owned()));
        let client = Client::create(folder.path().join("profile"), unlock)
            .await
            .unwrap();
        client.account_create("Ada").await.unwrap();
        client
            .relay_set(&format!("relay://127.0.0.1:9/#{}", "A".repeat(43)))
            .await
            .unwrap();
        let group = client.group_create("notes").await.unwrap();
        let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
        let from = folder.path().join("그림.bin");
        std::fs::write(&from, &bytes).unwrap();
        let id = client
            .message_send_file(&group, &from, "여기요")
            .await
            .unwrap();
        let to = folder.path().join("saved");
        let len = client.file_save(&group, &id, &to, false).await.unwrap();
        assert_eq!(len, 800_000);
        assert_eq!(std::fs::read(&to).unwrap(), bytes);
        let held = client.file_bytes(&group, &id).await.unwrap();
        assert_eq!(*held, bytes);
        let other = client.group_create("other").await.unwrap();
        let forwarded = client.file_forward(&group, &id, &other).await.unwrap();
        let held = client.file_bytes(&other, &forwarded).await.unwrap();
        assert_eq!(*held, bytes);
        let again = client.file_save(&group, &id, &to, false).await;
        assert!(matches!(again, Err(Error::Export { .. })));
        client.file_save(&group, &id, &to, true).await.unwrap();
        let missing = client
            .message_send_file(&group, &folder.path().join("none"), "")
            .await;
        assert!(matches!(missing, Err(Error::Unreadable { .. })));
        std::fs::write(&from, []).unwrap();
        let empty = client.message_send_file(&group, &from, "").await;
        assert!(matches!(empty, Err(Error::Engine(_))));
        client.shutdown().await;
    }
}
