//! What may change under a running relay: access keys and certificate.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may panic like tests"
)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustix::process::{Pid, Signal, kill_process};
use sori_wire::{AccessKey, ClientMessage, CloseCode, RelayUrl};
use support::{Client, seed};

/// A relay that tells on stderr what it does.
struct Talkative {
    child: Child,
    stderr: BufReader<ChildStderr>,
    url: RelayUrl,
}

impl Talkative {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sori-relay"))
            .args(["run", "--listen", "127.0.0.1:0", "--log", "info"])
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let url = line.strip_prefix("ready ").unwrap().trim().parse().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut relay = Self { child, stderr, url };
        assert!(relay.next_line().starts_with("ready"));
        relay
    }

    /// Tells it to read its files again; what it says to that.
    fn reload(&mut self) -> String {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::HUP).unwrap();
        self.next_line()
    }

    fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        let line = line.trim_end().strip_prefix("sori-relay: ");
        line.unwrap_or_else(|| panic!("the relay ended")).to_owned()
    }
}

impl Drop for Talkative {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_waited_for = self.child.wait();
    }
}

fn write_secret(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn access_key(byte: u8) -> AccessKey {
    AccessKey::from_bytes([byte; 32])
}

/// A client that shows an access key and is let in or not.
async fn enter(url: &RelayUrl, key: &AccessKey) -> Result<Client, u64> {
    let mut client = Client::connect(url).await;
    let proof = key.prove(&client.exporter());
    client.say(&ClientMessage::Access { proof }).await;
    let request = sori_wire::RequestId(1);
    let attach = ClientMessage::Attach {
        request,
        topic: seed(1).topic(),
        proof: seed(1).prove(&client.exporter()),
    };
    client.say(&attach).await;
    match support::within(client.try_hear()).await {
        Some(sori_wire::RelayMessage::Attached { .. }) => Ok(client),
        Some(other) => panic!("not an answer: {other:?}"),
        None => Err(client.close_number().await),
    }
}

/// protocol §2.9.4
#[tokio::test]
async fn access_keys_are_rotated_under_open_connections() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.keys");
    let [old, new] = [access_key(1), access_key(2)];
    let line = |key: &AccessKey| format!("{}\n", key.to_text().as_str());
    write_secret(&path, &line(&old));
    let mut relay = Talkative::start(&["--access-keys", path.to_str().unwrap()]);
    let url = relay.url.clone();
    let refused = Err(u64::from(CloseCode::NoAccess.number()));
    let mut early = enter(&url, &old).await.unwrap();
    assert_eq!(enter(&url, &new).await.map(drop), refused);

    write_secret(&path, &(line(&old) + &line(&new)));
    assert_eq!(relay.reload(), "read access keys and certificate again");
    assert!(enter(&url, &old).await.is_ok());
    assert!(enter(&url, &new).await.is_ok());

    write_secret(&path, &line(&new));
    assert_eq!(relay.reload(), "read access keys and certificate again");
    assert_eq!(enter(&url, &old).await.map(drop), refused);
    // Who was in stays in.
    let handle = early.attach(&seed(2)).await;
    assert_eq!(early.publish(handle, b"still here").await, Ok(0));

    // Nobody gets in, or is kept out, by a file that cannot be used.
    for content in ["", "# none\n", "not-a-key\n"] {
        write_secret(&path, content);
        let said = relay.reload();
        assert!(
            said.starts_with("nothing was changed by the reload"),
            "{said}"
        );
        assert!(!said.contains("not-a-key"), "{said}");
        assert!(enter(&url, &new).await.is_ok());
        assert_eq!(enter(&url, &old).await.map(drop), refused);
    }
    fs::remove_file(&path).unwrap();
    assert!(
        relay
            .reload()
            .contains("cannot use the file of access keys")
    );
    assert!(enter(&url, &new).await.is_ok());
}

#[tokio::test]
async fn bad_certificate_at_a_reload_changes_nothing_and_the_keys_neither() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    let (chain, key, keys) = (place("chain.pem"), place("key.pem"), place("access.keys"));
    write_certificate(&chain, &key, "relay.example", (2020, 4096));
    write_secret(&keys, access_key(1).to_text().as_str());
    let mut relay = Talkative::start(&[
        "--certificate",
        chain.to_str().unwrap(),
        "--certificate-key",
        key.to_str().unwrap(),
        "--access-keys",
        keys.to_str().unwrap(),
    ]);
    write_secret(&keys, access_key(2).to_text().as_str());
    write_secret(&key, "no key\n");
    assert!(relay.reload().contains("holds no usable private key"));
    assert!(enter(&relay.url, &access_key(1)).await.is_ok());
    write_certificate(&chain, &key, "relay.example", (2020, 4096));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(relay.reload().contains("chmod 600"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(relay.reload(), "read access keys and certificate again");
    assert!(enter(&relay.url, &access_key(2)).await.is_ok());
}

/// A certificate that is valid from the first year to the second.
fn write_certificate(chain: &Path, key: &Path, name: &str, years: (i32, i32)) {
    let pair = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    fs::write(chain, params.self_signed(&pair).unwrap().pem()).unwrap();
    write_secret(key, &pair.serialize_pem());
}

#[test]
fn check_finds_what_clients_would_find_wrong_with_the_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    let (chain, key) = (place("chain.pem"), place("key.pem"));
    let check = |public: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_sori-relay"))
            .args(["check", "--listen", "127.0.0.1:0", "--public", public])
            .args([Path::new("--certificate"), &chain])
            .args([Path::new("--certificate-key"), &key])
            .env_clear()
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find(|line| line.contains("certificate:"));
        (output.status.code(), line.unwrap().to_owned())
    };
    let expect = |public: &str, code: i32, start: &str, contains: &str| {
        let (exit, line) = check(public);
        assert_eq!(exit, Some(code), "{line}");
        assert!(line.starts_with(start) && line.contains(contains), "{line}");
    };
    expect("relay.example", 1, "BAD ", "cannot use the key file");
    write_certificate(&chain, &key, "relay.example", (2020, 4096));
    expect("relay.example", 0, "ok ", "valid until 4096-01-01");
    expect("other.example", 1, "BAD ", "it is not for `other.example`");
    expect("192.0.2.1", 1, "BAD ", "it is not for `192.0.2.1`");
    write_certificate(&chain, &key, "relay.example", (2020, 2021));
    expect(
        "relay.example",
        1,
        "BAD ",
        "until 2021-01-01T00:00:00Z and is not any more",
    );
    write_certificate(&chain, &key, "relay.example", (4000, 4096));
    expect("relay.example", 1, "BAD ", "is the clock right?");
    let other = place("other.pem");
    write_certificate(&place("unused.pem"), &other, "relay.example", (2020, 4096));
    fs::copy(&other, &key).unwrap();
    expect("relay.example", 1, "BAD ", "is not for the key");
    fs::write(&chain, "-----BEGIN NOTHING-----").unwrap();
    expect("relay.example", 1, "BAD ", "holds no certificate");
}
