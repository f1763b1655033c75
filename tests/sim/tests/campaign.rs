//! Campaigns in the form that fits into every run, in two halves that run at the same time. `SORI_SIM_SEEDS` changes
//! the number of seeds of each half (200 make 1,200 group-hours); `cargo xtask sim` is the long form.

#![expect(clippy::print_stdout, reason = "figures are told in any case")]

use sori_sim::campaign::{self, Shape};
use sori_sim::many::{self, Plan};
use sori_sim::report::Report;

/// Checks that are switched off for a reason, each with that reason. Empty when all is well.
const OFF: [(&str, &str); 2] = [
    (
        "marks tell the truth",
        "a mark counts newcomers who hold an envelope that they cannot read",
    ),
    (
        "marks catch up",
        "receipts for what was fetched by catch-up do not always reach the author",
    ),
];

fn half(first: u64) {
    let seeds = std::env::var("SORI_SIM_SEEDS").ok();
    let seeds = seeds.and_then(|text| text.parse().ok()).unwrap_or(10);
    for (check, reason) in OFF {
        println!("off: {check}, because {reason}");
    }
    let report = many::run(&Plan {
        first,
        seeds,
        hours: 3,
        threads: 1,
        off: OFF.iter().map(|(check, _)| *check).collect(),
    });
    print!("{report}");
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    agrees_soon(&report);
}

/// Half a minute for nearly all, two minutes for the slowest.
fn agrees_soon(report: &Report) {
    assert!(report.percentile(99) <= 30_000, "p99");
    assert!(report.percentile(100) <= 120_000, "max");
}

#[test]
fn first_half() {
    half(0);
}

#[test]
fn second_half() {
    half(20);
}

#[test]
fn one_seed_is_one_course_of_things() {
    let shape = Shape {
        people: Some(5),
        old_disks: true,
        malicious_member: true,
        ..Shape::of(5, 1)
    };
    let traces = [(); 2].map(|()| campaign::run(shape).history.trace());
    assert_eq!(traces[0], traces[1]);
}
