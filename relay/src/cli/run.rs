//! `sori-relay run`.

use std::io::{self, Write};

use sori_relay::{Server, Settings, hardening};
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
    let settings = config::settings(&options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    runtime.block_on(serve(&options, settings))
}

async fn serve(options: &Options, settings: Settings) -> Result<(), Failure> {
    // Signals are taken before the relay says that it is ready, so none is lost.
    let mut signals = Signals::take().map_err(Failure::Runtime)?;
    let log = Log::new(options.log.unwrap_or_default());
    let places = Places::open(options.admin.clone(), config::metrics(options)?).await?;
    let server = Server::start(&settings)?;
    drop(settings);
    let (reporter, phase) = (Reporter::new(server.monitor()), Phase::default());
    let beside = places.serve(&reporter, &phase, log);

    announce(&server, options, log)?;
    let _the_manager_draws_its_conclusions = notify::tell(notify::State::Ready);
    log.say(&Event::Ready { version: VERSION });
    signals.until_stop().await;

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

/// What the operator tells a running relay.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn take() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn until_stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
