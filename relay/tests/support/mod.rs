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
mod memory;
mod nats;
mod process;
mod server;
mod tcp;

pub use client::{Client, Config, builder, quic_config, seed, tls_config};
pub use memory::copies_in_memory;
pub use nats::NatsServer;
pub use process::{RelayProcess, within};
pub use server::{Local, at};
pub use tcp::{TcpClient, with_verifier};
