//! What a command answers when it does not do what it was asked.

use serde::Serialize;
use sori_client::Error;

/// A refusal as the page gets it: a stable code that chooses the words in its language, and the
/// engine's own sentence for whoever reports a fault. Neither holds a message, name or key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Refusal {
    code: String,
    detail: String,
}

impl Refusal {
    /// Asked for something that needs an open profile.
    pub(crate) fn not_open() -> Self {
        Self {
            code: "not_open".to_owned(),
            detail: "no profile is open".to_owned(),
        }
    }

    /// Not the whole path of a file.
    pub(crate) fn file_place() -> Self {
        Self {
            code: "file_place".to_owned(),
            detail: "the path of a file begins at the root or with ~/ and ends with a name"
                .to_owned(),
        }
    }

    /// Not an address that is handed to the system.
    pub(crate) fn link() -> Self {
        Self {
            code: "link".to_owned(),
            detail: "only web and mail addresses are opened".to_owned(),
        }
    }

    /// There is no picture in the clipboard.
    pub(crate) fn no_picture() -> Self {
        Self {
            code: "no_picture".to_owned(),
            detail: "the clipboard holds no picture".to_owned(),
        }
    }

    /// What cannot be shown as a picture.
    pub(crate) fn bad_picture() -> Self {
        Self {
            code: "bad_picture".to_owned(),
            detail: "this is no picture that can be shown".to_owned(),
        }
    }

    /// What was let go of, or is no more.
    pub(crate) fn gone() -> Self {
        Self {
            code: "not_found".to_owned(),
            detail: "there is no such file any more".to_owned(),
        }
    }

    /// Nothing that hears.
    pub(crate) fn no_microphone() -> Self {
        Self {
            code: "no_microphone".to_owned(),
            detail: "the sound server has no microphone, or there is no sound server".to_owned(),
        }
    }

    /// Nothing that can be heard.
    pub(crate) fn no_loudspeaker() -> Self {
        Self {
            code: "no_loudspeaker".to_owned(),
            detail: "the sound server plays nothing, or there is no sound server".to_owned(),
        }
    }

    /// A recording of no length.
    pub(crate) fn nothing_heard() -> Self {
        Self {
            code: "nothing_heard".to_owned(),
            detail: "nothing was recorded".to_owned(),
        }
    }

    /// What cannot be played as a voice message.
    pub(crate) fn bad_voice() -> Self {
        Self {
            code: "bad_voice".to_owned(),
            detail: "this is no voice message that can be played".to_owned(),
        }
    }

    /// A file that is too long to be sent.
    pub(crate) fn too_long() -> Self {
        Self {
            code: "file_too_long".to_owned(),
            detail: "a file has at most 16 MiB".to_owned(),
        }
    }

    /// A file that cannot be read.
    pub(crate) fn unreadable() -> Self {
        Self {
            code: "unreadable_file".to_owned(),
            detail: "the file cannot be read".to_owned(),
        }
    }

    /// There is a profile, and it is open.
    pub(crate) fn profile_exists() -> Self {
        Self {
            code: "profile_exists".to_owned(),
            detail: "a profile is open".to_owned(),
        }
    }

    /// The settings could not be written.
    pub(crate) fn settings(error: &std::io::Error) -> Self {
        Self {
            code: "settings".to_owned(),
            detail: error.kind().to_string(),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self {
            code: error.name().to_owned(),
            detail: error.to_string(),
        }
    }
}
