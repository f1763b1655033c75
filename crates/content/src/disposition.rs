//! What a part is for (draft §4.4 and §8.2.2).

/// The intended use of a part, one byte on the wire.
///
/// Values without a name here are legitimate: they are kept and treated like
/// [`RENDER`](Self::RENDER) (draft §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Disposition(u8);

impl Disposition {
    /// Intended for download instead of display.
    pub const ATTACHMENT: Self = Self(6);
    /// A small picture such as an avatar.
    pub const ICON: Self = Self(5);
    /// Shown in the conversation itself.
    pub const INLINE: Self = Self(4);
    /// A preview made by the sender, for example of a link's target.
    pub const PREVIEW: Self = Self(8);
    /// The profile of a participant or a room.
    pub const PROFILE: Self = Self(3);
    /// A single reaction to another message.
    pub const REACTION: Self = Self(2);
    /// Shown according to local policy.
    pub const RENDER: Self = Self(1);
    /// A multimedia session, or the URI to join one.
    pub const SESSION: Self = Self(7);
    /// No hint given.
    pub const UNSPECIFIED: Self = Self(0);

    /// The disposition with this number of the registry.
    #[must_use]
    pub const fn from_value(value: u8) -> Self {
        Self(value)
    }

    /// The number in the registry.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }

    /// Whether the part belongs into the conversation itself.
    pub(crate) const fn is_shown(self) -> bool {
        !matches!(
            self,
            Self::ATTACHMENT
                | Self::ICON
                | Self::PREVIEW
                | Self::PROFILE
                | Self::REACTION
                | Self::SESSION
        )
    }
}
