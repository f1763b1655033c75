//! What the system asks of the page. Kept until the page listens: a link may come before the window is there.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tauri::ipc::Channel;

use crate::chosen::ChosenView;

/// More wishes than this do not wait.
const WAITING_MAX: usize = 16;
/// Longer links are no links.
const LINK_LEN_MAX: usize = 4096;

/// One thing that is asked. It proposes only; the page asks the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
pub(crate) enum Wish {
    /// Files are dragged over the window, or not any more.
    Dragging { over: bool },
    /// Files were dropped on the window.
    Files { files: Vec<ChosenView> },
    /// A link was handed to the program.
    Link { url: String },
    /// Shut the profile.
    Lock,
    /// Show a message.
    Show { group: String, message: String },
}

impl Wish {
    /// A link, if it is one of ours.
    pub(crate) fn link(url: &str) -> Option<Self> {
        let fits = url.len() <= LINK_LEN_MAX
            && url.starts_with("sori:")
            && !url.chars().any(char::is_control);
        fits.then(|| Self::Link {
            url: url.to_owned(),
        })
    }
}

/// Where wishes go.
#[derive(Default)]
pub(crate) struct Wishes(Mutex<State>);

#[derive(Default)]
struct State {
    page: Option<Channel<Wish>>,
    waiting: Vec<Wish>,
}

impl Wishes {
    /// Tells the page, now or as soon as there is one.
    pub(crate) fn tell(&self, wish: Wish) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = state
            .page
            .as_ref()
            .is_some_and(|page| page.send(wish.clone()).is_ok());
        if !told && state.waiting.len() < WAITING_MAX {
            state.waiting.push(wish);
        }
    }

    /// From now on wishes go to `page`, those that waited first.
    pub(crate) fn listen(&self, page: Channel<Wish>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for wish in std::mem::take(&mut state.waiting) {
            // A page that has gone meanwhile needs no word.
            let _gone = page.send(wish);
        }
        state.page = Some(page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_links_are_links() {
        assert!(Wish::link("sori:invite#abc").is_some());
        for other in [
            "",
            "https://example.org/",
            "sori",
            "xsori:invite#a",
            "sori:\u{7}",
        ] {
            assert_eq!(Wish::link(other), None, "{other:?}");
        }
        assert_eq!(Wish::link(&format!("sori:{}", "a".repeat(5000))), None);
    }
}
