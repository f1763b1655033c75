//! Giving a file to whoever asks for it on the group's channel (protocol §9.4).

use sori_wire::TopicSeed;

use super::sealed::FileId;
use super::{ANSWER_SPREAD_MS, ANSWERS_MAX, Planned, Side, TRANSFERS_MAX};
use crate::engine::Engine;
use crate::time::Time;

impl Engine {
    /// Somebody asks who has a file: answers after a random wait if it is here, whole, and of the same group.
    pub(crate) fn take_who_has(&mut self, channel: u32, nonce: u64, file: [u8; 32], now: Time) {
        let group = self.channels.get(&channel).map(|held| held.record.group);
        let file = group.and_then(|group| self.files.whole(FileId(file), group));
        let Some(file) = file.filter(|_| self.files.answers.len() < ANSWERS_MAX) else {
            return;
        };
        let at = now.plus_ms(20_u64.saturating_add(self.below(ANSWER_SPREAD_MS)));
        self.files.answers.push(Planned {
            channel,
            nonce,
            file,
            at,
        });
    }

    /// Gives the answers that are due: listens on a one-time topic first.
    pub(crate) fn answer_questions(&mut self, now: Time) {
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.files.answers)
            .into_iter()
            .partition(|planned| planned.at <= now);
        self.files.answers = later;
        for Planned {
            channel,
            nonce,
            file,
            ..
        } in due
        {
            let giving = self.files.count(|side| matches!(side, Side::Giving(_)));
            if giving >= TRANSFERS_MAX || self.files.record(&file).is_none() {
                continue;
            }
            let seed = TopicSeed::from_bytes(self.random());
            self.begin_transfer(
                channel,
                file,
                seed,
                Side::Giving(Some((channel, nonce))),
                now,
            );
        }
    }
}
