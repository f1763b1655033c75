//! The command line of `sori-relay`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use sori_wire::{InvalidRelayUrl, RelayHost};

/// Forward live frames between Sori clients, and keep nothing.
#[derive(Debug, Parser)]
#[command(
    name = "sori-relay",
    version,
    arg_required_else_help = true,
    after_help = EXAMPLES
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the key by which clients will know the relay
    Key(KeyArguments),
    /// Run a relay until it gets SIGTERM or SIGINT
    Run(RunArguments),
}

/// Make the key by which clients will know the relay.
///
/// The file is readable by its owner only. A file that exists is never overwritten.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sori-relay key relay.key")]
pub(crate) struct KeyArguments {
    /// Where to write the key
    pub(crate) file: PathBuf,
}

/// Run a relay until it gets SIGTERM or SIGINT.
///
/// Once it is ready it prints one line, `ready relay://HOST:PORT/#KEY`: the URL that clients are
/// given. After that it prints nothing, and it never writes a file.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct RunArguments {
    /// Address and UDP port to listen on, such as 0.0.0.0:4433 or [::]:4433; port 0 takes any free one
    #[arg(long, value_name = "ADDR", env = "SORI_RELAY_LISTEN")]
    pub(crate) listen: SocketAddr,

    /// Key file; without it the relay makes a key that is gone when it stops
    #[arg(long, value_name = "FILE", env = "SORI_RELAY_KEY")]
    pub(crate) key: Option<PathBuf>,

    /// Host, and port if it differs, under which clients reach the relay; only changes the URL printed
    #[arg(long, value_name = "HOST[:PORT]", env = "SORI_RELAY_PUBLIC")]
    pub(crate) public: Option<Public>,

    /// Most connections at a time (each costs about 50 KB of memory)
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10_000,
        env = "SORI_RELAY_MAX_CONNECTIONS"
    )]
    pub(crate) max_connections: usize,
}

/// Where clients reach the relay.
#[derive(Clone, Debug)]
pub(crate) struct Public {
    pub(crate) host: RelayHost,
    pub(crate) port: Option<u16>,
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

const EXAMPLES: &str = "Examples:
  sori-relay key relay.key
  sori-relay run --listen 0.0.0.0:4433 --key relay.key --public relay.example.org
  sori-relay run --listen 127.0.0.1:0        for a try on this machine";

const RUN_EXAMPLES: &str = "Examples:
  sori-relay run --listen 0.0.0.0:4433 --key relay.key --public relay.example.org
      a relay for others: they use relay://relay.example.org:4433/#...
  sori-relay run --listen 127.0.0.1:0
      a relay for this machine, with any free port and a key of the moment
  SORI_RELAY_LISTEN=[::]:4433 SORI_RELAY_KEY=/etc/sori/relay.key sori-relay run
      the same by environment variables";
