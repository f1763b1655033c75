//! A disk that can lose power: what it has for sure, and what it may have.
//!
//! Fed with a recording, it knows at each moment what the process sees, what the device holds for sure because somebody
//! waited for it, and every change that is still on its way. An [`Image`] is one folder that may be found when
//! the power comes back; [`Loss`] says which of the changes on their way have arrived.
//!
//! - [`file`]: one file, its sectors and its length;
//! - [`names`]: which name leads to which file, under two kinds of file system;
//! - [`image`]: a folder as bytes, written out and compared;
//! - [`loss`]: what a power cut takes.

pub(crate) mod file;
pub(crate) mod image;
pub(crate) mod loss;
pub(crate) mod names;

use std::collections::HashMap;
use std::path::Path;

use crate::chance::Chance;
use crate::error::Error;
use crate::recording::{Answer, Event, Scope};
use file::File;
use image::{Entry, Image};
use loss::Loss;
use names::{FileSystem, Names, Node};

/// A disk under one folder.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    names: Names,
    files: HashMap<Node, File>,
    inodes: HashMap<u64, Node>,
    /// Waits under way: inode and the moment when each began.
    waits: Vec<(u64, u64)>,
    /// Counts events: when something happened.
    now: u64,
}

impl Disk {
    /// An empty disk.
    pub(crate) fn empty(file_system: FileSystem) -> Self {
        Self {
            names: Names::new(file_system),
            files: HashMap::new(),
            inodes: HashMap::new(),
            waits: Vec::new(),
            now: 0,
        }
    }

    /// A disk that has `image` for sure; `folder` is where it was written to, for the inodes.
    ///
    /// # Errors
    /// [`Error::Io`] if `folder` does not hold `image`.
    pub(crate) fn holding(
        image: &Image,
        folder: &Path,
        file_system: FileSystem,
    ) -> Result<Self, Error> {
        let mut disk = Self::empty(file_system);
        for (path, entry) in image.entries() {
            let inode = image::inode(&folder.join(path))?;
            let event = match entry {
                Entry::File(_) => Event::Create {
                    path: path.clone(),
                    inode,
                },
                Entry::Folder => Event::MakeDir {
                    path: path.clone(),
                    inode,
                },
            };
            disk.feed(&event)?;
            if let Entry::File(bytes) = entry {
                let node = disk.node(inode, path)?;
                disk.files.insert(node, File::holding(bytes.clone()));
            }
        }
        disk.names.hold_all();
        Ok(disk)
    }

    /// Carries out one event.
    ///
    /// # Errors
    /// [`Error::Recording`] if it does not fit what is there.
    pub(crate) fn feed(&mut self, event: &Event) -> Result<(), Error> {
        self.now += 1;
        match event {
            Event::Create { path, inode } => {
                let node = self.names.create(path, self.now)?;
                self.inodes.insert(*inode, node);
                self.files.insert(node, File::new(self.now));
            }
            Event::Fault { .. } | Event::Mark(_) => {}
            Event::Link { from, to } => self.names.link(from, to, self.now)?,
            Event::MakeDir { path, inode } => {
                let node = self.names.make_folder(path, self.now)?;
                self.inodes.insert(*inode, node);
            }
            Event::Remove { path } => self.names.remove(path, self.now)?,
            Event::Rename { from, to } => self.names.rename(from, to, self.now)?,
            Event::SyncBegin { inode, .. } => self.waits.push((*inode, self.now)),
            Event::SyncEnd {
                path,
                inode,
                scope,
                answer,
            } => self.end_wait(path, *inode, *scope, *answer)?,
            Event::Truncate { path, inode, len } => {
                let now = self.now;
                self.file(*inode, path)?.set_len(*len as usize, now);
            }
            Event::Write {
                path,
                inode,
                offset,
                data,
            } => {
                let now = self.now;
                self.file(*inode, path)?
                    .write(*offset as usize, data.clone(), now);
            }
        }
        Ok(())
    }

    /// The folder as the process sees it.
    pub(crate) fn seen(&self) -> Image {
        let files = |node: Node| self.files.get(&node).map(|file| file.seen().to_vec());
        Image::new(self.names.seen_tree(), files)
    }

