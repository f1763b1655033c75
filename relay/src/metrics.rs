//! The totals for a metrics collector, and whether the relay serves, over HTTP on a port of this
//! machine.

mod http;

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::cli::log::{Event, Log};
use crate::report::{FIGURES, Language, Report, Reporter, Series};
use crate::service::Phase;

use http::{Answer, Request, Status};

/// Answers, a few at a time, until the future is dropped.
pub(crate) async fn serve(listener: TcpListener, reporter: Reporter, phase: Phase, log: Log) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            log.say(&Event::CannotAccept {
                place: "metrics port",
            });
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (reporter, phase) = (reporter.clone(), phase.clone());
        tokio::spawn(async move {
            http::serve(stream, |request| answer(request, &reporter, &phase)).await;
            drop(place);
        });
    }
}

fn answer(request: Request, reporter: &Reporter, phase: &Phase) -> Answer {
    match request {
        Request::Health if phase.is_serving() => Answer::text(Status::Ok, "ok\n"),
        Request::Health => Answer::text(Status::ServiceUnavailable, "stopping\n"),
        Request::Metrics => Answer {
            status: Status::Ok,
            media_type: MEDIA_TYPE,
            body: render(&reporter.report()),
        },
    }
}

/// A report in the text format of Prometheus.
fn render(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        let _writing_to_memory_succeeds = writeln!(text, "{line}");
    };
    line(format_args!("# TYPE sori_relay_info gauge"));
    line(format_args!(
        "sori_relay_info{{version=\"{}\"}} 1",
        report.version
    ));
    line(format_args!("# TYPE sori_relay_uptime_seconds gauge"));
    line(format_args!(
        "sori_relay_uptime_seconds {}",
        report.uptime_seconds
    ));
    let mut family = String::new();
    for figure in FIGURES {
        let (kind, suffix) = match figure.series {
            Series::Now => ("gauge", ""),
            Series::SinceStart => ("counter", "_total"),
        };
        let name = format!("sori_relay_{}{suffix}", figure.metric);
        if name != family {
            if figure.label.is_none() {
                let help = figure.words(Language::En);
                line(format_args!("# HELP {name} {help}"));
            }
            line(format_args!("# TYPE {name} {kind}"));
            family.clone_from(&name);
        }
        let value = report.value(figure).unwrap_or_default();
        match figure.label {
            Some((key, label)) => line(format_args!("{name}{{{key}=\"{label}\"}} {value}")),
            None => line(format_args!("{name} {value}")),
        }
    }
    text
}

/// Connections at a time.
const CONNECTIONS_MAX: usize = 8;

/// Pause after a failed accept, which is mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The text exposition format of Prometheus.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;
    use sori_relay::Monitor;
    use std::collections::BTreeSet;

    #[test]
    fn each_family_is_named_once_and_each_series_once() {
        let text = render(&Reporter::new(Monitor::default()).report());
        let mut families = BTreeSet::new();
        let mut series = BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                assert!(families.insert(rest.split(' ').next().unwrap()), "{line}");
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert!(value.parse::<u64>().is_ok(), "{line}");
                assert!(series.insert(name), "{line}");
                assert!(families.contains(name.split('{').next().unwrap()), "{line}");
            }
        }
        assert_eq!(series.len(), FIGURES.len() + 2);
        assert!(text.contains("sori_relay_connections{transport=\"quic\"} 0\n"));
    }
}
