//! What an operator can set, each thing under one name in three places.
//!
//! `--max-connections` on the command line is `SORI_RELAY_MAX_CONNECTIONS` in the environment and
//! `max-connections` in the file. The command line counts before the environment, the environment
//! before the file, the file before the default. There is no option that makes the relay keep
//! anything, as there is no code that could.

use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use sori_relay::{BusServer, InvalidBusServer, Rate};
use sori_wire::{InvalidRelayUrl, RelayHost};

use super::level::Level;

/// Options as they were given, in one of the places or over all of them.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Options {
    /// Address and port to listen on, for UDP and TCP: [::]:4433 for IPv4 and IPv6, 0.0.0.0:4433 for
    /// IPv4 alone; port 0 takes any free one
    #[arg(long, value_name = "ADDR", env = "SORI_RELAY_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,

    /// Host, and port if it differs, under which clients reach the relay; only changes the URL printed
    #[arg(long, value_name = "HOST[:PORT]", env = "SORI_RELAY_PUBLIC")]
    pub(crate) public: Option<Public>,

    /// Key file [default: a key that is gone when the relay stops]
    #[arg(long, value_name = "FILE", env = "SORI_RELAY_KEY")]
    pub(crate) key: Option<PathBuf>,

    /// Who may use the relay [default: private if there is a file of access keys, else open]
    #[arg(long, value_enum, env = "SORI_RELAY_ACCESS")]
    pub(crate) access: Option<Access>,

    /// File with the access keys of a private relay, one on each line
    #[arg(long, value_name = "FILE", env = "SORI_RELAY_ACCESS_KEYS")]
    pub(crate) access_keys: Option<PathBuf>,

    /// Certificate with those above it (PEM), for clients that know the relay by its domain
    #[arg(long, value_name = "FILE", env = "SORI_RELAY_CERTIFICATE")]
    pub(crate) certificate: Option<PathBuf>,

    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", env = "SORI_RELAY_CERTIFICATE_KEY")]
    pub(crate) certificate_key: Option<PathBuf>,

    /// Whether to serve TCP too, for networks that block UDP [default: on]
    #[arg(long, value_enum, env = "SORI_RELAY_TCP")]
    pub(crate) tcp: Option<Switch>,

    /// Threads that serve connections [default: one for each core]
    #[arg(long, value_name = "N", env = "SORI_RELAY_THREADS")]
    pub(crate) threads: Option<u16>,

    /// Most connections at a time (each costs about 50 KB of memory) [default: 10000]
    #[arg(long, value_name = "N", env = "SORI_RELAY_MAX_CONNECTIONS")]
    pub(crate) max_connections: Option<u32>,

    /// Most connections at a time from one network: /24 of IPv4, /56 of IPv6 [default: 2000]
    #[arg(long, value_name = "N", env = "SORI_RELAY_MAX_CONNECTIONS_PER_NETWORK")]
    pub(crate) max_connections_per_network: Option<u32>,

    /// Most handshakes from one network: so many a second, and so many at once [default: 50:1000]
    #[arg(
        long,
        value_name = "PER_SECOND:BURST",
        env = "SORI_RELAY_MAX_HANDSHAKES_PER_NETWORK"
    )]
    pub(crate) max_handshakes_per_network: Option<RateOption>,

    /// Handshakes over all networks beyond which a client has to prove its address first [default:
    /// 100:200]
    #[arg(
        long,
        value_name = "PER_SECOND:BURST",
        env = "SORI_RELAY_MAX_UNPROVEN_HANDSHAKES"
    )]
    pub(crate) max_unproven_handshakes: Option<RateOption>,

    /// Most attachments of one topic [default: 5000]
    #[arg(long, value_name = "N", env = "SORI_RELAY_MAX_ATTACHMENTS_PER_TOPIC")]
    pub(crate) max_attachments_per_topic: Option<u32>,

    /// Most bytes that wait in memory for slow readers, over all connections [default: 268435456]
    #[arg(long, value_name = "BYTES", env = "SORI_RELAY_MAX_QUEUED_BYTES")]
    pub(crate) max_queued_bytes: Option<u64>,

    /// Most work one connection may cause, in bytes in and out: so many a second, and so many at once
    /// [default: 33554432:67108864]
    #[arg(
        long,
        value_name = "PER_SECOND:BURST",
        env = "SORI_RELAY_MAX_WORK_PER_CONNECTION"
    )]
    pub(crate) max_work_per_connection: Option<RateOption>,

    /// Unix socket that answers `sori-relay warrant` and `sori-relay health` [default: none]
    #[arg(long, value_name = "FILE", env = "SORI_RELAY_ADMIN")]
    pub(crate) admin: Option<PathBuf>,

    /// Address of this machine for /metrics and /health over HTTP, such as 127.0.0.1:9464 [default: none]
    #[arg(long, value_name = "ADDR", env = "SORI_RELAY_METRICS")]
    pub(crate) metrics: Option<SocketAddr>,

    /// Who may reach the metrics; `network` allows an address that other machines can reach [default: host]
    #[arg(long, value_enum, env = "SORI_RELAY_METRICS_FOR")]
    pub(crate) metrics_for: Option<Audience>,

    /// How much to write to stderr [default: warn]
    #[arg(long, value_enum, env = "SORI_RELAY_LOG")]
    pub(crate) log: Option<Level>,

    #[command(flatten)]
    pub(crate) cluster: ClusterOptions,
}

