//! The relay as a program: its life, its key, its command line, and what it leaves behind.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use sori_wire::{CloseCode, RelayMessage};
use support::{Client, Config, RelayProcess, seed, within};

fn relay_command(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sori-relay"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn names_in(directory: &Path) -> BTreeSet<std::ffi::OsString> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

/// protocol §2.8.1, §2.7
#[tokio::test]
async fn sigterm_says_goodbye_and_exits_with_zero() {
    let relay = RelayProcess::start();
    let mut alice = Client::connect(&relay.url).await;
    let mut bob = Client::connect(&relay.url).await;
    let a = alice.attach(&seed(1)).await;
    bob.attach(&seed(1)).await;
    assert_eq!(alice.publish(a, b"last words").await, Ok(1));
    relay.terminate();

    // What was accepted before still arrives.
    assert_eq!(bob.hear_frame().await.1, "last words");
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.hear().await, RelayMessage::GoingAway);
        assert_eq!(within(client.try_hear()).await, None);
        let number = client.close_number().await;
        assert_eq!(number, u64::from(CloseCode::GoingAway.number()));
    }
    assert_eq!(relay.wait(), (Some(0), String::new(), String::new()));
}

/// protocol §2.8.2
#[tokio::test]
async fn reader_that_takes_nothing_does_not_keep_a_relay_from_stopping() {
    let relay = RelayProcess::start();
    let narrow = Config {
        window: 4096,
        ..Config::default()
    };
    let mut stalled = Client::connect_with(&relay.url, narrow).await.unwrap();
    let mut alice = Client::connect(&relay.url).await;
    let a = alice.attach(&seed(1)).await;
    stalled.attach(&seed(1)).await;
    for _ in 0..8 {
        alice.publish(a, &[0; 65_536]).await.unwrap();
    }
    relay.terminate();
    assert_eq!(alice.hear().await, RelayMessage::GoingAway);
    let stopped = tokio::task::spawn_blocking(|| relay.wait());
    assert_eq!(within(stopped).await.unwrap().0, Some(0));
}

/// protocol §2.7.2
#[tokio::test]
async fn connection_past_the_limit_is_refused_until_another_has_left() {
    let arguments = ["--listen", "127.0.0.1:0", "--max-connections", "1"];
    let relay = RelayProcess::start_with(&arguments, Path::new("/"));
    let mut alice = Client::connect(&relay.url).await;
    alice.attach(&seed(1)).await;
    let second = Client::connect_with(&relay.url, Config::default()).await;
    assert!(second.is_err());
    alice.connection.close(0_u32.into(), b"");
    within(async {
        while Client::connect_with(&relay.url, Config::default())
            .await
            .is_err()
        {}
    })
    .await;
}

/// protocol §1.2.4
#[tokio::test]
async fn killed_relay_serves_again_at_the_same_url_and_old_connections_learn_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("relay.key");
    let key = key.to_str().unwrap();
    assert!(relay_command(&["key", key]).status.success());

    let arguments = ["--listen", "127.0.0.1:0", "--key", key];
    let relay = RelayProcess::start_with(&arguments, directory.path());
    let url = relay.url.clone();
    let mut alice = Client::connect(&url).await;
    alice.attach(&seed(1)).await;
    relay.kill();

    let listen = format!("127.0.0.1:{}", url.port());
    let arguments = ["--listen", &listen, "--key", key];
    let relay = RelayProcess::start_with(&arguments, directory.path());
    assert_eq!(relay.url, url);
    // The keep-alive of the old connection is answered by a stateless reset.
    let lost = within(alice.connection.closed()).await;
    assert_eq!(lost, quinn::ConnectionError::Reset);

    let mut alice = Client::connect(&url).await;
    let mut bob = Client::connect(&url).await;
    let a = alice.attach(&seed(1)).await;
    bob.attach(&seed(1)).await;
    assert_eq!(alice.publish(a, b"back").await, Ok(1));
    assert_eq!(bob.hear_frame().await.1, "back");
}

