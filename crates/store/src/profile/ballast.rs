//! Space kept in reserve. Opening takes some: sled needs it to open a database at all, and every opening
//! commits that it happened.

use std::path::Path;

use super::files;
use crate::error::Error;

/// The size of the reserve: a few of sled's segments (512 KiB) and a snapshot.
const BALLAST_LEN: usize = 4 * 1024 * 1024;
/// Not zero: some file systems store zeros as nothing.
const FILLING: u8 = 0xA5;
/// Free space below which the reserve is given back before opening: a commit may fill this much.
const LOW_LEN: u64 = 1024 * 1024;
/// Free space above which it is taken again: twice its size, so that as much is left.
const AMPLE_LEN: u64 = 8 * 1024 * 1024;

/// Runs `open`; on a full disk gives the reserve back, before or once it shows. Refills it where it was
/// given back earlier and there is room again.
pub(crate) fn open_with_room<T>(
    root: &Path,
    open: impl Fn() -> Result<T, Error>,
) -> Result<T, Error> {
    if files::free_len(root).is_some_and(|free| free < LOW_LEN) {
        release(root)?;
    }
    match open() {
        Err(Error::Full) => {
            release(root)?;
            open()
        }
        Err(error) => Err(error),
        Ok(opened) => {
            let is_ample = files::free_len(root).is_none_or(|free| free > AMPLE_LEN);
            if is_ample && !is_full(root) && fill(root).is_err() {
                release(root)?;
            }
            Ok(opened)
        }
    }
}

/// Writes the reserve.
pub(crate) fn fill(root: &Path) -> Result<(), Error> {
    let file = files::open_private(&root.join("ballast"))?;
    files::overwrite_durably(&file, 0, &vec![FILLING; BALLAST_LEN])
}

fn release(root: &Path) -> Result<(), Error> {
    let file = files::open_private(&root.join("ballast"))?;
    file.set_len(0)?;
    Ok(file.sync_all()?)
}

fn is_full(root: &Path) -> bool {
    let len = std::fs::metadata(root.join("ballast")).map_or(0, |metadata| metadata.len());
    usize::try_from(len) == Ok(BALLAST_LEN)
}
