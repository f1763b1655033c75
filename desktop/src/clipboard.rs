//! The picture that somebody has copied, such as one of a QR code.
//!
//! For a QR code it is handed to the page as it is, which looks at it in the sandbox of the web view. And the files that somebody has copied.

use zeroize::Zeroizing;

use crate::chosen::Source;
use crate::refusal::Refusal;

/// Larger pictures are not handed over, in bytes.
const LEN_MAX: usize = 32 * 1024 * 1024;

/// The picture in the clipboard as PNG. To be called on the main thread.
///
/// # Errors
/// `no_picture` if there is none, or too large a one.
#[cfg(target_os = "linux")]
pub(crate) fn picture() -> Result<Vec<u8>, Refusal> {
    let clipboard = gtk::Clipboard::get(&gtk::gdk::SELECTION_CLIPBOARD);
    let contents = clipboard.wait_for_contents(&gtk::gdk::Atom::intern("image/png"));
    let bytes = contents.map(|contents| contents.data());
    bytes
        .filter(|bytes| !bytes.is_empty() && bytes.len() <= LEN_MAX)
        .ok_or_else(Refusal::no_picture)
}

/// The files that were copied; if there are none, the picture. To be called on the main thread.
#[cfg(target_os = "linux")]
pub(crate) fn files() -> Vec<Source> {
    let clipboard = gtk::Clipboard::get(&gtk::gdk::SELECTION_CLIPBOARD);
    let uris = clipboard.wait_for_uris();
    let paths = uris
        .iter()
        .filter_map(|uri| gtk::glib::filename_from_uri(uri).ok());
    let files: Vec<_> = paths.map(|(path, _host)| Source::Disk(path)).collect();
    if !files.is_empty() {
        return files;
    }
    let picture = picture()
        .ok()
        .map(|bytes| Source::Pasted(Zeroizing::new(bytes)));
    picture.into_iter().collect()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn files() -> Vec<Source> {
    Vec::new()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn picture() -> Result<Vec<u8>, Refusal> {
    Err(Refusal::no_picture())
}
