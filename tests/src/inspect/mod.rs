//! What the kernel shows of a process: its memory, its files and sockets, and counters (Linux, `proc(5)`).

pub(crate) mod core;
pub(crate) mod files;
pub(crate) mod memory;
pub(crate) mod needle;
pub(crate) mod proc;
pub(crate) mod sockets;
