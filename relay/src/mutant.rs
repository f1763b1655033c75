//! Deliberate faults, to show that the audit suite finds them.
//!
//! Compiled only with `--cfg sori_mutants`, which no release has and `cargo xtask judge` sets; then `SORI_MUTANT`
//! chooses the one fault that the process has. `tests/mutants/table.txt` says which check has to find which.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use sori_wire::Handle;

use crate::switch::{Delivery, Time};

/// Whether this process has the fault of this name. Never inlined: names stay whole in the program, where the judge looks for
/// them.
#[inline(never)]
pub(crate) fn is(name: &str) -> bool {
    static CHOSEN: OnceLock<String> = OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("SORI_MUTANT").unwrap_or_default()) == name
}

/// Keeps a frame until [`let_go`].
pub(crate) fn hold(frame: &Bytes) {
    held().push(frame.clone());
}

/// The last attachment has gone: what is held is kept for another second.
pub(crate) fn let_go() {
    let frames = std::mem::take(&mut *held());
    thread::spawn(move || {
        thread::sleep(Duration::from_secs(1));
        drop(frames);
    });
}

fn held() -> MutexGuard<'static, Vec<Bytes>> {
    static HELD: Mutex<Vec<Bytes>> = Mutex::new(Vec::new());
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps bytes for ever.
pub(crate) fn keep(bytes: &[u8]) {
    static KEPT: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.push(bytes.into());
}

/// Writes a frame to a file.
pub(crate) fn write(frame: &[u8]) {
    let path = std::env::temp_dir().join(format!("sori-relay-{}.log", std::process::id()));
    let file = OpenOptions::new().create(true).append(true).open(path);
    let _not_written = file.and_then(|mut file| file.write_all(frame));
}

/// Hands a frame to another program, or to who would be one: the other end is here.
pub(crate) fn pass_on(frame: &[u8]) {
    static ENDS: OnceLock<Option<(UnixDatagram, UnixDatagram)>> = OnceLock::new();
    let ends = ENDS.get_or_init(|| UnixDatagram::pair().ok());
    if let Some((here, there)) = ends {
        let _passed = here.send(frame);
        let _taken = there.recv(&mut [0; 64]);
    }
}

/// Says something in the log.
pub(crate) fn say(what: impl Display) {
    let _nobody_listens = writeln!(std::io::stderr(), "sori-relay: debug: {what}");
}

/// Bytes as a log shows them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The last publication of each topic, for those who come late.
pub(crate) fn remember(delivery: &Delivery, now: Time) {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    last.insert(delivery.handle(), (delivery.clone(), now));
}

/// What [`remember`] has of a topic.
pub(crate) fn remembered(handle: Handle) -> Option<(Delivery, Time)> {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    last.get(&handle).cloned()
}

static LAST: Mutex<BTreeMap<Handle, (Delivery, Time)>> = Mutex::new(BTreeMap::new());
