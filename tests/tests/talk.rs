//! People talk: a real relay and real `sori rpc` processes, each with a profile of its own.
//!
//! Small by default. The numbers can be set from the environment:
//! `SORI_TALK_PEERS=5 SORI_TALK_MESSAGES=1000 SORI_TALK_KILLS=10 cargo test -p sori-audit --test talk`.
//! `SORI_TALK_SEED` repeats a run's choice of victims.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what goes wrong in a test has to be loud, in its helpers too, and the seed has to be seen"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use tempfile::TempDir;

#[test]
fn all_who_were_invited_see_the_same_messages_in_the_same_order() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Relay::start(&folder);
    let mut peers = peers(&folder, &relay, number("SORI_TALK_PEERS", 3));
    let group = gather(&mut peers);
    let messages = number("SORI_TALK_MESSAGES", 60);
    let acknowledged = talk(&mut peers, &group, 0..messages);
    let texts = agree(&mut peers, &group, &acknowledged);
    assert_eq!(texts.len(), messages);
    for peer in peers {
        peer.end();
    }
}

#[test]
fn processes_killed_in_the_middle_lose_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut relay = Relay::start(&folder);
    let mut peers = peers(&folder, &relay, number("SORI_TALK_PEERS", 3));
    let group = gather(&mut peers);
    let rounds = number("SORI_TALK_KILLS", 3);
    let messages = number("SORI_TALK_MESSAGES", 60).div_ceil(rounds.max(1));
    let mut dice = Dice::new();
    let mut acknowledged = BTreeSet::new();
    for round in 0..rounds {
        let mut asked = ask(&mut peers, &group, round * messages..(round + 1) * messages);
        // In the middle: one call, whichever, has been answered, others have not.
        let (peer, id, text) = asked.swap_remove(dice.below(asked.len()));
        peers[peer].answer(id);
        acknowledged.insert(text);
        // The relay is one victim among the others.
        let victim = dice.below(peers.len() + 1);
        println!("round {round}: victim {victim}");
        match peers.get_mut(victim) {
            Some(peer) => peer.kill(),
            None => relay.kill_and_restart(),
        }
        for (peer, id, text) in asked {
            if peers[peer].outcome(id).is_some() {
                acknowledged.insert(text);
            }
        }
        if let Some(peer) = peers.get_mut(victim) {
            peer.restart();
        }
    }
    let texts = agree(&mut peers, &group, &acknowledged);
    assert!(texts.len() <= rounds * messages, "nothing that nobody sent");
    for peer in peers {
        peer.end();
    }
}

#[test]
fn somebody_who_was_away_gets_all_from_a_member_who_sent_none_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut relay = Relay::start(&folder);
    let mut peers = peers(&folder, &relay, 3);
    let group = gather(&mut peers);
    let [sender, other, away] = peers.as_mut_slice() else {
        panic!("three peers")
    };
    away.kill();
    let messages = number("SORI_TALK_MESSAGES", 60);
    talk(std::slice::from_mut(sender), &group, 0..messages);
    for n in 0..10 {
        sender.call(
            "group.rename",
            &json!({ "group": group, "name": format!("name {n}") }),
        );
    }
    let epoch = state(sender, &group).1;
    wait_until("the other has it all", || {
        count(other, &group) == messages && state(other, &group).1 == epoch
    });
    sender.kill();
    relay.kill_and_restart();
    away.restart();
    wait_until("who was away has it all", || {
        count(away, &group) == messages && state(away, &group).1 == epoch
    });
    assert_eq!(state(other, &group), state(away, &group));
}

