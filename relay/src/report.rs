//! Everything that a running relay can say about itself, in one place: what the admin socket, the
//! metrics port and the debug log say is made from this and from nothing else.

mod words;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use sori_relay::{Current, Monitor};
use tokio::time::Instant;

pub(crate) use words::{FIGURES, Figure, Language, Series};

/// The whole knowledge of a relay about what it has done. Numbers and their names, nothing else.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// Always `sori-relay`.
    pub(crate) program: String,
    /// Version of the program.
    pub(crate) version: String,
    /// Seconds since the process began to serve.
    pub(crate) uptime_seconds: u64,
    /// How much there is at this moment, by name.
    pub(crate) now: BTreeMap<String, u64>,
    /// Sums since the process began to serve, by name.
    pub(crate) since_start: BTreeMap<String, u64>,
}

/// Makes reports of one relay. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    monitor: Monitor,
    start: Instant,
}

impl Reporter {
    pub(crate) fn new(monitor: Monitor) -> Self {
        Self {
            monitor,
            start: Instant::now(),
        }
    }

    /// How many are connected, or about to be.
    pub(crate) fn connections(&self) -> u64 {
        let now = self.monitor.current();
        now.connections_quic
            .saturating_add(now.connections_tcp)
            .saturating_add(now.handshakes)
    }

    pub(crate) fn report(&self) -> Report {
        let named = |figures: Vec<(&str, u64)>| {
            let owned = figures.into_iter();
            owned
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        };
        Report {
            program: "sori-relay".to_owned(),
            version: VERSION.to_owned(),
            uptime_seconds: self.start.elapsed().as_secs(),
            now: named(levels(self.monitor.current())),
            since_start: named(self.monitor.totals().named()),
        }
    }
}

impl Report {
    /// One line of JSON.
    pub(crate) fn to_json(&self) -> String {
        // Names and numbers always fit into JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// One line for the log, `name=number` each.
    pub(crate) fn to_line(&self) -> String {
        let mut line = format!("uptime_seconds={}", self.uptime_seconds);
        for (prefix, figures) in [("now", &self.now), ("since_start", &self.since_start)] {
            for (name, value) in figures {
                let _writing_to_memory_succeeds = write!(line, " {prefix}.{name}={value}");
            }
        }
        line
    }

    /// The number behind a name, if there is one.
    pub(crate) fn value(&self, figure: &Figure) -> Option<u64> {
        let figures = match figure.series {
            Series::Now => &self.now,
            Series::SinceStart => &self.since_start,
        };
        figures.get(figure.name).copied()
    }
}

/// Every level with its name. The pattern names all of them, so that a new one cannot be left out.
fn levels(current: Current) -> Vec<(&'static str, u64)> {
    let Current {
        connections_quic,
        connections_tcp,
        handshakes,
        attachments,
        topics,
        queued_bytes,
        cluster_up,
        cluster_relays,
    } = current;
    vec![
        ("connections_quic", connections_quic),
        ("connections_tcp", connections_tcp),
        ("handshakes", handshakes),
        ("attachments", attachments),
        ("topics", topics),
        ("queued_bytes", queued_bytes),
        ("cluster_up", cluster_up),
        ("cluster_relays", cluster_relays),
    ]
}

/// Version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_words_and_every_word_a_figure() {
        let report = Reporter::new(Monitor::default()).report();
        let known = |series| {
            let figures = FIGURES.iter().filter(move |figure| figure.series == series);
            figures
                .map(|figure| figure.name.to_owned())
                .collect::<Vec<_>>()
        };
        for (series, figures) in [
            (Series::Now, &report.now),
            (Series::SinceStart, &report.since_start),
        ] {
            let mut known = known(series);
            known.sort();
            assert_eq!(figures.keys().cloned().collect::<Vec<_>>(), known);
        }
    }

    #[test]
    fn a_report_survives_its_json() {
        let report = Reporter::new(Monitor::default()).report();
        let json = report.to_json();
        assert!(!json.contains('\n'));
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    }
}
