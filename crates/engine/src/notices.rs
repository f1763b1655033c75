//! Notices: what the timeline tells about commits and about this device.

use sori_mls::StateId;

use crate::engine::Engine;
use crate::error::Error;
use crate::group::Group;
use crate::record::{Body, CommitRecord, MessageIdBytes, MessageRecord, Notice};
use crate::time::Time;

impl Engine {
    /// Puts what the timeline tells about a commit into it.
    pub(crate) fn add_notices(
        &mut self,
        group: &mut Group,
        commit: &CommitRecord,
    ) -> Result<(), Error> {
        for (index, notice) in commit.notices.iter().enumerate() {
            let record = MessageRecord {
                id: notice_id(&commit.id, index),
                clock: commit.clock,
                sent_at: commit.clock >> 20,
                sender: commit.author,
                body: Body::Notice(notice.clone()),
                expires: None,
                holders: Vec::new(),
                snapshot: 0,
                audience: Vec::new(),
                readers: Vec::new(),
            };
            self.add_message(group, record)?;
        }
        Ok(())
    }

    /// Takes out what was told about a commit that lost.
    pub(crate) fn remove_notices(
        &mut self,
        group: &mut Group,
        state: &StateId,
    ) -> Result<(), Error> {
        let Some(commit) = self.commit_record(group, state)? else {
            return Ok(());
        };
        for index in 0..commit.notices.len() {
            if let Some((sequence, _)) = self.find_line(group, &notice_id(state, index))? {
                self.remove_message(group, sequence)?;
            }
        }
        Ok(())
    }

    /// A line that only this device sees.
    pub(crate) fn add_own_notice(
        &mut self,
        group: &mut Group,
        notice: Notice,
        now: Time,
    ) -> Result<(), Error> {
        let id = self.random();
        self.add_notice_as(group, id, notice, now)
    }

    /// The same, under an id by which it is found again.
    pub(crate) fn add_notice_as(
        &mut self,
        group: &mut Group,
        id: MessageIdBytes,
        notice: Notice,
        now: Time,
    ) -> Result<(), Error> {
        let record = MessageRecord {
            id,
            clock: group.tick(now),
            sent_at: now.unix_ms(),
            sender: self.me()?.id,
            body: Body::Notice(notice),
            expires: None,
            holders: Vec::new(),
            snapshot: 0,
            audience: Vec::new(),
            readers: Vec::new(),
        };
        self.add_message(group, record)
    }
}

fn notice_id(state: &StateId, index: usize) -> MessageIdBytes {
    let mut id = *state.as_bytes();
    if let Some(last) = id.last_mut() {
        *last ^= u8::try_from(index).unwrap_or(u8::MAX);
    }
    id
}
