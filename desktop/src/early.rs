//! Opening a profile while the web view starts.
//!
//! A profile that the keychain alone opens asks nothing of the person: what the page will want is known before there is a
//! page. What comes of it waits here until the page asks.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use sori_client::{Client, Error, ProfileState, Progress, UnlockChoice, UnlockMethod};
use tauri::async_runtime::JoinHandle;

/// Who is told how far it is; nobody as long as there is no page.
type Listener = Arc<Mutex<Option<Box<dyn FnMut(Progress) + Send>>>>;

/// An opening that has begun.
pub(crate) struct Early {
    task: JoinHandle<Result<Client, Error>>,
    listener: Listener,
}

impl Early {
    /// Begins to open the profile in `dir`, if the keychain alone does that.
    pub(crate) fn begin(dir: PathBuf) -> Option<Self> {
        let keychain = ProfileState::Locked(UnlockMethod::Keychain);
        if Client::profile(&dir) != keychain {
            return None;
        }
        let listener = Listener::default();
        let told = Arc::clone(&listener);
        let progress = move |at| {
            if let Some(tell) = &mut *told.lock().unwrap_or_else(PoisonError::into_inner) {
                tell(at);
            }
        };
        let task = tauri::async_runtime::spawn(async move {
            Client::open_with(dir, UnlockChoice::Keychain, progress).await
        });
        Some(Self { task, listener })
    }

    /// What came of it; `progress` is told how far it is from now on.
    ///
    /// # Errors
    /// As [`Client::open_with`].
    pub(crate) async fn end(
        self,
        progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<Client, Error> {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(progress));
        self.task.await.unwrap_or(Err(Error::Stopped))
    }
}

impl std::fmt::Debug for Early {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Early").finish_non_exhaustive()
    }
}