/// What stands in the table `cluster` of the file: `servers` there is `--cluster-servers` here.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ClusterOptions {
    /// NATS servers through which relays behind one name reach each other: nats://HOST:PORT or
    /// tls://HOST:PORT, with commas between them [default: none, the relay stands alone]
    #[arg(
        id = "cluster_servers",
        long = "cluster-servers",
        value_name = "URL",
        value_delimiter = ',',
        env = "SORI_RELAY_CLUSTER_SERVERS"
    )]
    pub(crate) servers: Option<Vec<Server>>,

    /// File with the secret that all relays of the cluster share; `sori-relay cluster-secret` makes it
    #[arg(
        id = "cluster_secret",
        long = "cluster-secret",
        value_name = "FILE",
        env = "SORI_RELAY_CLUSTER_SECRET"
    )]
    pub(crate) secret: Option<PathBuf>,

    /// Certificates (PEM) of who vouches for the NATS servers [default: the system's authorities]
    #[arg(
        id = "cluster_authorities",
        long = "cluster-authorities",
        value_name = "FILE",
        env = "SORI_RELAY_CLUSTER_AUTHORITIES"
    )]
    pub(crate) authorities: Option<PathBuf>,

    /// Certificate (PEM) by which the NATS servers know this relay
    #[arg(
        id = "cluster_certificate",
        long = "cluster-certificate",
        value_name = "FILE",
        env = "SORI_RELAY_CLUSTER_CERTIFICATE"
    )]
    pub(crate) certificate: Option<PathBuf>,

    /// Private key of that certificate (PEM)
    #[arg(
        id = "cluster_certificate_key",
        long = "cluster-certificate-key",
        value_name = "FILE",
        env = "SORI_RELAY_CLUSTER_CERTIFICATE_KEY"
    )]
    pub(crate) certificate_key: Option<PathBuf>,
}

/// A NATS server.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(crate) struct Server(pub(crate) BusServer);

/// Who may use a relay.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Access {
    /// Anybody
    Open,
    /// Who has one of the access keys
    Private,
}

/// Who can reach the metrics.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Audience {
    /// Programs on this machine
    Host,
    /// Whoever can reach the address
    Network,
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Switch {
    /// Yes
    On,
    /// No
    Off,
}

/// Where clients reach the relay.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(crate) struct Public {
    pub(crate) host: RelayHost,
    pub(crate) port: Option<u16>,
}

/// A rate as `PER_SECOND:BURST`, both at least 1.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(crate) struct RateOption(pub(crate) Rate);

/// The text is not a rate.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a rate is two numbers from 1, PER_SECOND:BURST, such as 50:1000")]
pub(crate) struct InvalidRate;

