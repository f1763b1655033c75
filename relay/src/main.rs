//! The `sori-relay` program: makes a key, or runs a relay.

mod cli;

use std::alloc::System;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use sori_relay::{KeyError, RelaySecret, Server, Settings, StartError, hardening};
use sori_wire::{InvalidRelayUrl, RelayUrl};
use tokio::signal::unix::{SignalKind, signal};
use zeroizing_alloc::ZeroAlloc;

use cli::{Arguments, Command, KeyArguments, Public, RunArguments};

/// Wipes memory as it is freed, so that what was forwarded is gone and not only forgotten.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Key(arguments) => make_key(&arguments),
        Command::Run(arguments) => run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _nobody_to_tell = writeln!(io::stderr(), "sori-relay: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// What can go wrong, as a sentence for the operator.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot use the key file {path}: {source}")]
    Key { path: String, source: KeyError },
    #[error("cannot make a key: {0}")]
    NewKey(KeyError),
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    #[error("cannot tell clients where the relay is: {0}")]
    Place(#[from] InvalidRelayUrl),
    #[error("cannot keep memory out of core dumps: {0}")]
    Hardening(io::Error),
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
}

fn make_key(arguments: &KeyArguments) -> Result<(), Failure> {
    let secret = RelaySecret::generate().map_err(Failure::NewKey)?;
    secret
        .save(&arguments.file)
        .map_err(|source| Failure::Key {
            path: arguments.file.display().to_string(),
            source,
        })?;
    let mut stdout = io::stdout().lock();
    writeln!(
        stdout,
        "Wrote {}. Keep it secret and keep a copy: clients know the relay by it.\nPublic key: {}",
        arguments.file.display(),
        secret.public()
    )
    .map_err(Failure::Output)
}

fn run(arguments: &RunArguments) -> Result<(), Failure> {
    hardening::quiet_panics();
    hardening::forbid_dumps().map_err(Failure::Hardening)?;
    let secret = match &arguments.key {
        None => RelaySecret::generate().map_err(Failure::NewKey)?,
        Some(path) => RelaySecret::load(path).map_err(|source| Failure::Key {
            path: path.display().to_string(),
            source,
        })?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    runtime.block_on(serve(arguments, secret))
}

async fn serve(arguments: &RunArguments, secret: RelaySecret) -> Result<(), Failure> {
    // Signals are taken before the relay says that it is ready, so none is lost.
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;
    let mut settings = Settings::new(arguments.listen, secret);
    settings.limits.connections_max = arguments.max_connections;
    let server = Server::start(&settings)?;
    drop(settings);
    announce(&server, arguments.public.as_ref())?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    stop.await;
    server.drain().await;
    Ok(())
}

/// Prints the one line that a running relay ever prints to standard output.
fn announce(server: &Server, public: Option<&Public>) -> Result<(), Failure> {
    let local: SocketAddr = server.local_addr();
    if public.is_none() && local.ip().is_unspecified() {
        let _nobody_to_tell = writeln!(
            io::stderr(),
            "sori-relay: listening on every address of this machine; \
             give --public HOST to print a URL that others can use"
        );
    }
    let host = public.map_or_else(|| local.ip().into(), |public| public.host.clone());
    let port = public
        .and_then(|public| public.port)
        .unwrap_or_else(|| local.port());
    let url = RelayUrl::new(host, port, server.key())?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "ready {url}").map_err(Failure::Output)?;
    stdout.flush().map_err(Failure::Output)
}
