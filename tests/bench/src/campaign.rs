//! Which loads are put on which servers, and in which order.

use std::time::Duration;

use crate::error::Error;
use crate::load::{self, Idle, Sample, Shape};
use crate::report::{self, Cell, Tables};
use crate::server::{Kind, Server};
use crate::{Arguments, Part, machine};

/// How much is measured.
#[derive(Clone, Debug)]
struct Extent {
    readers: &'static [usize],
    payloads: &'static [usize],
    idle: &'static [usize],
    pairs: usize,
    lasting: Duration,
    repetitions: usize,
}

impl Extent {
    fn of(arguments: &Arguments) -> Self {
        if arguments.quick {
            return Self {
                readers: &[1, 10],
                payloads: &[256],
                idle: &[20],
                pairs: 5,
                lasting: Duration::from_millis(100),
                repetitions: 1,
            };
        }
        Self {
            readers: &[1, 10, 100, 500],
            payloads: &[256, 1024],
            idle: &[1000, 5000],
            pairs: 100,
            lasting: Duration::from_millis(1500),
            repetitions: arguments.repetitions.max(1),
        }
    }
}

/// Measures everything that is asked for; the tables in Markdown.
///
/// # Errors
/// The first thing that went wrong.
pub(crate) async fn run(arguments: &Arguments) -> Result<String, Error> {
    let extent = Extent::of(arguments);
    let before = machine::busy();
    let mut tables = Tables::new(&arguments.servers);
    for part in &arguments.parts {
        match part {
            Part::FanOut => fan_out(arguments, &extent, &mut tables).await?,
            Part::Pairs => pairs(arguments, &extent, &mut tables).await?,
            Part::Idle => idle(arguments, &extent, &mut tables).await?,
            Part::Latency => latency(arguments, &extent, &mut tables).await?,
        }
    }
    let versions = arguments
        .servers
        .iter()
        .filter(|kind| **kind != Kind::Tls)
        .map(|kind| crate::server::version(*kind, &arguments.relay))
        .collect();
    let busy = format!("{before} before and {} after", machine::busy());
    Ok(report::text(
        &tables,
        &machine::words(),
        &busy,
        versions,
        extent.repetitions,
    ))
}

async fn fan_out(arguments: &Arguments, extent: &Extent, tables: &mut Tables) -> Result<(), Error> {
    for single in [true, false] {
        for payload in extent.payloads {
            for readers in extent.readers {
                let shape = if single {
                    Shape::single(*readers, *payload)
                } else {
                    Shape::saturated(*readers, *payload)
                };
                let how = if single { "one at a time" } else { "saturated" };
                let name = format!("{how}, 1 to {readers}, {payload} B");
                let samples = each(arguments, extent, shape).await?;
                tables.add_cpu(name, true, &samples);
            }
        }
    }
    Ok(())
}

async fn pairs(arguments: &Arguments, extent: &Extent, tables: &mut Tables) -> Result<(), Error> {
    let shape = Shape {
        topics: extent.pairs,
        ..Shape::single(1, 256)
    };
    let samples = each(arguments, extent, shape).await?;
    tables.add_cpu(
        format!("{} pairs, one at a time, 256 B", extent.pairs),
        false,
        &samples,
    );
    Ok(())
}

/// The same load on every server, so often, each time in another order.
async fn each(
    arguments: &Arguments,
    extent: &Extent,
    shape: Shape,
) -> Result<Vec<Cell<Sample>>, Error> {
    let mut cells = report::cells(&arguments.servers);
    for repetition in 0..extent.repetitions {
        for kind in rotated(&arguments.servers, repetition) {
            let server = Server::start(kind, &arguments.relay)?;
            let sample = load::run(&server, shape, extent.lasting).await?;
            eprintln!(
                "{} {shape:?}: {:.2} us for a delivery, {:.0} a second",
                kind.name(),
                sample.cpu_per_delivery(),
                sample.rate()
            );
            report::put(&mut cells, kind, sample);
        }
    }
    Ok(cells)
}

async fn idle(arguments: &Arguments, extent: &Extent, tables: &mut Tables) -> Result<(), Error> {
    for count in extent.idle {
        let mut cells: Vec<Cell<Idle>> = report::cells(&arguments.servers);
        for repetition in 0..extent.repetitions {
            for kind in rotated(&arguments.servers, repetition) {
                let server = Server::start(kind, &arguments.relay)?;
                let sample = load::idle(&server, *count).await?;
                eprintln!("{} {count} idle: {sample:?}", kind.name());
                report::put(&mut cells, kind, sample);
            }
        }
        tables.add_idle(*count, &cells);
    }
    Ok(())
}

/// Half of what each server itself was able to take, to ten readers, in a batch every millisecond or less often.
async fn latency(arguments: &Arguments, extent: &Extent, tables: &mut Tables) -> Result<(), Error> {
    let mut cells: Vec<Cell<(f64, Sample)>> = report::cells(&arguments.servers);
    for repetition in 0..extent.repetitions {
        for kind in rotated(&arguments.servers, repetition) {
            let full = Shape::saturated(READERS, 256);
            let server = Server::start(kind, &arguments.relay)?;
            let most = load::run(&server, full, extent.lasting).await?.rate();
            drop(server);
            let pace = Duration::from_secs_f64((full.batch * READERS) as f64 / (most / 2.0));
            let half = Shape {
                pace,
                window: LATE_BATCHES,
                ..full
            };
            let server = Server::start(kind, &arguments.relay)?;
            let sample = load::run(&server, half, extent.lasting).await?;
            eprintln!(
                "{} at half load: p99 {} us",
                kind.name(),
                sample.latency_us(99)
            );
            report::put(&mut cells, kind, (sample.rate(), sample));
        }
    }
    tables.add_latency(&cells);
    Ok(())
}

fn rotated(kinds: &[Kind], by: usize) -> Vec<Kind> {
    let mut kinds = kinds.to_vec();
    let by = by % kinds.len().max(1);
    kinds.rotate_left(by);
    kinds
}

/// Readers of the messages whose latency is measured.
const READERS: usize = 10;

/// Batches that may be late before the publisher waits: few enough that the relay never calls a reader
/// slow for them.
const LATE_BATCHES: usize = 16;
