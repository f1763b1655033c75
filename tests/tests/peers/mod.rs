//! Real `sori rpc` processes at a real relay, for tests.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what goes wrong in a test has to be loud, in its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Makes a group at the first peer and lets the others in by one invite.
pub(crate) fn gather(peers: &mut [Peer]) -> String {
    let (first, others) = peers.split_first_mut().unwrap();
    let group = text(&first.call("group.create", &json!({ "name": "모두" }))["group"]);
    let invite = first.call(
        "invite.create",
        &json!({ "group": group, "uses": others.len() }),
    );
    for peer in others.iter_mut() {
        peer.call("invite.accept", &json!({ "url": invite["url"] }));
    }
    let members = others.len() + 1;
    wait_until("all are in", || {
        let joins = first.call("join.list", &json!({}));
        for join in joins["joins"].as_array().unwrap() {
            if join["direction"] == "incoming" && join["state"] == "waiting" {
                first.call("join.approve", &json!({ "id": join["id"] }));
            }
        }
        others.iter_mut().all(|peer| is_in(peer, &group, members)) && is_in(first, &group, members)
    });
    group
}

pub(crate) fn is_in(peer: &mut Peer, group: &str, members: usize) -> bool {
    let groups = peer.call("group.list", &json!({}));
    let listed = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .any(|entry| entry["group"] == group);
    listed
        && peer.call("group.info", &json!({ "group": group }))["members"]
            .as_array()
            .unwrap()
            .len()
            == members
}

/// Everybody sends at once; every call is acknowledged when this returns. Gives the texts.
pub(crate) fn talk(peers: &mut [Peer], group: &str, numbers: Range<usize>) -> BTreeSet<String> {
    let asked = ask(peers, group, numbers);
    let acknowledged = asked.into_iter().map(|(peer, id, text)| {
        peers[peer].answer(id);
        text
    });
    acknowledged.collect()
}

/// Everybody sends at once; which peer, which call, which text.
pub(crate) fn ask(
    peers: &mut [Peer],
    group: &str,
    numbers: Range<usize>,
) -> Vec<(usize, u64, String)> {
    let senders = peers.len();
    let send = |n: usize| {
        let text = format!("메시지 {n}");
        let id = peers[n % senders].ask("message.send", &json!({ "group": group, "text": text }));
        (n % senders, id, text)
    };
    numbers.map(send).collect()
}

/// Everybody ends with the same messages in the same order, each once and none that was
/// acknowledged missing, and in the same state. Gives the messages.
pub(crate) fn agree(
    peers: &mut [Peer],
    group: &str,
    acknowledged: &BTreeSet<String>,
) -> Vec<String> {
    let started = Instant::now();
    loop {
        // What was written and not acknowledged may still be on its way, so all are read anew.
        let mut views: Vec<_> = peers
            .iter_mut()
            .map(|peer| (all_texts(peer, group), state(peer, group)))
            .collect();
        let unique: BTreeSet<&String> = views[0].0.iter().collect();
        assert_eq!(unique.len(), views[0].0.len(), "every message once");
        let is_complete = acknowledged.iter().all(|text| unique.contains(text));
        if is_complete && views.iter().all(|view| *view == views[0]) {
            return views.swap_remove(0).0;
        }
        if started.elapsed() > patience() {
            report(peers, group, acknowledged);
            panic!("no agreement within {:?}", patience());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What there is to see when they do not agree.
pub(crate) fn report(peers: &mut [Peer], group: &str, acknowledged: &BTreeSet<String>) {
    println!("acknowledged: {}", acknowledged.len());
    for peer in peers {
        let texts = all_texts(peer, group);
        let missing = acknowledged
            .iter()
            .filter(|text| !texts.contains(text))
            .count();
        let sync = peer.call("sync.status", &json!({ "group": group }));
        let connection = peer.call("connection.status", &json!({}));
        let (state, epoch) = state(peer, group);
        println!(
            "{}: {} messages, {missing} missing, epoch {epoch}, {state}",
            peer.name,
            texts.len()
        );
        println!("  {sync}\n  {connection}");
    }
}

pub(crate) fn count(peer: &mut Peer, group: &str) -> usize {
    all_texts(peer, group).len()
}

/// The texts as listed, newest first.
pub(crate) fn all_texts(peer: &mut Peer, group: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut before = Value::Null;
    loop {
        let page = peer.call(
            "message.list",
            &json!({ "group": group, "before": before, "limit": 500 }),
        );
        let page = page["messages"].as_array().unwrap();
        let Some(last) = page.last() else {
            return texts;
        };
        before = last["id"].clone();
        texts.extend(page.iter().map(|message| text(&message["text"])));
    }
}

pub(crate) fn state(peer: &mut Peer, group: &str) -> (String, u64) {
    let info = peer.call("group.info", &json!({ "group": group }));
    (text(&info["state_hash"]), info["epoch"].as_u64().unwrap())
}

pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
        .to_owned()
}

/// Asks again until it is so; networks and back-off need time, and how much is not the point here.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(
            started.elapsed() < patience(),
            "not within {:?}: {what}",
            patience()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub(crate) fn patience() -> Duration {
    Duration::from_secs(number("SORI_TALK_PATIENCE", 90) as u64)
}

pub(crate) fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |value| value.parse().expect(variable))
}

pub(crate) fn peers(folder: &TempDir, relay: &Relay, number: usize) -> Vec<Peer> {
    peers_at(folder, &relay.url, number)
}

