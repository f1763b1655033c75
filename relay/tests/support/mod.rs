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
mod cluster;
mod dice;
pub mod initial;
mod memory;
mod nats;
mod process;
mod server;
mod tcp;

pub use client::{Client, Config, builder, quic_config, seed, tls_config};
pub use cluster::{Cluster, is_ready};
pub use dice::Dice;
pub use memory::{copies_in_memory, copies_of_any_in_memory, resident_kib};
pub use nats::NatsServer;
pub use process::{RelayProcess, within};
pub use server::{Local, at};
pub use tcp::{TcpClient, with_verifier};
