//! The servers that are compared, each as a process of its own that is measured from outside.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use sori_wire::{RelayIdentity, RelayKey, RelayUrl};
use tempfile::TempDir;

use crate::error::Error;

/// What is measured: a program, and what carries its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// Our relay over QUIC.
    Quic,
    /// Our relay over TLS on TCP.
    Tls,
    /// nats-server with TLS.
    Nats,
    /// mosquitto with TLS.
    Mosquitto,
}

impl Kind {
    /// As it is called in tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Quic => "relay QUIC",
            Self::Tls => "relay TLS",
            Self::Nats => "nats-server TLS",
            Self::Mosquitto => "mosquitto TLS",
        }
    }
}

/// A running server. Ends with this value.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    /// What the relay is known by; the brokers have a certificate that nobody checks here.
    pub(crate) key: Option<RelayKey>,
    process: Child,
    _folder: TempDir,
}

impl Server {
    /// Starts a server with nothing connected, on a free port of the loopback.
    ///
    /// # Errors
    /// [`Error::Absent`], or what kept it from serving.
    pub(crate) fn start(kind: Kind, relay: &Path) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::io("make a folder"))?;
        match kind {
            Kind::Quic | Kind::Tls => start_relay(kind, relay, folder),
            Kind::Nats => start_broker(kind, "nats-server", nats(folder.path())?, folder),
            Kind::Mosquitto => start_broker(kind, "mosquitto", mosquitto(folder.path())?, folder),
        }
    }

    /// Processor time of the process so far in microseconds, the kernel's work for it included, in
    /// steps of the clock tick (10 ms).
    ///
    /// # Errors
    /// If it has ended.
    pub(crate) fn cpu_us(&self) -> Result<u64, Error> {
        let stat = self.proc("stat")?;
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
        match (times.next(), times.next()) {
            (Some(Ok(user)), Some(Ok(system))) => Ok((user + system) * US_PER_TICK),
            _ => Err(Error::Answer("the operating system")),
        }
    }

    /// Memory of the process that is there now, in KiB.
    ///
    /// # Errors
    /// If it has ended.
    pub(crate) fn resident_kib(&self) -> Result<u64, Error> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let amount = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        amount.ok_or(Error::Answer("the operating system"))
    }

    fn proc(&self, file: &str) -> Result<String, Error> {
        fs::read_to_string(format!("/proc/{}/{file}", self.process.id()))
            .map_err(Error::io("look at the server's process"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _already_gone = self.process.kill();
        let _already_waited_for = self.process.wait();
    }
}

/// The version of a program, as it says itself.
pub(crate) fn version(kind: Kind, relay: &Path) -> String {
    let mut command = match kind {
        Kind::Quic | Kind::Tls => Command::new(relay),
        Kind::Nats => Command::new("nats-server"),
        Kind::Mosquitto => Command::new("mosquitto"),
    };
    command.arg(if kind == Kind::Mosquitto {
        "-h"
    } else {
        "--version"
    });
    let said = command
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    said.lines().next().unwrap_or_default().trim().to_owned()
}

/// The relay as it is, but for bounds on what one client and one network may do: here all load comes
/// from one address.
fn start_relay(kind: Kind, relay: &Path, folder: TempDir) -> Result<Server, Error> {
    if !relay.exists() {
        return Err(Error::NoRelay(relay.to_owned()));
    }
    let mut command = Command::new(relay);
    command.args([
        "run",
        "--listen",
        "127.0.0.1:0",
        "--max-connections",
        "20000",
    ]);
    command.args(["--max-connections-per-network", "20000"]);
    command.args(["--max-handshakes-per-network", "100000:100000"]);
    command.args(["--max-unproven-handshakes", "100000:100000"]);
    command.args(["--max-work-per-connection", "1000000000000:1000000000000"]);
    let mut process = spawn(command.stdout(Stdio::piped()))?;
    let mut line = String::new();
    if let Some(stdout) = process.stdout.take() {
        BufReader::new(stdout.take(1024))
            .read_line(&mut line)
            .map_err(Error::io("hear the relay"))?;
    }
    let url: Option<RelayUrl> = line
        .trim()
        .strip_prefix("ready ")
        .and_then(|url| url.parse().ok());
    let url = url.ok_or_else(|| Error::Answer(kind.name()))?;
    let RelayIdentity::Key(key) = *url.identity() else {
        return Err(Error::Answer(kind.name()));
    };
    Ok(Server {
        kind,
        address: (Ipv4Addr::LOCALHOST, url.port()).into(),
        key: Some(key),
        process,
        _folder: folder,
    })
}

/// How a broker is started: its configuration without the port, and how that is named.
struct Broker {
    package: &'static str,
    configuration: String,
    arguments: &'static [&'static str],
}

fn nats(folder: &Path) -> Result<Broker, Error> {
    let (certificate, key) = certificate(folder)?;
    Ok(Broker {
        package: "nats-server",
        // No answers to PING in between, so that readers can count bytes.
        configuration: format!(
            "listen: \"127.0.0.1:PORT\"\nping_interval: \"1h\"\ntls {{ cert_file: \"{certificate}\", key_file: \"{key}\", timeout: 30 }}\n"
        ),
        arguments: &["-c"],
    })
}

fn mosquitto(folder: &Path) -> Result<Broker, Error> {
    let (certificate, key) = certificate(folder)?;
    Ok(Broker {
        package: "mosquitto",
        configuration: format!(
            "listener PORT 127.0.0.1\nallow_anonymous true\ncertfile {certificate}\nkeyfile {key}\n\
             persistence false\nset_tcp_nodelay true\nmax_queued_messages 0\nlog_dest none\nuser root\n"
        ),
        arguments: &["-c"],
    })
}

fn start_broker(
    kind: Kind,
    program: &'static str,
    broker: Broker,
    folder: TempDir,
) -> Result<Server, Error> {
    let port = free_port()?;
    let file = folder.path().join("broker.conf");
    let configuration = broker.configuration.replace("PORT", &port.to_string());
    fs::write(&file, configuration).map_err(Error::io("write a configuration"))?;
    let mut command = Command::new(program);
    command
        .args(broker.arguments)
        .arg(&file)
        .stdout(Stdio::null());
    let process = spawn(&mut command).map_err(|error| match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Error::Absent {
                program,
                package: broker.package,
            }
        }
        other => other,
    })?;
    let server = Server {
        kind,
        address: (Ipv4Addr::LOCALHOST, port).into(),
        key: None,
        process,
        _folder: folder,
    };
    let started = Instant::now();
    while TcpStream::connect(server.address).is_err() {
        if started.elapsed() > START_WAIT {
            return Err(Error::Answer(kind.name()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(server)
}

fn spawn(command: &mut Command) -> Result<Child, Error> {
    command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::io("start a server"))
}

/// A port that was free a moment ago; the brokers cannot choose one themselves.
fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("find a port"))?;
    let address = listener.local_addr().map_err(Error::io("find a port"))?;
    Ok(address.port())
}

/// A certificate and its key in files of the folder; their paths.
fn certificate(folder: &Path) -> Result<(String, String), Error> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])
        .map_err(|error| Error::Tls(error.to_string()))?;
    let write = |name, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(Error::io("write a certificate"))?;
        Ok(path.display().to_string())
    };
    Ok((
        write("cert.pem", made.cert.pem())?,
        write("key.pem", made.signing_key.serialize_pem())?,
    ))
}

/// How long a broker may take to listen.
const START_WAIT: Duration = Duration::from_secs(5);

/// Linux counts processor time for others in steps of 1/100 s.
const US_PER_TICK: u64 = 10_000;