pub(crate) fn peers_at(folder: &TempDir, relay_url: &str, number: usize) -> Vec<Peer> {
    (0..number)
        .map(|n| {
            let mut peer = Peer::start(
                folder.path().join(format!("profile-{n}")),
                format!("peer {n}"),
            );
            peer.call("account.create", &json!({ "name": peer.name }));
            peer.call("relay.set", &json!({ "url": relay_url }));
            peer
        })
        .collect()
}

/// What opens the profiles of all peers.
pub(crate) const PASSPHRASE: &str = "a passphrase for a test";

/// What the account of the user holds besides the profile in `dir`.
pub(crate) fn state_of(dir: &Path) -> PathBuf {
    dir.with_file_name("state")
}

/// One `sori rpc` process.
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) process: Process,
    input: ChildStdin,
    lines: mpsc::Receiver<Value>,
    answers: BTreeMap<u64, Value>,
    /// The last notification of each method, since the process was started.
    heard: BTreeMap<String, Value>,
    next_id: u64,
}

impl Peer {
    pub(crate) fn start(dir: PathBuf, name: String) -> Self {
        let (process, input, lines) = Self::spawn(&dir);
        Self {
            name,
            dir,
            process,
            input,
            lines,
            answers: BTreeMap::new(),
            heard: BTreeMap::new(),
            next_id: 0,
        }
    }

    pub(crate) fn spawn(dir: &Path) -> (Process, ChildStdin, mpsc::Receiver<Value>) {
        let mut child = Command::new(program("sori"))
            .arg("rpc")
            .env("SORI_PROFILE", dir)
            .env("SORI_PASSPHRASE", PASSPHRASE)
            .env("XDG_STATE_HOME", state_of(dir))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Only a process that was killed may leave half a line.
                let Ok(value) = serde_json::from_str(&line) else {
                    return;
                };
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        (Process(child), input, lines)
    }

    /// Calls and waits for the result.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        let id = self.ask(method, params);
        self.answer(id)
    }

    /// Calls without waiting.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> u64 {
        self.next_id += 1;
        let line =
            json!({ "jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params });
        writeln!(self.input, "{line}").unwrap();
        self.next_id
    }

    /// The result of a call.
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        self.outcome(id)
            .unwrap_or_else(|| panic!("{} has ended", self.name))
    }

    /// The result of a call; nothing if the process ended before it answered.
    pub(crate) fn outcome(&mut self, id: u64) -> Option<Value> {
        match self.reply(id)? {
            Ok(result) => Some(result),
            Err(error) => panic!("{}: {error}", self.name),
        }
    }

    /// The result of a call or why it failed; nothing if the process ended before it answered.
    pub(crate) fn reply(&mut self, id: u64) -> Option<Result<Value, Value>> {
        loop {
            if let Some(answer) = self.answers.remove(&id) {
                let result = answer.get("result").cloned();
                return Some(result.ok_or_else(|| answer["error"].clone()));
            }
            let line = match self.lines.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => line,
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("{} does not answer", self.name),
            };
            if let Some(id) = line["id"].as_u64() {
                self.answers.insert(id, line);
            } else if let Some(method) = line["method"].as_str() {
                self.heard.insert(method.to_owned(), line["params"].clone());
            }
        }
    }

    /// The parameters of the last such notification, as far as answers were waited for.
    pub(crate) fn heard(&self, method: &str) -> Option<&Value> {
        self.heard.get(method)
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) fn restart(&mut self) {
        (self.process, self.input, self.lines) = Self::spawn(&self.dir);
        self.answers.clear();
        self.heard.clear();
    }

    /// Ends it in good order; answers where its profile lies.
    pub(crate) fn end(self) -> PathBuf {
        let Self {
            mut process,
            input,
            name,
            dir,
            ..
        } = self;
        drop(input);
        assert!(
            process.0.wait().unwrap().success(),
            "{name} ends with exit code 0"
        );
        dir
    }
}

/// One relay process, always at the same address with the same key.
pub(crate) struct Relay {
    pub(crate) url: String,
    listen: String,
    key: PathBuf,
    pub(crate) process: Process,
}

impl Relay {
    pub(crate) fn start(folder: &TempDir) -> Self {
        let key = folder.path().join("relay-key");
        let made = Command::new(program("sori-relay"))
            .arg("key")
            .arg(&key)
            .output()
            .unwrap();
        assert!(made.status.success());
        let (process, url) = Self::spawn("127.0.0.1:0", &key);
        let listen = url
            .trim_start_matches("relay://")
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        Self {
            url,
            listen,
            key,
            process,
        }
    }

    pub(crate) fn spawn(listen: &str, key: &Path) -> (Process, String) {
        Self::spawn_with(listen, key, &[])
    }

    /// With more arguments than where and who it is.
    pub(crate) fn spawn_with(listen: &str, key: &Path, more: &[String]) -> (Process, String) {
        let mut child = Command::new(program("sori-relay"))
            .args(["run", "--listen", listen, "--key"])
            .arg(key)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .strip_prefix("ready ")
            .unwrap_or_else(|| panic!("not ready: {line}"));
        (Process(child), url.to_owned())
    }

    pub(crate) fn kill_and_restart(&mut self) {
        self.process.kill();
        let (process, url) = Self::spawn(&self.listen, &self.key);
        assert_eq!(url, self.url);
        self.process = process;
    }
}

/// A process that does not outlive the test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program of this workspace, beside the folder that holds this test.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join(name);
    assert!(
        program.exists(),
        "{name} is not built; run `cargo build -p {name}` first"
    );
    program
}
