//! Gives memory that is free back to the operating system.
//!
//! This is the only crate of the project with an `unsafe` block, and it has one: the C library's
//! allocator can be told to give back what it keeps only by a call that Rust cannot check.

/// Gives every whole page of the heap in which nothing is in use back to the operating system; says
/// whether there was one that it took.
///
/// It goes through the whole heap and holds the allocator's locks meanwhile, one arena at a time:
/// milliseconds for a heap of hundreds of megabytes. The kernel refuses to take pages that are locked
/// into memory (madvise(2), `MADV_DONTNEED`). With another C library than glibc it does nothing.
#[must_use]
pub fn give_back() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: malloc_trim(3) asks nothing of its caller, takes any number, and is safe to call
        // from any thread at any time (`MT-Safe` in its manual page).
        let gave_some = unsafe { libc::malloc_trim(0) };
        gave_some == 1
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    /// Pages of this process that are there, by proc(5).
    fn resident_pages() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn what_was_freed_between_things_in_use_is_given_back() {
        const PIECE: usize = 16 << 10; // Below what the allocator asks the system for by itself.
        let pieces: Vec<Vec<u8>> = (0..4096).map(|_| vec![1; PIECE]).collect();
        let (kept, freed): (Vec<_>, Vec<_>) = pieces
            .into_iter()
            .enumerate()
            .partition(|(number, _)| number % 64 == 0);
        drop(freed);
        let before = resident_pages();
        assert!(give_back());
        let after = resident_pages();
        assert!(
            after + 4096 * PIECE / 4096 / 2 < before,
            "{before} pages before, {after} after"
        );
        assert!(
            kept.iter()
                .all(|(_, piece)| piece.iter().all(|byte| *byte == 1))
        );
    }
}
