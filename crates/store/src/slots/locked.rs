//! Memory for keys: kept out of swap where the system allows it, wiped when dropped.

use region::LockGuard;
use zeroize::Zeroize;

/// A fixed number of bytes on pages of their own, locked into memory if the system lets us.
///
/// The pages hold nothing else, because unlocking one range unlocks every page it touches. Failing to
/// lock is no error (many systems allow a few hundred KiB only); [`Locked::is_locked`] tells.
pub(crate) struct Locked {
    // Dropped before the bytes it locks, after they were wiped.
    guard: Option<LockGuard>,
    // Never grown: a grown buffer would leave an unlocked, unwiped copy behind.
    bytes: Box<[u8]>,
    from: usize,
    len: usize,
}

impl Locked {
    /// `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        let page = region::page::size();
        let span = len.max(1).div_ceil(page).saturating_mul(page);
        let bytes = vec![0; span.saturating_add(page)].into_boxed_slice();
        let from = bytes.as_ptr().align_offset(page).min(page);
        let guard = region::lock(bytes.as_ptr().wrapping_add(from), span).ok();
        Self {
            guard,
            bytes,
            from,
            len,
        }
    }

    /// Whether the system keeps these pages in memory.
    pub(crate) const fn is_locked(&self) -> bool {
        self.guard.is_some()
    }

    /// Part `index` of the bytes, seen as consecutive parts of `N` bytes.
    pub(crate) fn part<const N: usize>(&self, index: usize) -> Option<&[u8; N]> {
        let from = index.checked_mul(N)?;
        let to = from.checked_add(N).filter(|to| *to <= self.len)?;
        let (from, to) = (self.from.checked_add(from)?, self.from.checked_add(to)?);
        self.bytes.get(from..to)?.first_chunk()
    }

    /// As [`Locked::part`], to be written.
    pub(crate) fn part_mut<const N: usize>(&mut self, index: usize) -> Option<&mut [u8; N]> {
        let from = index.checked_mul(N)?;
        let to = from.checked_add(N).filter(|to| *to <= self.len)?;
        let (from, to) = (self.from.checked_add(from)?, self.from.checked_add(to)?);
        self.bytes.get_mut(from..to)?.first_chunk_mut()
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl std::fmt::Debug for Locked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Locked")
    }
}

#[cfg(test)]
mod tests {
    use super::Locked;

    #[test]
    fn parts_are_apart_and_end_with_the_length() {
        let mut bytes = Locked::zeroed(100);
        *bytes.part_mut::<40>(1).unwrap() = [7; 40];
        assert_eq!(bytes.part::<40>(0), Some(&[0; 40]));
        assert_eq!(bytes.part::<40>(1), Some(&[7; 40]));
        assert_eq!(bytes.part::<40>(2), None);
        assert_eq!(bytes.part::<20>(2), Some(&[7; 20]));
    }

    #[test]
    fn bytes_begin_on_a_page_and_the_last_page_is_theirs_whole() {
        for len in [1, 4096, 4097, 40_960] {
            let bytes = Locked::zeroed(len);
            let start = bytes.part::<1>(0).unwrap().as_ptr();
            assert_eq!(start.align_offset(region::page::size()), 0);
            assert!(bytes.bytes.len() - bytes.from >= len.next_multiple_of(region::page::size()));
        }
    }
}
