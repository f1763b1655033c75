//! `docs/limits.md` against the code.

use std::collections::BTreeMap;

use sori_wire::limits;

use crate::settings::{Limits, Rate};

const TABLE: &str = include_str!("../../docs/limits.md");
const WIRE: &str = include_str!("../../crates/wire/src/limits.rs");

/// Every row: the name, and the numbers in its second column.
fn rows() -> BTreeMap<&'static str, Vec<u64>> {
    let rows = TABLE.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|');
        let name = cells.next()?.trim().trim_end_matches('`');
        let value = cells.next()?.replace(',', "");
        let numbers = value.split(|c: char| !c.is_ascii_digit());
        Some((name, numbers.filter_map(|text| text.parse().ok()).collect()))
    });
    rows.collect()
}

fn name(path: &'static str) -> &'static str {
    path.rsplit("::").next().unwrap().trim()
}

macro_rules! named {
    ($($value:path),* $(,)?) => {
        vec![$((name(stringify!($value)), vec![u64::try_from($value).unwrap()])),*]
    };
}

#[test]
fn table_says_what_the_code_does() {
    let mut code = named![
        limits::FRAME_LEN_MAX,
        limits::MESSAGE_LEN_MAX,
        limits::TOPICS_PER_CONNECTION_MAX,
        limits::ATTACHMENT_QUEUE_BYTES_MAX,
        limits::CONNECTION_QUEUE_BYTES_MAX,
        limits::CONTROL_QUEUE_BYTES_MAX,
        limits::FRAME_WAIT_MS_MAX,
        limits::WRITE_STALL_MS_MAX,
        limits::HANDSHAKE_MS_MAX,
        limits::ACCESS_MS_MAX,
        limits::UNATTACHED_MS_MAX,
        limits::IDLE_MS_MAX,
        limits::CLOSING_MS_MAX,
        limits::MESSAGE_WORK,
        limits::ATTACH_WORK,
        crate::transport::SEND_WINDOW_LEN,
        crate::transport::STREAM_WINDOW_LEN,
        crate::transport::INCOMING_MAX,
        crate::transport::INCOMING_BUFFER_LEN,
        crate::transport::INCOMING_BUFFER_LEN_TOTAL,
        crate::switch::BATCH_LEN,
        crate::hub::MAILBOX_BYTES_MAX,
        crate::gate::PREFIXES_MAX,
        crate::cluster::NODES_MAX,
        crate::cluster::BUS_MESSAGE_LEN_MAX,
        crate::cluster::ARRIVALS_MAX,
        crate::cluster::SUBSCRIPTION_MAX,
        crate::cluster::COMMANDS_MAX,
    ];
    let Limits {
        connections_max,
        connections_per_prefix_max,
        handshakes_per_prefix,
        handshakes_unproven,
        attachments_per_topic_max,
        queued_bytes_max,
        work,
    } = Limits::default();
    code.extend(named![
        connections_max,
        connections_per_prefix_max,
        attachments_per_topic_max,
        queued_bytes_max,
    ]);
    let rate = |rate: Rate| vec![rate.per_second, rate.burst];
    code.extend([
        ("handshakes_per_prefix", rate(handshakes_per_prefix)),
        ("handshakes_unproven", rate(handshakes_unproven)),
        ("work", rate(work)),
    ]);
    assert_eq!(rows(), code.into_iter().collect());
}

/// What bounds something in `sori_wire::limits` has a row; what only counts or names does not need one.
#[test]
fn no_limit_of_the_protocol_is_missing() {
    let rows = rows();
    let names = WIRE
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split(':').next())
        .filter(|name| !NO_BOUND.contains(name));
    let missing: Vec<&str> = names.filter(|name| !rows.contains_key(name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

/// Constants of the protocol that are no bounds on what a peer can have, or bound texts only.
const NO_BOUND: [&str; 4] = [
    "MESSAGE_PREFIX_LEN",
    "TICK_MS",
    "HOST_LEN_MAX",
    "RELAY_URL_LEN_MAX",
];
