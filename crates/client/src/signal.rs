//! Being asked to end from outside.

/// Returns when the person presses Ctrl-C or the system asks the program to end: then the program should
/// [shut down](crate::Client::shutdown), which forgets and wipes what is to be. If signals cannot
/// be watched it never returns, and a signal ends the program at once; what was said to be saved
/// is saved in any case.
pub async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            outcome = tokio::signal::ctrl_c() => if outcome.is_err() { std::future::pending().await },
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
