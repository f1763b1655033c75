//! Relays of one name and the NATS servers between them die one after the other while people talk:
//! clients come back by themselves, and when they have caught up nothing is missing.
//!
//! Small by default. `SORI_MACHINES_ROUNDS=3 SORI_MACHINES_PEERS=6 SORI_MACHINES_MESSAGES=60` kills everything three
//! times over and lets six people send sixty messages around each death.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "what goes wrong in a test has to be loud, and the figures have to be seen"
)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test program uses its own part of these modules"
)]

mod front;
#[path = "../../relay/tests/support/nats.rs"]
mod nats;
mod peers;

use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use front::Front;
use nats::NatsServer;
use peers::{
    Peer, Process, Relay, agree, ask, gather, number, patience, peers_at, program, text, wait_until,
};
use serde_json::json;
use tempfile::TempDir;

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(patience(), future)
        .await
        .expect("nothing happened in time")
}

/// Relays of one name, behind one balancer, and what joins them.
struct Machines {
    relays: Vec<(SocketAddr, Process)>,
    buses: Vec<NatsServer>,
    key: PathBuf,
    cluster: Vec<String>,
    url: String,
    runtime: tokio::runtime::Runtime,
}

impl Machines {
    fn start(folder: &TempDir, buses: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let buses = runtime.block_on(NatsServer::several(folder.path(), buses));
        let [key, secret] = ["key", "cluster-secret"].map(|what| {
            let file = folder.path().join(what);
            let made = Command::new(program("sori-relay"))
                .arg(what)
                .arg(&file)
                .output();
            assert!(made.unwrap().status.success());
            file
        });
        let urls: Vec<String> = buses.iter().map(NatsServer::url).collect();
        let secret = secret.to_str().unwrap().to_owned();
        let cluster = [
            "--cluster-servers",
            &urls.join(","),
            "--cluster-secret",
            &secret,
        ]
        .map(str::to_owned)
        .to_vec();
        let relays: Vec<(SocketAddr, Process, String)> = (0..3)
            .map(|_| {
                let (process, url) = Relay::spawn_with("127.0.0.1:0", &key, &cluster);
                (address(&url), process, url)
            })
            .collect();
        let front = Front::start(relays.iter().map(|relay| relay.0).collect());
        let (at, _, url) = relays.first().unwrap();
        let url = url.replace(&at.to_string(), &format!("127.0.0.1:{}", front.port));
        let relays = relays.into_iter();
        Self {
            relays: relays.map(|(at, process, _)| (at, process)).collect(),
            buses,
            key,
            cluster,
            url,
            runtime,
        }
    }

    fn count(&self) -> usize {
        self.relays.len() + self.buses.len()
    }

    /// As `kill -9` does; which one it was.
    fn kill(&mut self, victim: usize) -> String {
        match victim.checked_sub(self.relays.len()) {
            None => {
                self.relays[victim].1.kill();
                format!("relay {victim}")
            }
            Some(bus) => {
                self.buses[bus].kill();
                format!("nats-server {bus}")
            }
        }
    }

    fn restart(&mut self, victim: usize) {
        match victim.checked_sub(self.relays.len()) {
            None => {
                let listen = self.relays[victim].0.to_string();
                let (process, _) = Relay::spawn_with(&listen, &self.key, &self.cluster);
                self.relays[victim].1 = process;
            }
            Some(bus) => {
                let has_others = self.buses.len() > 1;
                let others = self.buses.iter().enumerate();
                let routes: Vec<String> = others
                    .filter(|(at, _)| has_others && *at != bus)
                    .map(|(_, other)| other.route())
                    .collect();
                let restarting = self.buses[bus].restart(Some(routes.join(",")));
                self.runtime.block_on(restarting);
            }
        }
    }
}

fn address(url: &str) -> SocketAddr {
    let rest = url.strip_prefix("relay://").unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

/// Until everybody is connected and hears what everybody says; how long that took.
fn until_all_hear_all(peers: &mut [Peer], group: &str, what: &str) -> Duration {
    let began = Instant::now();
    wait_until("all are connected", || {
        peers
            .iter_mut()
            .all(|peer| peer.call("connection.status", &json!({}))["state"] == "connected")
    });
    let connected = began.elapsed();
    let texts: Vec<String> = (0..peers.len()).map(|n| format!("{what} {n}")).collect();
    for (peer, text) in peers.iter_mut().zip(&texts) {
        peer.call("message.send", &json!({ "group": group, "text": text }));
    }
    wait_until("all hear all", || {
        peers.iter_mut().all(|peer| {
            let heard = newest_texts(peer, group);
            texts.iter().all(|text| heard.contains(text))
        })
    });
    println!(
        "{what}: all connected after {connected:.1?}, all heard all after {:.1?}",
        began.elapsed()
    );
    began.elapsed()
}

fn newest_texts(peer: &mut Peer, group: &str) -> Vec<String> {
    let page = peer.call("message.list", &json!({ "group": group, "limit": 100 }));
    let page = page["messages"].as_array().unwrap();
    page.iter().map(|message| text(&message["text"])).collect()
}

fn everything_dies_in_turn(buses: usize) {
    if Command::new("nats-server")
        .arg("--version")
        .output()
        .is_err()
    {
        assert!(
            std::env::var_os("SORI_TEST_ALL").is_none(),
            "nats-server is not installed (Debian package nats-server)"
        );
        println!("not run: nats-server is not installed (Debian package nats-server)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut machines = Machines::start(&folder, buses);
    let mut peers = peers_at(&folder, &machines.url, number("SORI_MACHINES_PEERS", 3));
    let group = gather(&mut peers);
    let mut acknowledged = BTreeSet::new();
    let mut slowest = Duration::ZERO;
    let messages = number("SORI_MACHINES_MESSAGES", 12);
    for round in 0..number("SORI_MACHINES_ROUNDS", 1) {
        for victim in 0..machines.count() {
            let from = (round * machines.count() + victim) * messages;
            let asked = ask(&mut peers, &group, from..from + messages);
            // In the middle: some calls have been answered, others have not.
            let name = machines.kill(victim);
            for (peer, id, text) in asked {
                peers[peer].answer(id);
                acknowledged.insert(text);
            }
            // Without any bus relays are alone until it is back.
            let is_needed = machines.buses.len() == 1 && victim >= machines.relays.len();
            if is_needed {
                machines.restart(victim);
            }
            let what = format!("round {round}, after the death of {name}");
            slowest = slowest.max(until_all_hear_all(&mut peers, &group, &what));
            if !is_needed {
                machines.restart(victim);
            }
        }
    }
    let back = until_all_hear_all(&mut peers, &group, "at the end");
    let texts = agree(&mut peers, &group, &acknowledged);
    println!(
        "{buses} nats-servers: {} messages, none missing; slowest {slowest:.1?}, with all there {back:.1?}",
        texts.len()
    );
    for peer in peers {
        peer.end();
    }
}

#[test]
fn three_relays_and_one_nats_server_die_in_turn_and_nothing_is_missing() {
    everything_dies_in_turn(1);
}

#[test]
fn three_relays_and_three_nats_servers_die_in_turn_and_nothing_is_missing() {
    everything_dies_in_turn(3);
}