/// Why a file of options cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// What the operating system said.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not what it should be; the text names line and key.
    #[error("{0}")]
    Text(#[from] toml::de::Error),
    /// It is longer than any such file.
    #[error("it is longer than 64 KiB, which no configuration is")]
    TooLong,
}

impl Options {
    /// Reads a file of options.
    ///
    /// # Errors
    /// [`FileError`]. An unknown key is an error, so that nobody relies on an option that does nothing.
    pub(crate) fn read(path: &Path) -> Result<Self, FileError> {
        let mut text = String::new();
        let file = File::open(path)?;
        let read = file
            .take(FILE_LEN_MAX.saturating_add(1))
            .read_to_string(&mut text)?;
        if u64::try_from(read).unwrap_or(u64::MAX) > FILE_LEN_MAX {
            return Err(FileError::TooLong);
        }
        Ok(toml::from_str(&text)?)
    }

    /// These options, and where one is not given, that of `under`.
    pub(crate) fn over(self, under: Self) -> Self {
        Self {
            listen: self.listen.or(under.listen),
            public: self.public.or(under.public),
            key: self.key.or(under.key),
            access: self.access.or(under.access),
            access_keys: self.access_keys.or(under.access_keys),
            certificate: self.certificate.or(under.certificate),
            certificate_key: self.certificate_key.or(under.certificate_key),
            tcp: self.tcp.or(under.tcp),
            threads: self.threads.or(under.threads),
            max_connections: self.max_connections.or(under.max_connections),
            max_connections_per_network: self
                .max_connections_per_network
                .or(under.max_connections_per_network),
            max_handshakes_per_network: self
                .max_handshakes_per_network
                .or(under.max_handshakes_per_network),
            max_unproven_handshakes: self
                .max_unproven_handshakes
                .or(under.max_unproven_handshakes),
            max_attachments_per_topic: self
                .max_attachments_per_topic
                .or(under.max_attachments_per_topic),
            max_queued_bytes: self.max_queued_bytes.or(under.max_queued_bytes),
            max_work_per_connection: self
                .max_work_per_connection
                .or(under.max_work_per_connection),
            admin: self.admin.or(under.admin),
            metrics: self.metrics.or(under.metrics),
            metrics_for: self.metrics_for.or(under.metrics_for),
            log: self.log.or(under.log),
            cluster: self.cluster.over(under.cluster),
        }
    }
}

impl ClusterOptions {
    fn over(self, under: Self) -> Self {
        Self {
            servers: self.servers.or(under.servers),
            secret: self.secret.or(under.secret),
            authorities: self.authorities.or(under.authorities),
            certificate: self.certificate.or(under.certificate),
            certificate_key: self.certificate_key.or(under.certificate_key),
        }
    }
}

impl FromStr for Server {
    type Err = InvalidBusServer;

    fn from_str(text: &str) -> Result<Self, InvalidBusServer> {
        text.parse().map(Self)
    }
}

impl TryFrom<String> for Server {
    type Error = InvalidBusServer;

    fn try_from(text: String) -> Result<Self, InvalidBusServer> {
        text.parse()
    }
}

impl FromStr for Public {
    type Err = InvalidRelayUrl;

    fn from_str(text: &str) -> Result<Self, InvalidRelayUrl> {
        if let Ok(host) = text.parse() {
            return Ok(Self { host, port: None });
        }
        let (host, port) = text.rsplit_once(':').ok_or(InvalidRelayUrl::Host)?;
        let port: u16 = port.parse().map_err(|_| InvalidRelayUrl::Port)?;
        if port == 0 {
            return Err(InvalidRelayUrl::Port);
        }
        Ok(Self {
            host: host.parse()?,
            port: Some(port),
        })
    }
}

impl TryFrom<String> for Public {
    type Error = InvalidRelayUrl;

    fn try_from(text: String) -> Result<Self, InvalidRelayUrl> {
        text.parse()
    }
}

impl FromStr for RateOption {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
        let (per_second, burst) = text.split_once(':').ok_or(InvalidRate)?;
        Ok(Self(Rate {
            per_second: number(per_second).ok_or(InvalidRate)?,
            burst: number(burst).ok_or(InvalidRate)?,
        }))
    }
}

