//! Overwriting what calls leave behind on the stack, which lives as long as its thread: pieces of
//! topics, proofs and addresses that were worked with there.

use std::cell::Cell;

thread_local! {
    static IS_DIRTY: Cell<bool> = const { Cell::new(false) };
}

/// Notes that the stack of this thread is to be wiped when the thread next has nothing to do.
pub(crate) fn mark() {
    IS_DIRTY.set(true);
}

/// Wipes the stack if something was left there. To be called by the thread's outermost loop, so that
/// everything it ever called lies below.
pub(crate) fn wipe_if_marked() {
    if IS_DIRTY.replace(false) {
        wipe();
    }
}

/// Overwrites the stack below the caller. To be called from where the work was.
#[inline(never)]
pub(crate) fn wipe() {
    let stack = [0_u8; WIPED_LEN];
    std::hint::black_box(&stack); // Somebody might look at it, so it has to be there.
}

/// More than the deepest calls use, also without optimisation.
const WIPED_LEN: usize = 131_072;
