//! `nats-server` as a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::sleep;

use super::within;

/// A server on a free port of the loopback.
pub struct NatsServer {
    child: Child,
    directory: PathBuf,
    port: u16,
    /// Where other servers connect, if it is one of several.
    route_port: Option<u16>,
    routes: Option<String>,
}

impl NatsServer {
    /// Whether Debian's package nats-server, or another one, is there.
    pub fn is_there() -> bool {
        let version = Command::new(PROGRAM).arg("--version").output();
        version.is_ok()
    }

    /// One that stands alone.
    pub async fn alone(directory: &Path) -> Self {
        Self::start(directory.to_owned(), None, None, None).await
    }

    /// One that stands alone, and that only who has this certificate is let in to.
    pub async fn with_certificate(directory: &Path, chain: &Path, key: &Path) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["-a", "127.0.0.1", "-p", "-1", "--tlsverify", "--tlscert"]);
        command.arg(chain).arg("--tlskey").arg(key);
        command.arg("--tlscacert").arg(chain);
        Self::run(command, directory.to_owned(), false, None).await
    }

    /// Several that know each other.
    pub async fn several(directory: &Path, count: usize) -> Vec<Self> {
        let mut servers: Vec<Self> = Vec::new();
        for number in 0..count {
            let own = directory.join(number.to_string());
            fs::create_dir(&own).unwrap();
            let routes: Vec<String> = servers.iter().map(Self::route).collect();
            let server = Self::start(own, None, Some(None), Some(routes.join(","))).await;
            servers.push(server);
        }
        servers
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as the loss of its machine would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was, knowing `others`.
    pub async fn restart(&mut self, others: Option<String>) {
        let route_port = self.route_port.map(Some);
        let routes = others.or_else(|| self.routes.clone());
        let port = Some(self.port);
        *self = Self::start(self.directory.clone(), port, route_port, routes).await;
    }

    pub fn route(&self) -> String {
        format!("nats://127.0.0.1:{}", self.route_port.unwrap())
    }

    async fn start(
        directory: PathBuf,
        port: Option<u16>,
        route_port: Option<Option<u16>>,
        routes: Option<String>,
    ) -> Self {
        let text =
            |port: Option<u16>| port.map_or_else(|| "-1".to_owned(), |port| port.to_string());
        let mut command = Command::new(PROGRAM);
        command.args(["-a", "127.0.0.1", "-p", &text(port)]);
        if let Some(route_port) = route_port {
            let listen = format!("nats://127.0.0.1:{}", text(route_port));
            command.args(["--cluster_name", "test", "--cluster", &listen]);
            command.args(
                routes
                    .iter()
                    .filter(|it| !it.is_empty())
                    .flat_map(|it| ["--routes", it]),
            );
        }
        Self::run(command, directory, route_port.is_some(), routes).await
    }

    async fn run(
        mut command: Command,
        directory: PathBuf,
        has_routes: bool,
        routes: Option<String>,
    ) -> Self {
        let child = command
            .arg("--ports_file_dir")
            .arg(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ports = directory.join(format!("nats-server_{}.ports", child.id()));
        let ports: serde_json::Value = within(async {
            loop {
                let text = fs::read_to_string(&ports).unwrap_or_default();
                match serde_json::from_str(&text) {
                    Ok(ports) => return ports,
                    Err(_) => sleep(Duration::from_millis(20)).await,
                }
            }
        })
        .await;
        let port_of = |name: &str| {
            let url = ports[name][0].as_str()?;
            url.rsplit(':').next()?.parse().ok()
        };
        Self {
            port: port_of("nats").or_else(|| port_of("tls")).unwrap(),
            route_port: has_routes.then(|| port_of("cluster").unwrap()),
            child,
            directory,
            routes,
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_waited_for = self.child.wait();
    }
}

const PROGRAM: &str = "nats-server";