/// protocol §2.4.5
#[tokio::test]
async fn running_relay_writes_no_file_and_prints_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let before = names_in(directory.path());
    let relay = RelayProcess::start_with(&["--listen", "127.0.0.1:0"], directory.path());
    let mut alice = Client::connect(&relay.url).await;
    let mut bob = Client::connect(&relay.url).await;
    let a = alice.attach(&seed(1)).await;
    bob.attach(&seed(1)).await;
    for _ in 0..100 {
        assert_eq!(alice.publish(a, &[1; 1000]).await, Ok(1));
        bob.hear_frame().await;
    }
    let mut mallory = Client::connect(&relay.url).await;
    mallory.send.write_all(&[0xff; 100]).await.unwrap();
    mallory.close_number().await;

    match fs::read_dir(format!("/proc/{}/fd", relay.pid())) {
        Ok(entries) => {
            for entry in entries {
                let target = fs::read_link(entry.unwrap().path()).unwrap();
                let target = target.to_str().unwrap();
                let known = ["socket:", "pipe:", "anon_inode:", "/dev/null"];
                assert!(
                    known.iter().any(|start| target.starts_with(start)),
                    "{target} is open"
                );
            }
        }
        // The relay is not dumpable, so that only the superuser can look.
        Err(error) => println!("open files not seen: {error}"),
    }
    relay.terminate();
    let (code, out, err) = relay.wait();
    // At the start it may warn of the machine's swap, where it may not lock its memory.
    let said: Vec<&str> = err.lines().filter(|line| !line.contains("swap")).collect();
    assert_eq!((code, out.as_str(), said), (Some(0), "", Vec::new()));
    assert_eq!(names_in(directory.path()), before);
}

/// protocol §2.4.5
#[tokio::test]
async fn memory_is_kept_out_of_swap_where_that_is_allowed() {
    let own = |file, start| {
        let text = fs::read_to_string(format!("/proc/self/{file}")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(start));
        line.unwrap().trim().to_owned()
    };
    let unlimited = own("limits", "Max locked memory").starts_with("unlimited");
    let rights = u64::from_str_radix(&own("status", "CapEff:"), 16).unwrap();
    let relay = RelayProcess::start_with(&["--listen", "127.0.0.1:0"], Path::new("/"));
    let status = fs::read_to_string(format!("/proc/{}/status", relay.pid())).unwrap();
    let amount = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    let locked = !amount.unwrap().trim().starts_with("0 ");
    assert_eq!(locked, unlimited || rights & (1 << CAP_IPC_LOCK) != 0);
}

/// The number of the capability that allows to lock memory without a bound (capabilities(7)).
const CAP_IPC_LOCK: u32 = 14;

#[test]
fn key_is_readable_by_its_owner_only_and_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("relay.key");
    let text = path.to_str().unwrap();
    let made = relay_command(&["key", text]);
    assert!(made.status.success());
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let content = fs::read(&path).unwrap();

    let again = relay_command(&["key", text]);
    assert_eq!(again.status.code(), Some(1));
    let message = String::from_utf8(again.stderr).unwrap();
    assert!(message.contains("exists already"), "{message}");
    assert_eq!(fs::read(&path).unwrap(), content);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let run = relay_command(&["run", "--listen", "127.0.0.1:0", "--key", text]);
    assert_eq!(run.status.code(), Some(1));
    let message = String::from_utf8(run.stderr).unwrap();
    assert!(message.contains("chmod 600"), "{message}");
}

#[test]
fn key_file_that_is_none_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("relay.key");
    let good = "sori-relay-key-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    let contents: [&[u8]; 5] = [
        b"",
        b"hello",
        &good.as_bytes()[..40],
        &[good.as_bytes(), good.as_bytes()].concat(),
        &[0xff; 200],
    ];
    for content in contents {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let arguments = ["run", "--listen", "127.0.0.1:0", "--key"];
        let run = relay_command(&[&arguments[..], &[path.to_str().unwrap()]].concat());
        assert_eq!(run.status.code(), Some(1));
        let message = String::from_utf8(run.stderr).unwrap();
        assert!(message.contains("not a relay key file"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn wrong_usage_exits_with_two_and_failure_with_one() {
    for usage in [
        &[][..],
        &["serve"],
        &["run"],
        &["key"],
        &["run", "--listen", "here"],
        &["run", "--listen", "127.0.0.1:0", "--public", "a b"],
        &["run", "--listen", "127.0.0.1:0", "--public", "host:0"],
    ] {
        assert_eq!(relay_command(usage).status.code(), Some(2), "{usage:?}");
    }
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = relay_command(&["run", "--listen", &address]);
    assert_eq!(run.status.code(), Some(1));
    let message = String::from_utf8(run.stderr).unwrap();
    assert!(
        message.contains(&format!("cannot listen on {address}")),
        "{message}"
    );
    let key = relay_command(&["key", "/nonexistent/relay.key"]);
    assert_eq!(key.status.code(), Some(1));
    assert!(relay_command(&["--help"]).status.success());
}

/// protocol §1.3.1
#[test]
fn public_place_stands_in_the_ready_line() {
    let public = |text: &str| {
        let arguments = ["--listen", "127.0.0.1:0", "--public", text];
        RelayProcess::start_with(&arguments, Path::new("/"))
            .url
            .clone()
    };
    assert_eq!(
        public("Relay.Example.org").host().to_string(),
        "relay.example.org"
    );
    let url = public("[2001:db8::1]:443");
    assert_eq!(
        (url.host().to_string(), url.port()),
        ("[2001:db8::1]".into(), 443)
    );
}
