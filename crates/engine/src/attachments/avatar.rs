//! The picture of a group: a file that the group data names, and no message (protocol §9.8).

use sori_mls::limits::AVATAR_LEN_MAX;
use sori_mls::{Avatar, GroupId};
use zeroize::Zeroizing;

use super::sealed::{FileId, FileKey, hash};
use super::shelf::{FileRecord, Named};
use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::messages::parse_group;
use crate::record::{MessageIdBytes, Wish};
use crate::time::Time;

/// Stands in the place of a message for the picture that a group has.
pub(super) const PRESENT: MessageIdBytes = [0; 32];
/// The same for one that it had, or is to have: what was agreed may lose yet.
const BESIDE: MessageIdBytes = [1; 32];

/// Whether it is a picture of a group, or might become one.
pub(super) fn is_avatar(record: &FileRecord) -> bool {
    matches!(record.message, Some(PRESENT | BESIDE))
}

fn named(group: GroupId, avatar: &Avatar) -> Named {
    Named {
        id: FileId(avatar.hash),
        group,
        size: avatar.size.into(),
    }
}

impl Engine {
    /// Gives a group a picture, or takes it away: a PNG, JPEG or WebP of at most 61,440 bytes, which goes as it is.
    ///
    /// # Errors
    /// As [`group_rename`](Self::group_rename).
    pub fn group_avatar_set(
        &mut self,
        group: &str,
        picture: Option<&[u8]>,
        now: Time,
    ) -> Result<(), Error> {
        self.wish_in(group, now, |engine, group| {
            let shelve = |picture| engine.shelve_avatar(group.record.id, picture);
            let avatar = picture.map(shelve).transpose()?;
            Ok(Wish::SetAvatar { avatar })
        })
    }

    /// The picture of a group; `None` where there is none, or not yet on this device.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn group_avatar(
        &mut self,
        group: &str,
        _now: Time,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let id = parse_group(group)?;
        self.with_group(id, |engine, group| {
            let Some(avatar) = engine.group_data(group)?.avatar else {
                return Ok(None);
            };
            let sealed = engine.sealed_piece(&named(id, &avatar), 0)?;
            let key = FileKey::new(avatar.key, avatar.nonce);
            Ok(sealed.and_then(|sealed| key.open(0, &sealed)))
        })
    }

    /// Names the picture of a group that is here; another name is another picture.
    pub(crate) fn avatar_name(&self, group: &GroupId) -> Option<String> {
        let named = self.files.avatars.get(group)?;
        let is_here = self.files.record(named).is_some_and(FileRecord::is_whole);
        is_here.then(|| super::content::to_hex(&named.id.0))
    }

    /// Seals and keeps a picture that a group is to have.
    fn shelve_avatar(&mut self, group: GroupId, picture: &[u8]) -> Result<Avatar, Error> {
        let size = u32::try_from(picture.len()).unwrap_or(u32::MAX);
        if !(1..=AVATAR_LEN_MAX).contains(&size) {
            return Err(Error::OutOfBounds {
                what: "a group's picture",
                bounds: "between one byte and 60 KiB",
            });
        }
        let (key, nonce) = (self.random(), self.random());
        let piece = FileKey::new(key, nonce).seal(0, picture)?;
        let hashes = [hash(&piece)];
        let avatar = Avatar {
            hash: FileId::of(size.into(), &hashes).0,
            size,
            key,
            nonce,
        };
        let named = named(group, &avatar);
        self.shelve(named, &hashes, &[piece])?;
        self.mark_file(&named, BESIDE)?;
        Ok(avatar)
    }

    /// Brings the picture in line with the head: what it names is fetched, and of others those stay that may come again.
    pub(crate) fn follow_avatar(&mut self, group: &mut Group) -> Result<(), Error> {
        let id = group.record.id;
        let present = (self.group_data(group)?.avatar).map(|avatar| named(id, &avatar));
        let former = self.files.avatars.get(&id).copied();
        if present == former {
            return Ok(());
        }
        let intents = group.record.intents.iter();
        let wished = intents.filter_map(|intent| {
            let Wish::SetAvatar { avatar } = &intent.wish else {
                return None;
            };
            avatar.as_ref().map(|avatar| named(id, avatar))
        });
        let kept: Vec<Named> = wished.chain(former).chain(present).collect();
        for file in self.files.avatars_of(&id) {
            match kept.contains(&file) {
                true => self.mark_file(&file, BESIDE)?,
                false => self.drop_file(&file)?,
            }
        }
        self.files.avatars.remove(&id);
        if let Some(present) = present {
            self.expect_file(&present)?;
            self.mark_file(&present, PRESENT)?;
            self.files.avatars.insert(id, present);
        }
        Ok(())
    }
}
