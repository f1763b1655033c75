//! Every bound of the relay protocol, each with what a hostile peer gains at that size
//! (`protocol §2.5`).

/// Longest frame in bytes: 64 KiB.
///
/// One frame is what a stranger can make a relay hold with one message; it is held once, however
/// many attachments it goes to.
pub const FRAME_LEN_MAX: usize = 65_536;

/// Longest message body in bytes: the longest frame and room for the fields around it.
///
/// A peer that announces more is cut off before a byte of the body is stored, so this is also the
/// most that an unfinished message can occupy.
pub const MESSAGE_LEN_MAX: usize = FRAME_LEN_MAX + 32;

/// Length of the prefix that announces a message body, in bytes.
pub const MESSAGE_PREFIX_LEN: usize = 4;

/// Most topics one connection may be attached to at a time.
///
/// Each costs the relay a map entry and a few counters (some hundred bytes), so a full connection
/// costs a few hundred KiB; a person in several hundred groups still fits.
pub const TOPICS_PER_CONNECTION_MAX: usize = 1024;

/// Most bytes of frames that may wait for one attachment: 256 KiB.
///
/// A reader that stalls on one topic keeps at most this much from being freed.
pub const ATTACHMENT_QUEUE_BYTES_MAX: usize = 262_144;

/// Most bytes of frames that may wait for one connection over all its attachments: 1 MiB.
///
/// Without it a stalled reader with [`TOPICS_PER_CONNECTION_MAX`] topics could pin 256 MiB.
pub const CONNECTION_QUEUE_BYTES_MAX: usize = 1_048_576;

/// Most bytes of answers and notices that may wait for one connection before the relay stops
/// reading from it: 64 KiB.
///
/// A peer that asks and never reads slows down only itself.
pub const CONTROL_QUEUE_BYTES_MAX: usize = 65_536;

/// Longest time in milliseconds that a frame may wait for an attachment: 10 s.
///
/// After it the frame is dropped and the reader is told of the gap, so a stalled reader cannot turn
/// the relay into a store.
pub const FRAME_WAIT_MS_MAX: u64 = 10_000;

/// Longest time in milliseconds that the transport of a connection may take to accept the next
/// piece, of at most about 128 KiB, that waits for it: 30 s.
///
/// It bounds how long a stalled reader pins what was already handed to the transport.
pub const WRITE_STALL_MS_MAX: u64 = 30_000;

/// Longest time in milliseconds for a connection to finish its handshake: 10 s.
///
/// An unfinished handshake holds keys and buffers for an address that may be forged.
pub const HANDSHAKE_MS_MAX: u64 = 10_000;

/// Longest time in milliseconds that a connection may stay without any attachment: 2 min.
///
/// An idle connection costs the relay about 40 KiB; attaching costs the peer a signature.
pub const UNATTACHED_MS_MAX: u64 = 120_000;

/// Longest time in milliseconds that a client of a private relay may take to show its access key:
/// 10 s.
///
/// Until then it may be anybody, and holds a connection.
pub const ACCESS_MS_MAX: u64 = 10_000;

/// Work of an attach, in bytes: a signature is verified, which takes as long as forwarding so much.
pub const ATTACH_WORK: u64 = 65_536;

/// Work of any other message, and of every delivery of a frame, in bytes beside those of the frame.
///
/// Small messages cost by their number. Without it a peer could ask for a million deliveries a second
/// with frames of one byte.
pub const MESSAGE_WORK: u64 = 1024;

/// How often a relay looks for what has waited too long, in milliseconds: limits of time are kept to
/// within this.
pub const TICK_MS: u64 = 500;

/// Longest time in milliseconds to tell a peer why its session ends: 1 s.
pub const CLOSING_MS_MAX: u64 = 1000;

/// Time in milliseconds without any packet after which either side gives the connection up: 60 s.
pub const IDLE_MS_MAX: u64 = 60_000;

/// Longest host in a relay URL, in bytes (RFC 1035 §2.3.4 in text form).
pub const HOST_LEN_MAX: usize = 253;

/// Longest relay URL in bytes: scheme, host with brackets, port, slash, access key, `#` and key.
pub const RELAY_URL_LEN_MAX: usize = 384;
