//! Figures as tables in Markdown.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::load::{Idle, Sample};
use crate::server::Kind;

/// The samples of one server under one load, one for each repetition.
#[derive(Clone, Debug)]
pub(crate) struct Cell<T> {
    kind: Kind,
    samples: Vec<T>,
}

/// An empty cell for each server.
pub(crate) fn cells<T>(kinds: &[Kind]) -> Vec<Cell<T>> {
    let empty = |kind: &Kind| Cell {
        kind: *kind,
        samples: Vec::new(),
    };
    kinds.iter().map(empty).collect()
}

/// Adds a sample to the cell of its server.
pub(crate) fn put<T>(cells: &mut [Cell<T>], kind: Kind, sample: T) {
    if let Some(cell) = cells.iter_mut().find(|cell| cell.kind == kind) {
        cell.samples.push(sample);
    }
}

impl<T> Cell<T> {
    fn values(&self, value: impl Fn(&T) -> f64) -> Vec<f64> {
        self.samples.iter().map(value).collect()
    }
}

/// All tables of a run, as rows of text.
#[derive(Debug)]
pub(crate) struct Tables {
    kinds: Vec<Kind>,
    cpu: Vec<String>,
    idle: Vec<String>,
    latency: Vec<String>,
    /// The ratios to nats-server of all shapes of one publisher, by what is compared with it.
    ratios: Vec<(Kind, Vec<f64>)>,
}

impl Tables {
    pub(crate) fn new(kinds: &[Kind]) -> Self {
        Self {
            kinds: kinds.to_vec(),
            cpu: Vec::new(),
            idle: Vec::new(),
            latency: Vec::new(),
            ratios: Vec::new(),
        }
    }

    /// Processor time for each delivery. `counts` if the load is one of those that the mean is over.
    pub(crate) fn add_cpu(&mut self, name: String, counts: bool, cells: &[Cell<Sample>]) {
        let nats = cells.iter().find(|cell| cell.kind == Kind::Nats);
        let nats = nats.map(|cell| cell.values(Sample::cpu_per_delivery));
        let mut row = format!("| {name} |");
        for cell in cells {
            let values = cell.values(Sample::cpu_per_delivery);
            let rate = median(&cell.values(Sample::rate));
            let _ = write!(
                row,
                " {} µs, {:.0} k/s",
                three(median(&values)),
                rate / 1000.0
            );
            // Ratios are of neighbours in time, so that what else the machine does weighs less.
            let pairs = nats.iter().flatten().zip(&values);
            let ratio = median(
                &pairs
                    .map(|(nats, value)| value / nats)
                    .collect::<Vec<f64>>(),
            );
            if cell.kind != Kind::Nats && ratio.is_finite() {
                let _ = write!(row, ", **{ratio:.2}**");
                if counts {
                    self.add_ratio(cell.kind, ratio);
                }
            }
            row.push_str(" |");
        }
        self.cpu.push(row);
    }

    fn add_ratio(&mut self, kind: Kind, ratio: f64) {
        match self.ratios.iter_mut().find(|(of, _)| *of == kind) {
            Some((_, ratios)) => ratios.push(ratio),
            None => self.ratios.push((kind, vec![ratio])),
        }
    }

    /// Memory and connecting.
    pub(crate) fn add_idle(&mut self, count: usize, cells: &[Cell<Idle>]) {
        let mut row = format!("| {count} |");
        for cell in cells {
            let _ = write!(
                row,
                " {:.1} KiB, {:.2} ms, {:.0}/s |",
                median(&cell.values(|idle| idle.kib_each)),
                median(&cell.values(|idle| idle.cpu_us_each)) / 1000.0,
                median(&cell.values(|idle| idle.per_second)),
            );
        }
        self.idle.push(row);
    }

