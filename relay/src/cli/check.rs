//! `sori-relay check`.

use std::fmt::Display;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::certificate::{self, Rest, Validity};
use super::{Access, CheckArguments, Failure, Options, Switch, config};
use crate::admin::{self, AdminSocket, Question};

/// Looks at everything and says what it found, then fails if something has to be changed.
///
/// # Errors
/// [`Failure::Check`] with the number of things to change; [`Failure::Config`] if there is nothing to
/// look at.
pub(crate) fn check(arguments: CheckArguments) -> Result<(), Failure> {
    let file = config::installed(arguments.config);
    let options = config::load(file.as_deref(), arguments.options)?;
    let mut findings = Findings::default();
    match &file {
        Some(path) => findings.good("configuration", path.display()),
        None => findings.note("configuration", "no file; only flags and environment count"),
    }
    let runs = is_running(&options);
    if runs {
        findings.note("relay", "it is running; its addresses are taken by itself");
    }
    check_listen(&options, runs, &mut findings);
    check_public(&options, &mut findings);
    check_key(&options, &mut findings);
    check_access(&options, &mut findings);
    check_certificate(&options, &mut findings);
    check_cluster(&options, &mut findings);
    check_admin(&options, runs, &mut findings);
    check_metrics(&options, runs, &mut findings);
    check_files(&options, &mut findings);
    findings.conclude()
}

/// What was found, in words, and how much of it is bad.
#[derive(Debug, Default)]
struct Findings {
    text: String,
    bad: usize,
}

impl Findings {
    fn good(&mut self, about: &str, what: impl Display) {
        self.add("ok  ", about, what);
    }

    /// Good enough to run, and something to know.
    fn note(&mut self, about: &str, what: impl Display) {
        self.add("note", about, what);
    }

    fn bad(&mut self, about: &str, what: impl Display) {
        self.bad = self.bad.saturating_add(1);
        self.add("BAD ", about, what);
    }

    fn add(&mut self, verdict: &str, about: &str, what: impl Display) {
        self.text.push_str(&format!("{verdict}  {about}: {what}\n"));
    }

    fn conclude(self) -> Result<(), Failure> {
        io::stdout()
            .write_all(self.text.as_bytes())
            .map_err(Failure::Output)?;
        match self.bad {
            0 => Ok(()),
            bad => Err(Failure::Check(bad)),
        }
    }
}

fn is_running(options: &Options) -> bool {
    let asked = options.admin.as_deref();
    asked.is_some_and(|path| admin::ask(path, Question::Health).is_ok())
}

fn check_listen(options: &Options, runs: bool, findings: &mut Findings) {
    let address = match config::listen(options) {
        Ok(address) => address,
        Err(failure) => return findings.bad("listen", failure),
    };
    if runs {
        return findings.good("listen", address);
    }
    let udp = UdpSocket::bind(address).map(drop);
    let tcp = match options.tcp {
        Some(Switch::Off) => Ok(()),
        Some(Switch::On) | None => TcpListener::bind(address).map(drop),
    };
    for (protocol, outcome) in [("UDP", udp), ("TCP", tcp)] {
        match outcome {
            Ok(()) => findings.good("listen", format_args!("{protocol} {address}")),
            Err(error) => {
                let remedy = remedy(&error, address);
                findings.bad(
                    "listen",
                    format_args!("{protocol} {address}: {error}{remedy}"),
                );
            }
        }
    }
}

/// What to do about an address that cannot be had.
fn remedy(error: &io::Error, address: SocketAddr) -> &'static str {
    if error.kind() == io::ErrorKind::AddrInUse {
        return "; another program has this port (`ss -lnptu` shows which), so stop it or take \
                another port";
    }
    if error.kind() == io::ErrorKind::PermissionDenied && address.port() < 1024 {
        return "; ports below 1024 need CAP_NET_BIND_SERVICE, so take a higher one or run this as \
                root";
    }
    if error.kind() == io::ErrorKind::AddrNotAvailable {
        return "; this machine has no such address (`ip address` shows which it has)";
    }
    if Errno::from_io_error(error) == Some(Errno::AFNOSUPPORT) && address.is_ipv6() {
        return "; this machine has no IPv6, so take 0.0.0.0 in place of [::]";
    }
    ""
}

fn check_public(options: &Options, findings: &mut Findings) {
    let everywhere = options
        .listen
        .is_some_and(|listen| listen.ip().is_unspecified());
    match &options.public {
        Some(public) => findings.good("public", &public.host),
        None if everywhere => findings.note(
            "public",
            "not set, so `invite` needs --public HOST and the ready line has no usable host",
        ),
        None => findings.note(
            "public",
            "not set; the address to listen on is told to clients",
        ),
    }
}

fn check_key(options: &Options, findings: &mut Findings) {
    let Some(path) = &options.key else {
        return findings.note("key", "none, so the relay has another URL at each start");
    };
    match config::relay_key(options) {
        Ok(secret) => findings.good(
            "key",
            format_args!("{}, public key {}", path.display(), secret.public()),
        ),
        Err(failure) => findings.bad("key", failure),
    }
}

