//! The words of reports, in English and Korean.

use clap::ValueEnum;

use super::Verdict;

/// The language of what people read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// English
    En,
    /// 한국어
    Ko,
}

impl Language {
    pub(crate) const fn choose<'a>(self, english: &'a str, korean: &'a str) -> &'a str {
        match self {
            Self::En => english,
            Self::Ko => korean,
        }
    }

    pub(crate) const fn code(self) -> &'static str {
        self.choose("en", "ko")
    }

    pub(crate) const fn verdict(self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Passed => self.choose("holds", "지켜짐"),
            Verdict::Failed => self.choose("does not hold", "지켜지지 않음"),
            Verdict::NotSeen => self.choose("not seen", "보지 못함"),
            Verdict::Skipped => self.choose("left out", "제외"),
        }
    }
}
