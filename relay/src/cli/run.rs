//! `sori-relay run`.

use std::io::{self, Write};

use sori_relay::hardening::{self, Swap};
use sori_relay::{Server, Settings};
use sori_wire::{RelayIdentity, RelayUrl};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::log::{Event, Log};
use super::{Failure, Options, RunArguments, config};
use crate::notify;
use crate::report::{Reporter, VERSION};
use crate::service::{Phase, Places};

/// Runs a relay until it is told to stop.
///
/// # Errors
/// What kept it from serving.
pub(crate) fn run(arguments: RunArguments) -> Result<(), Failure> {
    hardening::quiet_panics();
    hardening::forbid_dumps().map_err(Failure::Hardening)?;
    let options = config::load(arguments.config.as_deref(), arguments.options)?;
    let log = Log::new(options.log.unwrap_or_default());
    // Before keys are read, and before there are threads.
    let memory = hardening::lock_memory();
    if memory == Swap::NotLocked && hardening::may_swap() {
        log.say(&Event::NotLocked);
    }
    let settings = config::settings(&options)?;
    // The server has threads of its own; here are signals, questions and metrics.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    runtime.block_on(serve(&options, settings, memory, log))
}

async fn serve(
    options: &Options,
    settings: Settings,
    memory: Swap,
    log: Log,
) -> Result<(), Failure> {
    // Signals are taken before the relay says that it is ready, so none is lost.
    let mut signals = Signals::take().map_err(Failure::Runtime)?;
    let places = Places::open(options.admin.clone(), config::metrics(options)?).await?;
    let server = Server::start(&settings)?;
    drop(settings);
    let (reporter, phase) = (Reporter::new(server.monitor()), Phase::default());
    let beside = places.serve(&reporter, &phase, memory, log);

    announce(&server, options, log)?;
    let _the_manager_draws_its_conclusions = notify::tell(notify::State::Ready);
    log.say(&Event::Ready { version: VERSION });
    while signals.next().await == Order::Reload {
        reload(&server, options, log);
    }

    phase.stop();
    let _the_manager_draws_its_conclusions = notify::tell(notify::State::Stopping);
    log.say(&Event::Stopping);
    server.drain().await;
    log.say(&Event::Totals(&reporter.report()));
    log.say(&Event::Stopped);
    drop(beside);
    Ok(())
}

/// Prints the one line that a running relay ever prints to standard output.
fn announce(server: &Server, options: &Options, log: Log) -> Result<(), Failure> {
    let local = server.local_addr();
    let public = options.public.as_ref();
    if public.is_none() && local.ip().is_unspecified() {
        log.say(&Event::NoPublicName);
    }
    let host = public.map_or_else(|| local.ip().into(), |public| public.host.clone());
    let port = public
        .and_then(|public| public.port)
        .unwrap_or_else(|| local.port());
    let url = RelayUrl::new(host, port, RelayIdentity::Key(server.key()))?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "ready {url}").map_err(Failure::Output)?;
    stdout.flush().map_err(Failure::Output)
}

/// Reads access keys and certificate again, and uses them if both are good.
fn reload(server: &Server, options: &Options, log: Log) {
    let read = || {
        let keys = config::access_keys(options)?;
        config::certificate(options)?;
        server.reload_certificate()?;
        server.replace_access_keys(keys);
        Ok(())
    };
    match read() {
        Ok(()) => log.say(&Event::Reloaded),
        Err(failure) => log.say(&Event::ReloadRefused { reason: &failure }),
    }
}

/// What the operator tells a running relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Reload,
    Stop,
}

/// How the operator tells it.
struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn take() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::Stop,
            _ = self.interrupt.recv() => Order::Stop,
            _ = self.hangup.recv() => Order::Reload,
        }
    }
}
