//! Where the profile that was opened comes from.

/// Where an opened profile comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was not opened in this user account before: moved from another machine or account, or copied.
    Elsewhere,
    /// It goes on from where it was left.
    Here,
    /// It is an older copy of itself.
    OlderCopy,
    /// It was damaged, and holds what could be saved.
    Repaired,
}

impl Origin {
    /// Whether its groups have to be entered anew.
    #[must_use]
    pub const fn must_rejoin(self) -> bool {
        !matches!(self, Self::Here)
    }

    /// A stable name for programs; part of docs/rpc.md.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Elsewhere => "elsewhere",
            Self::Here => "here",
            Self::OlderCopy => "older_copy",
            Self::Repaired => "repaired",
        }
    }
}