impl TryFrom<String> for RateOption {
    type Error = InvalidRate;

    fn try_from(text: String) -> Result<Self, InvalidRate> {
        text.parse()
    }
}

/// Longest file of options.
const FILE_LEN_MAX: u64 = 65_536;

/// A file of options with any bytes in it, for the fuzzing of `fuzz/` and for its corpus.
#[cfg(any(test, fuzzing))]
pub(crate) fn outside(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(options) = toml::from_str::<Options>(text) {
        drop(options.over(Options::default()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{Command, CommandFactory};

    use super::*;
    use crate::cli::Arguments;

    /// The commented example that packages install.
    const EXAMPLE: &str = include_str!("../../packaging/relay.toml");

    fn run_command() -> Command {
        let arguments = Arguments::command();
        arguments.find_subcommand("run").unwrap().clone()
    }

    /// The example with every option in it switched on.
    fn whole_example() -> String {
        let is_option = |line: &str| {
            line.strip_prefix('#').is_some_and(|rest| {
                rest.starts_with(|first: char| first.is_ascii_lowercase()) && rest.contains(" = ")
            })
        };
        let lines = EXAMPLE.lines();
        lines
            .map(|line| if is_option(line) { &line[1..] } else { line })
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn each_option_has_one_name_in_all_places() {
        let table: toml::Table = whole_example().parse().unwrap();
        let names = |(key, value): (&String, &toml::Value)| match value.as_table() {
            None => vec![key.clone()],
            Some(inner) => inner.keys().map(|name| format!("{key}-{name}")).collect(),
        };
        let in_file: BTreeSet<String> = table.iter().flat_map(names).collect();
        let mut on_command_line = BTreeSet::new();
        for argument in run_command().get_arguments() {
            let Some(name) = argument.get_long().filter(|name| *name != "config") else {
                continue;
            };
            if matches!(name, "help" | "version") {
                continue;
            }
            let variable = format!("SORI_RELAY_{}", name.replace('-', "_").to_uppercase());
            assert_eq!(argument.get_env().unwrap(), variable.as_str());
            on_command_line.insert(name.to_owned());
        }
        assert_eq!(in_file, on_command_line);
    }

    #[test]
    fn the_example_is_valid_as_it_is_and_with_everything_switched_on() {
        let example: Options = toml::from_str(EXAMPLE).unwrap();
        assert_eq!(example.listen, Some("[::]:4433".parse().unwrap()));
        let all: Options = toml::from_str(&whole_example()).unwrap();
        assert_eq!(all.log, Some(Level::Info));
    }

    /// What fuzzing found worth keeping, and what it began with.
    #[test]
    fn corpora_of_outside_are_parsed_without_a_panic() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/relay_options");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            outside(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count >= 3, "there is a corpus");
    }

    #[test]
    fn servers_of_a_cluster_are_named_without_a_password() {
        for text in [
            "nats://127.0.0.1:4222",
            "tls://bus.example.org:4222",
            "nats://[::1]:4222",
        ] {
            assert!(text.parse::<Server>().is_ok(), "{text}");
        }
        for text in [
            "",
            "bus.example.org",
            "http://bus.example.org",
            "nats://",
            "nats://relay:password@bus.example.org:4222",
            "ws://bus.example.org:4222",
        ] {
            let error = text.parse::<Server>().unwrap_err();
            assert!(!error.to_string().contains("bus.example"), "{text}");
        }
        let unknown = toml::from_str::<Options>("[cluster]\nstore = true").unwrap_err();
        assert!(unknown.to_string().contains("store"), "{unknown}");
    }

    #[test]
    fn rates_are_two_numbers() {
        let rate: RateOption = "50:1000".parse().unwrap();
        let expected = Rate {
            per_second: 50,
            burst: 1000,
        };
        assert_eq!(rate.0, expected);
        for text in ["", "50", "50:", ":50", "0:1", "1:0", "1:2:3", "-1:5", "a:b"] {
            assert!(text.parse::<RateOption>().is_err(), "{text}");
        }
    }
}
