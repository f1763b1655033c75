//! What a window asks for besides: pieces of long conversations, and how a person arranged theirs.
#![expect(
    clippy::missing_errors_doc,
    reason = "all fail alike; the documentation of Client says it once"
)]

use sori_engine::Arrange;
use sori_engine::view::{ArrangementView, EditView, WindowView};

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// The line `id` with at most `before` older and `after` newer lines (each at most 500), newest first,
    /// notices among them.
    pub async fn message_around(
        &self,
        group: &str,
        id: &str,
        (before, after): (u32, u32),
    ) -> Result<WindowView, Error> {
        let (group, id) = (group.to_owned(), id.to_owned());
        self.call(move |engine, now| engine.message_around(&group, &id, (before, after), now))
            .await
    }

    /// The id of the oldest message that counts as unread, if there is one.
    pub async fn message_unread(&self, group: &str) -> Result<Option<String>, Error> {
        let group = group.to_owned();
        self.call(move |engine, now| engine.message_unread(&group, now))
            .await
    }

    /// The states of a text that was edited, oldest first; of earlier ones only the times are left.
    pub async fn message_history(&self, group: &str, id: &str) -> Result<Vec<EditView>, Error> {
        let (group, id) = (group.to_owned(), id.to_owned());
        self.call(move |engine, now| engine.message_history(&group, &id, now))
            .await
    }

    /// Takes a message or notice out on this device only, for good.
    pub async fn message_hide(&self, group: &str, id: &str) -> Result<(), Error> {
        let (group, id) = (group.to_owned(), id.to_owned());
        self.call(move |engine, now| engine.message_hide(&group, &id, now))
            .await
    }

    /// Arranges a conversation on this device: draft, pinned, put away, time after which what is written from
    /// now on disappears.
    pub async fn group_arrange(
        &self,
        group: &str,
        change: Arrange,
    ) -> Result<ArrangementView, Error> {
        let group = group.to_owned();
        self.call(move |engine, now| engine.group_arrange(&group, change, now))
            .await
    }
}