fn check_access(options: &Options, findings: &mut Findings) {
    match config::access_keys(options) {
        Err(failure) => findings.bad("access", failure),
        Ok(keys) if keys.is_empty() => {
            let forgotten = options.access == Some(Access::Open) && options.access_keys.is_some();
            let remark = if forgotten {
                "; the access keys do not count"
            } else {
                ""
            };
            findings.note(
                "access",
                format_args!("open: anybody may use the relay{remark}"),
            );
        }
        Ok(keys) => findings.good(
            "access",
            format_args!("private, access keys: {}", keys.len()),
        ),
    }
}

fn check_certificate(options: &Options, findings: &mut Findings) {
    let files = match config::certificate(options) {
        Err(failure) => return findings.bad("certificate", failure),
        Ok(None) => return findings.good("certificate", "none; clients know the relay by its key"),
        Ok(Some(files)) => files,
    };
    if let Err(error) = files.check() {
        return findings.bad("certificate", error);
    }
    let host = options.public.as_ref().map(|public| &public.host);
    let chain = files.chain.display();
    match certificate::examine(&files.chain, host, SystemTime::now()) {
        Err(fault) => findings.bad("certificate", format_args!("{chain}: {fault}")),
        Ok(Validity {
            until,
            rest: Rest::Short,
        }) => findings.note(
            "certificate",
            format_args!("{chain}: valid until {until} only; is it renewed by itself?"),
        ),
        Ok(Validity {
            until,
            rest: Rest::Enough,
        }) => findings.good("certificate", format_args!("{chain}: valid until {until}")),
    }
}

fn check_cluster(options: &Options, findings: &mut Findings) {
    let cluster = match config::cluster(options) {
        Err(failure) => return findings.bad("cluster", failure),
        Ok(None) => return findings.good("cluster", "none; the relay stands alone"),
        Ok(Some(cluster)) => cluster,
    };
    for server in &cluster.servers {
        let addresses = server.to_string().to_socket_addrs();
        let reached = addresses.and_then(|mut addresses| {
            let address = addresses.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
            TcpStream::connect_timeout(&address, SERVER_PATIENCE).map(drop)
        });
        match reached {
            Ok(()) => findings.good("cluster", format_args!("{server} can be reached")),
            // A relay starts without its servers, and finds them when they are there.
            Err(error) => findings.note(
                "cluster",
                format_args!(
                    "{server} cannot be reached now ({error}); is nats-server running there?"
                ),
            ),
        }
        if !server.is_secured() && !server.is_local() {
            findings.note(
                "cluster",
                format_args!(
                    "{server} is reached without TLS: who is on the way sees which relays talk when, \
                     and how much; take tls://"
                ),
            );
        }
    }
}

fn check_admin(options: &Options, runs: bool, findings: &mut Findings) {
    let Some(path) = &options.admin else {
        return findings.note("admin", "no socket, so `warrant` cannot ask");
    };
    if runs {
        return findings.good("admin", path.display());
    }
    if path
        .parent()
        .is_some_and(|parent| parent != Path::new("") && !parent.exists())
    {
        return findings.note(
            "admin",
            format_args!(
                "the directory of {} is not there yet; a service manager may make it at the start",
                path.display()
            ),
        );
    }
    match AdminSocket::probe(path) {
        Ok(()) => findings.good("admin", path.display()),
        Err(error) => findings.bad("admin", format_args!("{}: {error}", path.display())),
    }
}

fn check_metrics(options: &Options, runs: bool, findings: &mut Findings) {
    let address = match config::metrics(options) {
        Err(failure) => return findings.bad("metrics", failure),
        Ok(None) => return findings.note("metrics", "none"),
        Ok(Some(address)) => address,
    };
    match TcpListener::bind(address) {
        Err(error) if !runs => {
            let remedy = remedy(&error, address);
            findings.bad("metrics", format_args!("{address}: {error}{remedy}"));
        }
        Ok(_) | Err(_) => findings.good("metrics", address),
    }
}

/// Each connection over TCP takes a file descriptor.
fn check_files(options: &Options, findings: &mut Findings) {
    let connections = options.max_connections.unwrap_or(CONNECTIONS_DEFAULT);
    let wanted = u64::from(connections).saturating_add(FILES_BESIDE);
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < wanted => findings.note(
            "open files",
            format_args!(
                "{limit} here, which is less than {connections} connections over TCP need; the \
                 installed unit sets its own limit"
            ),
        ),
        Some(_) | None => findings.good("open files", "enough for all connections"),
    }
}

/// As in the default limits.
const CONNECTIONS_DEFAULT: u32 = 10_000;

/// How long to wait for a server of the cluster.
const SERVER_PATIENCE: Duration = Duration::from_secs(2);

/// Files that are not connections.
const FILES_BESIDE: u64 = 64;
