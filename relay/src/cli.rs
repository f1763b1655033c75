//! The command line of `sori-relay`: what can be typed, and one module for each command.

mod access_key;
mod certificate;
mod check;
mod cluster_secret;
mod config;
mod digest;
mod failure;
mod health;
mod invite;
mod key;
mod level;
pub(crate) mod log;
mod options;
mod qr;
mod run;
mod secrets;
mod warrant;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use failure::Failure;
pub(crate) use options::{Access, Audience, FileError, Options, Switch};

use crate::report::Language;

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
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Key(KeyArguments),
    AccessKey(AccessKeyArguments),
    ClusterSecret(ClusterSecretArguments),
    Run(Box<RunArguments>),
    Check(Box<CheckArguments>),
    Invite(Box<InviteArguments>),
    Warrant(WarrantArguments),
    Health(HealthArguments),
    /// Print the SHA-256 of this program, to compare with a build of your own
    ///
    /// A program that lies about what it does can lie about this, too: it is for finding out which of honest builds
    /// runs. Who does not trust the machine compares the file itself.
    Digest,
}

impl Arguments {
    /// Does what was typed.
    ///
    /// # Errors
    /// [`Failure`], for the operator.
    pub(crate) fn execute(self) -> Result<(), Failure> {
        match self.command {
            Command::Key(arguments) => key::make(&arguments),
            Command::AccessKey(arguments) => access_key::add(&arguments),
            Command::ClusterSecret(arguments) => cluster_secret::make(&arguments),
            Command::Run(arguments) => run::run(*arguments),
            Command::Check(arguments) => check::check(*arguments),
            Command::Invite(arguments) => invite::print(*arguments),
            Command::Warrant(arguments) => warrant::print(arguments),
            Command::Health(arguments) => health::ask(arguments),
            Command::Digest => digest::print(),
        }
    }
}

/// Make the key by which clients will know the relay
///
/// The file is readable by its owner only. A file that exists is never overwritten.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sori-relay key relay.key")]
struct KeyArguments {
    /// Where to write the key
    file: PathBuf,
}

/// Make an access key and add it to the file of a private relay
///
/// The file is made if it is not there, readable by its owner only. Keys that are in it stay: to
/// rotate, add one, reload the relay, hand out new invites, and remove the old line when everybody
/// has one.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sori-relay access-key access.keys")]
struct AccessKeyArguments {
    /// File with one access key on each line
    file: PathBuf,
}

/// Make the secret that relays behind one name share
///
/// Make it once and copy it to every relay of the cluster. The file is readable by its owner only. A
/// file that exists is never overwritten.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sori-relay cluster-secret cluster.secret")]
struct ClusterSecretArguments {
    /// Where to write the secret
    file: PathBuf,
}

/// Run a relay until it gets SIGTERM or SIGINT
///
/// Once it is ready it prints one line, `ready relay://HOST:PORT/#KEY`: where clients find it. It
/// never writes a file, and to stderr only what --log says. SIGHUP makes it read access keys and
/// certificate again; connections that are open stay.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
struct RunArguments {
    /// File with options, as TOML: `max-connections = 500` is `--max-connections 500`
    #[arg(long, value_name = "FILE", env = "SORI_RELAY_CONFIG")]
    config: Option<PathBuf>,

    #[command(flatten)]
    options: Options,
}

/// Look whether a relay could run like this, and say what to change if not
///
/// It reads the configuration, the key, the access keys and the certificate, and tries the addresses.
/// Run it as the user that the relay will be, or as root. Exits with 0 if all is well, with 1 if
/// something has to be changed, with 2 if the configuration cannot be read at all.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sori-relay check --config /etc/sori-relay/relay.toml")]
struct CheckArguments {
    /// File with options [default: /etc/sori-relay/relay.toml if it is there]
    #[arg(long, value_name = "FILE", env = "SORI_RELAY_CONFIG")]
    config: Option<PathBuf>,

    #[command(flatten)]
    options: Options,
}

/// Print the relay's URL and a QR code of it, to hand to people
#[derive(Debug, Args)]
#[command(after_help = INVITE_EXAMPLES)]
struct InviteArguments {
    /// File with options [default: /etc/sori-relay/relay.toml if it is there]
    #[arg(long, value_name = "FILE", env = "SORI_RELAY_CONFIG")]
    config: Option<PathBuf>,

    /// Put the access key into the URL: the last one in the file, as it is the newest. Whoever has
    /// that URL may use the relay
    #[arg(long)]
    with_access_key: bool,

    /// Let clients know the relay by its certificate instead of its key
    #[arg(long)]
    by_certificate: bool,

    /// Print the URL alone, without the QR code
    #[arg(long)]
    url_only: bool,

    #[command(flatten)]
    options: Options,
}

/// Ask a running relay for everything that it can say
///
/// The answer comes from the relay's admin socket: version, how long it has run, how much there is
/// now, and sums since its start. It has nothing else to say.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sori-relay warrant --lang ko")]
struct WarrantArguments {
    #[command(flatten)]
    place: AdminPlace,

    /// Language to answer in [default: by LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, value_enum, env = "SORI_RELAY_LANG")]
    lang: Option<Language>,

    /// Print one line of JSON instead of text
    #[arg(long, conflicts_with = "lang")]
    json: bool,
}

/// Ask a running relay whether it serves
///
/// It asks at the metrics address if there is one, else at the admin socket. Exits with 0 if the
/// relay serves, with 1 if it does not.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sori-relay health --metrics 127.0.0.1:9464")]
struct HealthArguments {
    #[command(flatten)]
    place: AdminPlace,

    /// Address of the relay's metrics [default: `metrics` of the file]
    #[arg(long, value_name = "ADDR", env = "SORI_RELAY_METRICS")]
    metrics: Option<std::net::SocketAddr>,
}

/// Where a running relay can be asked.
#[derive(Debug, Args)]
struct AdminPlace {
    /// File with options [default: /etc/sori-relay/relay.toml if it is there]
    #[arg(long, value_name = "FILE", env = "SORI_RELAY_CONFIG")]
    config: Option<PathBuf>,

    /// The relay's admin socket [default: `admin` of the file]
    #[arg(long, value_name = "FILE", env = "SORI_RELAY_ADMIN")]
    admin: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  sori-relay key relay.key
  sori-relay run --listen [::]:4433 --key relay.key --public relay.example.org
  sori-relay run --listen 127.0.0.1:0        for a try on this machine

Every command has a --help of its own.";

const RUN_EXAMPLES: &str = "Examples:
  sori-relay run --listen [::]:4433 --key relay.key --public relay.example.org
      a relay for others: they use relay://relay.example.org:4433/#...
  sori-relay run --listen 127.0.0.1:0
      a relay for this machine, with any free port and a key of the moment
  SORI_RELAY_LISTEN=[::]:4433 SORI_RELAY_KEY=/etc/sori-relay/relay.key sori-relay run
      the same by environment variables
  sori-relay run --config relay.toml --log debug
      by a file; what stands on the command line counts more";

const INVITE_EXAMPLES: &str = "Examples:
  sori-relay invite --public relay.example.org
  sori-relay invite --with-access-key --url-only";
