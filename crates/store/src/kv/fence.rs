//! A fence around engines that panic on files they do not understand.
//!
//! What a panic there means is in the error that comes out of here; the message that Rust would print besides speaks of
//! another crate's insides and would frighten a person whose profile is about to be repaired. So panics behind the
//! fence are not printed. All others go to the hook that was there before.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether this thread is behind the fence.
    static BEHIND: Cell<bool> = const { Cell::new(false) };
}

/// The call panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Panicked;

/// Runs a call and catches its panic.
pub(super) fn fenced<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    static HOOK: Once = Once::new();
    HOOK.call_once(quieten);
    let outer = BEHIND.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(call));
    BEHIND.set(outer);
    outcome.map_err(|_| Panicked)
}

fn quieten() {
    let former = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // A thread that is ending has no such note any more; then it is not behind the fence either.
        if !BEHIND.try_with(Cell::get).unwrap_or(false) {
            former(info);
        }
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_panic_is_an_answer_and_prints_nothing() {
        static PRINTED: AtomicUsize = AtomicUsize::new(0);
        let harness = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let ours = info
                .payload_as_str()
                .is_some_and(|text| text.starts_with("fence test"));
            PRINTED.fetch_add(usize::from(ours), Ordering::SeqCst);
            harness(info);
        }));
        // The hook is set by the first fence of the process; here it has to be set over the one above.
        quieten();
        assert_eq!(
            fenced(|| -> u8 { panic!("fence test: behind") }),
            Err(Panicked)
        );
        assert_eq!(PRINTED.load(Ordering::SeqCst), 0);
        assert_eq!(
            fenced(|| fenced(|| -> u8 { panic!("fence test: twice behind") })),
            Ok(Err(Panicked))
        );
        assert_eq!(PRINTED.load(Ordering::SeqCst), 0);
        let before = panic::catch_unwind(|| panic!("fence test: before"));
        assert!(before.is_err());
        assert_eq!(PRINTED.load(Ordering::SeqCst), 1);
        assert_eq!(fenced(|| 7), Ok(7));
    }
}
