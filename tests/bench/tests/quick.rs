//! The benchmark measures the real relay, and says what it misses.

use std::path::Path;
use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sori-bench"));
    command.arg("--quick").args(arguments);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_moment_of_every_load_gives_every_table() {
    let relay = Path::new(env!("CARGO_BIN_EXE_sori-bench")).with_file_name("sori-relay");
    assert!(
        relay.exists(),
        "sori-relay is not built; run `cargo build -p sori-relay` first"
    );
    let relay = relay.to_str().unwrap();
    let output = bench(&["--servers", "quic,tls", "--relay", relay]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    for row in [
        "| load | relay QUIC | relay TLS |",
        "| one at a time, 1 to 10, 256 B | ",
        "| saturated, 1 to 1, 256 B | ",
        "| 5 pairs, one at a time, 256 B | ",
        "| 20 | ",
        "| 1 to 10, 256 B | ",
    ] {
        assert!(text.contains(row), "{row} is not in\n{text}");
    }
    assert!(!text.contains("NaN"), "{text}");
}

#[test]
fn a_broker_that_is_not_installed_is_named_with_its_package() {
    for (server, package) in [("nats", "nats-server"), ("mosquitto", "mosquitto")] {
        let output = bench(&["--servers", server]).env("PATH", "").output();
        let output = output.unwrap();
        assert!(!output.status.success());
        let wanted = format!("sudo apt install {package}");
        assert!(said(&output).contains(&wanted), "{}", said(&output));
    }
}

#[test]
fn a_relay_that_is_not_built_is_told_as_such() {
    let output = bench(&["--servers", "tls", "--relay", "nowhere"]).output();
    let output = output.unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains("cargo build --release -p sori-relay"));
}