    /// How long messages take, with the load that was on the server.
    pub(crate) fn add_latency(&mut self, cells: &[Cell<(f64, Sample)>]) {
        let mut row = "| 1 to 10, 256 B |".to_owned();
        for cell in cells {
            let percentile = |percent| {
                let at = |(_, sample): &(f64, Sample)| sample.latency_us(percent) as f64 / 1000.0;
                median(&cell.values(at))
            };
            let rate = median(&cell.values(|(rate, _)| *rate));
            let _ = write!(
                row,
                " {:.2} / {:.2} ms at {:.0} k/s |",
                percentile(50),
                percentile(99),
                rate / 1000.0
            );
        }
        self.latency.push(row);
    }

    fn head(&self, first: &str) -> String {
        let names: String = self
            .kinds
            .iter()
            .map(|kind| format!(" {} |", kind.name()))
            .collect();
        format!(
            "| {first} |{names}\n|{}",
            " --- |".repeat(self.kinds.len() + 1)
        )
    }
}

/// Everything that was measured, in Markdown.
pub(crate) fn text(
    tables: &Tables,
    machine: &str,
    busy: &str,
    versions: Vec<String>,
    repetitions: usize,
) -> String {
    let mut text = format!(
        "Machine: {machine}; load on it {busy} the run. Servers: {}. Each figure is the median of {repetitions}.\n",
        versions.join("; ")
    );
    let sections = [
        (
            "Processor time of the server for each delivered message; deliveries a second; **ratio to nats-server**",
            "load",
            &tables.cpu,
        ),
        (
            "Memory of the server for each idle connection; its processor time to connect and attach one; connections a second",
            "connections",
            &tables.idle,
        ),
        (
            "Latency, p50 / p99, at half of what the server can take",
            "load",
            &tables.latency,
        ),
    ];
    for (title, first, rows) in sections {
        if !rows.is_empty() {
            let _ = write!(
                text,
                "\n{title}:\n\n{}\n{}\n",
                tables.head(first),
                rows.join("\n")
            );
        }
    }
    for (kind, ratios) in &tables.ratios {
        let worst = ratios.iter().copied().fold(0.0, f64::max);
        let _ = write!(
            text,
            "\n{} to nats-server TLS over the {} loads of one publisher: {:.2} as a geometric mean, {worst:.2} at worst.\n",
            kind.name(),
            ratios.len(),
            geometric_mean(ratios)
        );
    }
    text
}

/// Replaces what stands between the marks of a file.
///
/// # Errors
/// If the file cannot be read or written, or has no marks.
pub(crate) fn put_into(file: &Path, tables: &str) -> Result<(), Error> {
    let old = fs::read_to_string(file).map_err(Error::io("read the file for the tables"))?;
    let new = between_marks(&old, tables).ok_or(Error::Answer("the file for the tables"))?;
    fs::write(file, new).map_err(Error::io("write the file for the tables"))
}

fn between_marks(old: &str, tables: &str) -> Option<String> {
    let (before, rest) = old.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!(
        "{before}{BEGIN}\n\n{}\n\n{END}{after}",
        tables.trim()
    ))
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2);
    let lower = values.get(values.len().saturating_sub(1) / 2);
    match (lower, upper) {
        (Some(lower), Some(upper)) => f64::midpoint(*lower, *upper),
        _ => f64::NAN,
    }
}

fn geometric_mean(values: &[f64]) -> f64 {
    let logarithms: f64 = values.iter().map(|value| value.ln()).sum();
    (logarithms / values.len().max(1) as f64).exp()
}

/// Three digits that say something.
fn three(value: f64) -> String {
    match value {
        small if small < 10.0 => format!("{small:.2}"),
        middle if middle < 100.0 => format!("{middle:.1}"),
        large => format!("{large:.0}"),
    }
}

/// Before the tables in a file.
const BEGIN: &str = "<!-- measured: written by `cargo xtask bench relay --write` -->";

/// Behind them.
const END: &str = "<!-- end of what was measured -->";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_means_are_what_they_say() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
        assert!((geometric_mean(&[0.5, 2.0]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let old = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = between_marks(&old, "new\n").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"));
        assert_eq!(between_marks(&new, "new\n").unwrap(), new);
        assert_eq!(between_marks("no marks", "new"), None);
    }
}
