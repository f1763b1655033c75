//! The client's side of one relay connection (protocol §relay): dialling, the byte session and
//! the task that runs both. It knows topics, frames and numbers; nothing of the engine, of
//! groups or of people.
//!
//! ```text
//!  Command ──▶ queue (bounded in bytes) ──▶ Session ──▶ stream ──▶ relay
//!  Report  ◀── inputs (bounded, waits)   ◀── Session ◀── stream ◀──
//! ```

mod carrier;
mod connection;
mod dial;
mod paths;
mod queue;
mod session;
mod tls;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use connection::{ConnectionId, Link, Report, Reporter};
pub(crate) use paths::Paths;
pub(crate) use session::{Command, Notice};