/// Makes a group at the first peer and lets the others in by one invite.
fn gather(peers: &mut [Peer]) -> String {
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

fn is_in(peer: &mut Peer, group: &str, members: usize) -> bool {
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
fn talk(peers: &mut [Peer], group: &str, numbers: Range<usize>) -> BTreeSet<String> {
    let asked = ask(peers, group, numbers);
    let acknowledged = asked.into_iter().map(|(peer, id, text)| {
        peers[peer].answer(id);
        text
    });
    acknowledged.collect()
}

/// Everybody sends at once; which peer, which call, which text.
fn ask(peers: &mut [Peer], group: &str, numbers: Range<usize>) -> Vec<(usize, u64, String)> {
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
fn agree(peers: &mut [Peer], group: &str, acknowledged: &BTreeSet<String>) -> Vec<String> {
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
fn report(peers: &mut [Peer], group: &str, acknowledged: &BTreeSet<String>) {
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

fn count(peer: &mut Peer, group: &str) -> usize {
    all_texts(peer, group).len()
}

/// The texts as listed, newest first.
fn all_texts(peer: &mut Peer, group: &str) -> Vec<String> {
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

fn state(peer: &mut Peer, group: &str) -> (String, u64) {
    let info = peer.call("group.info", &json!({ "group": group }));
    (text(&info["state_hash"]), info["epoch"].as_u64().unwrap())
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
        .to_owned()
}

/// Asks again until it is so; networks and back-off need time, and how much is not the point here.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
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

fn patience() -> Duration {
    Duration::from_secs(number("SORI_TALK_PATIENCE", 90) as u64)
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |value| value.parse().expect(variable))
}

fn peers(folder: &TempDir, relay: &Relay, number: usize) -> Vec<Peer> {
    (0..number)
        .map(|n| {
            let mut peer = Peer::start(
                folder.path().join(format!("profile-{n}")),
                format!("peer {n}"),
            );
            peer.call("account.create", &json!({ "name": peer.name }));
            peer.call("relay.set", &json!({ "url": relay.url }));
            peer
        })
        .collect()
}

/// One `sori rpc` process.
struct Peer {
    name: String,
    dir: PathBuf,
    process: Process,
    input: ChildStdin,
    lines: mpsc::Receiver<Value>,
    answers: BTreeMap<u64, Value>,
    next_id: u64,
}

impl Peer {
    fn start(dir: PathBuf, name: String) -> Self {
        let (process, input, lines) = Self::spawn(&dir);
        Self {
            name,
            dir,
            process,
            input,
            lines,
            answers: BTreeMap::new(),
            next_id: 0,
        }
    }

    fn spawn(dir: &Path) -> (Process, ChildStdin, mpsc::Receiver<Value>) {
        let mut child = Command::new(program("sori"))
            .arg("rpc")
            .env("SORI_PROFILE", dir)
            .env("SORI_PASSPHRASE", "a passphrase for a test")
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
    fn call(&mut self, method: &str, params: &Value) -> Value {
        let id = self.ask(method, params);
        self.answer(id)
    }

    /// Calls without waiting.
    fn ask(&mut self, method: &str, params: &Value) -> u64 {
        self.next_id += 1;
        let line =
            json!({ "jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params });
        writeln!(self.input, "{line}").unwrap();
        self.next_id
    }

    /// The result of a call.
    fn answer(&mut self, id: u64) -> Value {
        self.outcome(id)
            .unwrap_or_else(|| panic!("{} has ended", self.name))
    }

    /// The result of a call; nothing if the process ended before it answered.
    fn outcome(&mut self, id: u64) -> Option<Value> {
        loop {
            if let Some(answer) = self.answers.remove(&id) {
                let Some(result) = answer.get("result") else {
                    panic!("{}: {answer}", self.name)
                };
                return Some(result.clone());
            }
            let line = match self.lines.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => line,
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("{} does not answer", self.name),
            };
            if let Some(id) = line["id"].as_u64() {
                self.answers.insert(id, line);
            }
        }
    }

    fn kill(&mut self) {
        self.process.kill();
    }

    fn restart(&mut self) {
        (self.process, self.input, self.lines) = Self::spawn(&self.dir);
        self.answers.clear();
    }

    /// Ends it in good order.
    fn end(self) {
        let Self {
            mut process,
            input,
            name,
            ..
        } = self;
        drop(input);
        assert!(
            process.0.wait().unwrap().success(),
            "{name} ends with exit code 0"
        );
    }
}

/// One relay process, always at the same address with the same key.
struct Relay {
    url: String,
    listen: String,
    key: PathBuf,
    process: Process,
}

impl Relay {
    fn start(folder: &TempDir) -> Self {
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

    fn spawn(listen: &str, key: &Path) -> (Process, String) {
        let mut child = Command::new(program("sori-relay"))
            .args(["run", "--listen", listen, "--key"])
            .arg(key)
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

    fn kill_and_restart(&mut self) {
        self.process.kill();
        let (process, url) = Self::spawn(&self.listen, &self.key);
        assert_eq!(url, self.url);
        self.process = process;
    }
}

/// A process that does not outlive the test.
struct Process(Child);

impl Process {
    /// As `kill -9` does.
    fn kill(&mut self) {
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
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join(name);
    assert!(
        program.exists(),
        "{name} is not built; run `cargo build -p {name}` first"
    );
    program
}

/// Choices that can be repeated from their seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let seed = number("SORI_TALK_SEED", now.subsec_nanos() as usize);
        println!("SORI_TALK_SEED={seed}");
        Self(seed as u64)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize % bound
    }
}