    /// The folder as it may be found after a power cut at this moment.
    pub(crate) fn after(&self, loss: &Loss, chance: &mut Chance) -> Image {
        let tree = self.names.after(loss, chance);
        Image::new(&tree, |node| {
            self.files
                .get(&node)
                .map(|file| file.after(loss, &mut *chance))
        })
    }

    /// The moments at which changes that are still on their way were made, ascending.
    pub(crate) fn moments_on_their_way(&self) -> Vec<u64> {
        let mut moments: Vec<u64> = self
            .files
            .values()
            .flat_map(File::moments_on_their_way)
            .chain(self.names.moments_on_their_way())
            .collect();
        moments.sort_unstable();
        moments
    }

    fn end_wait(
        &mut self,
        path: &str,
        inode: u64,
        scope: Scope,
        answer: Answer,
    ) -> Result<(), Error> {
        let at = self.waits.iter().position(|(waiting, _)| *waiting == inode);
        let at = at.ok_or_else(|| Error::Recording(format!("{path}: a wait without beginning")))?;
        let (_, begun) = self.waits.remove(at);
        if scope == Scope::Whole {
            if answer == Answer::Held {
                self.files.values_mut().for_each(|file| file.hold(begun));
                self.names.hold_until(begun);
            }
            return Ok(());
        }
        let node = self.node(inode, path)?;
        let Some(file) = self.files.get_mut(&node) else {
            if answer == Answer::Held {
                self.names.hold_folder(node, begun);
            }
            return Ok(());
        };
        match answer {
            Answer::Failed => file.give_up(begun),
            Answer::Held => {
                file.hold(begun);
                let until = file.last_metadata().min(begun);
                self.names.hold_with_file(until);
            }
        }
        Ok(())
    }

    fn file(&mut self, inode: u64, path: &str) -> Result<&mut File, Error> {
        let node = self.node(inode, path)?;
        let file = self.files.get_mut(&node);
        file.ok_or_else(|| Error::Recording(format!("{path} is no file")))
    }

