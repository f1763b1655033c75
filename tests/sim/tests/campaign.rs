//! Campaigns in the form that every run of the tests has: 400 seeds and 1,000 group-hours, in two halves that run at the same
//! time. `SORI_SIM_SEEDS` changes the number of seeds of each half (20 for a first look); `cargo xtask sim --deep` is the long
//! form.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "figures are told in any case, and a test fails loudly"
)]

use sori_sim::campaign::{self, Shape};
use sori_sim::many::{self, Plan};
use sori_sim::report::{Report, percentile};

fn half(first: u64) {
    let seeds = std::env::var("SORI_SIM_SEEDS").ok();
    let seeds = seeds.and_then(|text| text.parse().ok()).unwrap_or(200);
    let report = many::run(&Plan {
        first,
        seeds,
        threads: 1,
        ..Plan::default()
    });
    let report = report.unwrap();
    print!("{report}");
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    agrees_soon(&report);
}

/// Half a minute for nearly all, two minutes for the slowest. Of mendings where the relay withholds in silence there are
/// too few here to tell the slowest from nearly all.
fn agrees_soon(report: &Report) {
    assert!(percentile(&report.heals, 99) <= 30_000, "p99");
    for heals in [&report.heals, &report.silent_heals] {
        assert!(percentile(heals, 100) <= 120_000, "max");
    }
}

#[test]
fn first_half() {
    half(1);
}

#[test]
fn second_half() {
    half(201);
}

#[test]
fn one_seed_is_one_course_of_things() {
    let shape = Shape {
        people: Some(5),
        old_disks: true,
        malicious_member: true,
        ..Shape::of(5, 1)
    };
    // Several are removed at once in the second.
    for shape in [shape, Shape::of(12, 3)] {
        let traces = [(); 2].map(|()| campaign::run(shape).history.trace());
        assert!(traces[0] == traces[1], "seed {}", shape.seed);
    }
}
