//! A relay process and a bare client for it, as the tests of this folder use them.

#![allow(
    dead_code,
    unreachable_pub,
    unnameable_types,
    unused_imports,
    missing_debug_implementations,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test program uses its own part of this module, and tests may panic"
)]

mod client;
mod process;

pub use client::{Client, Config, seed};
pub use process::{RelayProcess, within};