    fn node(&mut self, inode: u64, path: &str) -> Result<Node, Error> {
        if let Some(node) = self.inodes.get(&inode) {
            return Ok(*node);
        }
        // The recorded folder itself was there before the recording.
        let node = self.names.find(path)?;
        self.inodes.insert(inode, node);
        Ok(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::loss::{Data, Length, NameLoss};

    fn create(path: &str, inode: u64) -> Event {
        Event::Create {
            path: path.into(),
            inode,
        }
    }

    fn write(path: &str, inode: u64, offset: u64, data: &[u8]) -> Event {
        Event::Write {
            path: path.into(),
            inode,
            offset,
            data: data.to_vec(),
        }
    }

    fn sync(path: &str, inode: u64, scope: Scope, answer: Answer) -> [Event; 2] {
        let path = || path.to_owned();
        [
            Event::SyncBegin {
                path: path(),
                inode,
                scope,
            },
            Event::SyncEnd {
                path: path(),
                inode,
                scope,
                answer,
            },
        ]
    }

    fn disk(file_system: FileSystem, events: &[Event]) -> Disk {
        let mut disk = Disk::empty(file_system);
        for event in events {
            disk.feed(event).unwrap();
        }
        disk
    }

    fn nothing() -> Loss {
        Loss {
            data: Data::Nothing,
            length: Length::Held,
            names: NameLoss::All,
        }
    }

    fn lost_all(disk: &Disk) -> Image {
        disk.after(&nothing(), &mut Chance::new(1, 1))
    }

    #[test]
    fn what_was_waited_for_is_there_and_what_came_later_is_not() {
        let mut events = vec![create("a", 1), write("a", 1, 0, &[1; 600])];
        events.extend(sync("a", 1, Scope::File, Answer::Held));
        events.push(write("a", 1, 0, &[2; 600]));
        let disk = disk(FileSystem::Ordered, &events);
        assert_eq!(lost_all(&disk).file("a"), Some(&[1; 600][..]));
        assert_eq!(disk.seen().file("a"), Some(&[2; 600][..]));
    }

    #[test]
    fn write_during_a_wait_is_not_covered_by_it() {
        let [begin, end] = sync("a", 1, Scope::File, Answer::Held);
        let events = [create("a", 1), begin, write("a", 1, 0, &[1; 9]), end];
        let disk = disk(FileSystem::Ordered, &events);
        assert_eq!(lost_all(&disk).file("a"), Some(&[][..]));
    }

    #[test]
    fn name_needs_its_folder_synced_only_where_the_file_system_is_strict() {
        let mut events = vec![create("a", 1), write("a", 1, 0, &[1; 9])];
        events.extend(sync("a", 1, Scope::Data, Answer::Held));
        let ordered = disk(FileSystem::Ordered, &events);
        assert_eq!(lost_all(&ordered).file("a"), Some(&[1; 9][..]));
        let strict = disk(FileSystem::Strict, &events);
        assert_eq!(lost_all(&strict).file("a"), None);
        events.extend(sync("", 99, Scope::File, Answer::Held));
        let strict = disk(FileSystem::Strict, &events);
        assert_eq!(lost_all(&strict).file("a"), Some(&[1; 9][..]));
    }

    #[test]
    fn failed_wait_holds_nothing_and_the_next_one_does_not_make_up_for_it() {
        let mut events = vec![create("a", 1), write("a", 1, 0, &[1; 512])];
        events.extend(sync("a", 1, Scope::File, Answer::Failed));
        events.push(write("a", 1, 512, &[2; 512]));
        events.extend(sync("a", 1, Scope::File, Answer::Held));
        let disk = disk(FileSystem::Ordered, &events);
        let expected = [[0; 512], [2; 512]].concat();
        assert_eq!(lost_all(&disk).file("a"), Some(expected.as_slice()));
    }

    #[test]
    fn scattered_loss_gives_sectors_of_old_and_new_and_never_half_of_one() {
        let mut events = vec![create("a", 1), write("a", 1, 0, &[1; 51_200])];
        events.extend(sync("a", 1, Scope::File, Answer::Held));
        events.push(write("a", 1, 0, &[2; 51_200]));
        let disk = disk(FileSystem::Ordered, &events);
        let loss = Loss {
            data: Data::Scattered { permille: 500 },
            length: Length::Held,
            names: NameLoss::All,
        };
        let image = disk.after(&loss, &mut Chance::new(3, 3));
        let sectors: Vec<&[u8]> = image.file("a").unwrap().chunks(512).collect();
        assert!(
            sectors
                .iter()
                .all(|sector| sector.iter().all(|byte| *byte == sector[0]))
        );
        let new = sectors.iter().filter(|sector| sector[0] == 2).count();
        assert!((20..80).contains(&new), "{new}");
    }

    #[test]
    fn prefix_in_order_holds_all_before_it_and_nothing_after() {
        let events = [
            create("a", 1),
            create("b", 2),
            write("a", 1, 0, &[1; 10]),
            write("b", 2, 0, &[2; 10]),
            write("a", 1, 0, &[3; 10]),
        ];
        let disk = disk(FileSystem::Ordered, &events);
        assert_eq!(disk.moments_on_their_way(), [1, 2, 3, 4, 5]);
        let loss = Loss {
            data: Data::Before(5),
            length: Length::Held,
            names: NameLoss::From(5),
        };
        let mut saw = [false; 2];
        for seed in 0..20 {
            let image = disk.after(&loss, &mut Chance::new(seed, 0));
            assert_eq!(image.file("b"), Some(&[2; 10][..]));
            let a = image.file("a").unwrap();
            saw[usize::from(a == [3; 10])] = true;
            assert!(
                a == [1; 10] || a == [3; 10],
                "the one at the cut is torn by sectors"
            );
        }
        assert_eq!(saw, [true; 2]);
    }

    #[test]
    fn length_that_arrived_without_its_data_reads_as_zeros() {
        let disk = disk(
            FileSystem::Ordered,
            &[create("a", 1), write("a", 1, 0, &[1; 700])],
        );
        let loss = Loss {
            data: Data::Nothing,
            length: Length::Seen,
            names: NameLoss::Nothing,
        };
        let image = disk.after(&loss, &mut Chance::new(0, 0));
        assert_eq!(image.file("a"), Some(&[0; 700][..]));
    }
}
