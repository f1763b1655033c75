//! Relays with a bus between them.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{NatsServer, RelayProcess};

/// Without the program there is nothing to test with. Where all tests have to run it must be there.
#[expect(clippy::print_stdout, reason = "a test that did not run has to say so")]
pub fn is_ready() -> bool {
    let is_there = NatsServer::is_there();
    if !is_there {
        assert!(
            std::env::var_os("SORI_TEST_ALL").is_none(),
            "nats-server is not installed (Debian package nats-server)"
        );
        println!("not run: nats-server is not installed (Debian package nats-server)");
    }
    is_there
}

/// What belongs to one cluster in a test.
pub struct Cluster {
    directory: TempDir,
    pub secret: PathBuf,
}

impl Cluster {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let secret = directory.path().join("cluster.secret");
        let made = Command::new(env!("CARGO_BIN_EXE_sori-relay"))
            .arg("cluster-secret")
            .arg(&secret)
            .output()
            .unwrap();
        assert!(made.status.success());
        Self { directory, secret }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn relay(&self, servers: &[String]) -> RelayProcess {
        self.relay_with(servers, &[])
    }

    pub fn relay_with(&self, servers: &[String], more: &[&str]) -> RelayProcess {
        let arguments = [
            "--listen",
            "127.0.0.1:0",
            "--threads",
            "2",
            "--cluster-servers",
            &servers.join(","),
            "--cluster-secret",
            self.secret.to_str().unwrap(),
        ];
        RelayProcess::start_with(&[&arguments, more].concat(), self.path())
    }
}
