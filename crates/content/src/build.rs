//! The messages that Sori itself sends, in the form of the draft's examples (draft §5).

use crate::media_type::{GFM_MIMI, PLAIN_UTF8};
use crate::{
    Disposition, Error, Expiration, ExtensionKey, Extensions, MessageId, MimiContent, NestedPart,
    SALT_LEN, TopicId,
};

/// Text is sent as it was typed, under the media type of the draft's Markdown. The draft asks
/// senders to write the `<` of an HTML tag as `&lt;`; that is left out on purpose: receivers must
/// show tags as text anyway (§7.1.1), and whoever shows the raw text, as Sori does, would show the
/// `&lt;`.
impl MimiContent {
    /// A message with this text. `salt` is fresh randomness; `text` has at most
    /// [`TEXT_LEN_MAX`](crate::limits::TEXT_LEN_MAX) bytes.
    #[must_use]
    pub fn text(salt: [u8; SALT_LEN], text: &str) -> Self {
        Self::with_body(salt, NestedPart::text(Disposition::RENDER, GFM_MIMI, text))
    }

    /// A text in answer to the message `to`.
    #[must_use]
    pub fn reply(salt: [u8; SALT_LEN], text: &str, to: MessageId) -> Self {
        Self::text(salt, text).with_in_reply_to(to)
    }

    /// A reaction to the message `to`: one emoji, of at most
    /// [`REACTION_LEN_MAX`](crate::limits::REACTION_LEN_MAX) bytes.
    #[must_use]
    pub fn reaction(salt: [u8; SALT_LEN], emoji: &str, to: MessageId) -> Self {
        let body = NestedPart::text(Disposition::REACTION, PLAIN_UTF8, emoji);
        Self::with_body(salt, body).with_in_reply_to(to)
    }

    /// A new text for the sender's own message whose first version is `replaces`.
    #[must_use]
    pub fn edit(salt: [u8; SALT_LEN], text: &str, replaces: MessageId) -> Self {
        Self::text(salt, text).with_replaces(replaces)
    }

    /// Takes back the sender's own message whose first version is `replaces`.
    #[must_use]
    pub fn delete(salt: [u8; SALT_LEN], replaces: MessageId) -> Self {
        let body = NestedPart::null(Disposition::RENDER);
        Self::with_body(salt, body).with_replaces(replaces)
    }

    /// Takes back the sender's own reaction `replaces` to the message `to`.
    #[must_use]
    pub fn unreact(salt: [u8; SALT_LEN], replaces: MessageId, to: MessageId) -> Self {
        let body = NestedPart::null(Disposition::REACTION);
        Self::with_body(salt, body)
            .with_replaces(replaces)
            .with_in_reply_to(to)
    }

    /// A message with this body and nothing else.
    #[must_use]
    pub fn with_body(salt: [u8; SALT_LEN], body: NestedPart) -> Self {
        Self {
            salt,
            replaces: None,
            topic_id: TopicId::default(),
            expires: None,
            in_reply_to: None,
            extensions: Extensions::new(),
            body,
        }
    }

    /// The same, asking receivers to forget it then.
    #[must_use]
    pub const fn with_expiry(mut self, expires: Expiration) -> Self {
        self.expires = Some(expires);
        self
    }

    /// The same, in answer to the message `to`.
    #[must_use]
    pub const fn with_in_reply_to(mut self, to: MessageId) -> Self {
        self.in_reply_to = Some(to);
        self
    }

    /// The same, in place of the message whose first version is `replaces`.
    #[must_use]
    pub const fn with_replaces(mut self, replaces: MessageId) -> Self {
        self.replaces = Some(replaces);
        self
    }

    /// The same, in this topic.
    #[must_use]
    pub fn with_topic(mut self, topic_id: TopicId) -> Self {
        self.topic_id = topic_id;
        self
    }

    /// The same, naming sender and room in the extensions.
    ///
    /// # Errors
    ///
    /// [`Error::ExtensionTooLong`] for a URI that does not fit
    /// [`EXTENSION_VALUE_LEN_MAX`](crate::limits::EXTENSION_VALUE_LEN_MAX).
    pub fn with_sender_and_room(mut self, sender_uri: &str, room_uri: &str) -> Result<Self, Error> {
        let extensions = &mut self.extensions;
        extensions.insert_text(ExtensionKey::SENDER_URI, sender_uri)?;
        extensions.insert_text(ExtensionKey::ROOM_URI, room_uri)?;
        Ok(self)
    }
}
