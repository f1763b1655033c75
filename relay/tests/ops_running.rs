//! A running relay and those who look after it: admin socket, metrics, log, service manager.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may panic like tests"
)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use rustix::process::{Pid, Signal, kill_process};
use support::{Client, Config, RelayProcess, seed};

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn relay(arguments: &[&str]) -> (i32, String, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_sori-relay"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn start(arguments: &[&str]) -> RelayProcess {
    let arguments = [&["--listen", "127.0.0.1:0"], arguments].concat();
    RelayProcess::start_with(&arguments, Path::new("/"))
}

/// A port that was free a moment ago; another program may be faster, then the relay says so.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Sends bytes to an HTTP port and reads all that comes back.
fn http(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn warrant_says_the_totals_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let admin = socket.to_str().unwrap();
    // A topic counts once for each thread that serves it.
    let process = start(&["--admin", admin, "--threads", "1"]);
    let metadata = fs::symlink_metadata(&socket).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);

    let mut alice = Client::connect(&process.url).await;
    let mut bob = Client::connect(&process.url).await;
    let a = alice.attach(&seed(1)).await;
    bob.attach(&seed(1)).await;
    assert_eq!(alice.publish(a, b"four").await, Ok(1));
    bob.hear_frame().await;

    let (code, json, stderr) = relay(&["warrant", "--admin", admin, "--json"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let names: Vec<&String> = report.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["now", "program", "since_start", "uptime_seconds", "version"]
    );
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["now"]["connections_quic"], 2);
    assert_eq!(report["now"]["attachments"], 2);
    assert_eq!(report["now"]["topics"], 1);
    assert_eq!(report["since_start"]["frames_in"], 1);
    assert_eq!(report["since_start"]["bytes_in"], 4);
    assert_eq!(report["since_start"]["frames_out"], 1);
    for part in ["now", "since_start"] {
        for (name, value) in report[part].as_object().unwrap() {
            assert!(value.is_u64(), "{name} is not a number");
        }
    }
    let english = relay(&["warrant", "--admin", admin, "--lang", "en"]).1;
    assert!(english.contains("2  connections over QUIC"), "{english}");
    assert!(
        english.contains("This is all that this relay can say."),
        "{english}"
    );
    let korean = relay(&["warrant", "--admin", admin, "--lang", "ko"]).1;
    assert!(korean.contains("2  QUIC 연결 수"), "{korean}");
    assert!(korean.contains("이것이 전부입니다"), "{korean}");

    process.terminate();
    assert_eq!(process.wait(), (Some(0), String::new(), String::new()));
    assert!(!socket.exists(), "the socket outlived the relay");
    let (code, _, stderr) = relay(&["warrant", "--admin", admin]);
    assert_eq!(code, 1);
    assert!(stderr.contains("is it running"), "{stderr}");
}

#[test]
fn admin_socket_takes_questions_and_no_orders() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let _process = start(&["--admin", socket.to_str().unwrap()]);
    let ask = |question: &[u8]| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(question).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer
    };
    assert_eq!(ask(b"health\n"), "ok\n");
    let unknown = ask(b"stop\n");
    assert_eq!(unknown, "ask `health` or `warrant`\n");
    for question in [
        b"\n".as_slice(),
        b"health warrant\n",
        b"HEALTH\n",
        &[b'a'; 100],
        b"\xc3\xa4\xc3\xb6\n",
    ] {
        assert_eq!(ask(question), unknown, "{question:?}");
    }
    // Who says nothing keeps nobody out for long, and what is no text is no question.
    let _silent: Vec<UnixStream> = (0..3)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    assert_eq!(ask(b"\xff\xfe\n"), "");
    assert_eq!(ask(b"health\n"), "ok\n");
}

#[test]
fn admin_socket_of_a_killed_relay_is_taken_over_and_nothing_else_is() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let admin = socket.to_str().unwrap();
    start(&["--admin", admin]).kill();
    assert!(socket.exists());
    let process = start(&["--admin", admin]);
    assert_eq!(
        relay(&["health", "--admin", admin]),
        (0, "ok\n".into(), String::new())
    );

    let second = ["run", "--listen", "127.0.0.1:0", "--admin", admin];
    let (code, _, stderr) = relay(&second);
    assert_eq!(
        (code, stderr.contains("a running relay has it")),
        (1, true),
        "{stderr}"
    );
    assert_eq!(relay(&["health", "--admin", admin]).0, 0);
    drop(process);

    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "precious").unwrap();
    let (code, _, stderr) = relay(&second);
    assert_eq!(
        (code, stderr.contains("not a socket")),
        (1, true),
        "{stderr}"
    );
    assert_eq!(fs::read_to_string(&socket).unwrap(), "precious");
}

#[tokio::test]
async fn metrics_are_totals_with_fixed_labels() {
    let address = free_port();
    let process = start(&["--metrics", &address.to_string()]);
    let mut alice = Client::connect(&process.url).await;
    alice.attach(&seed(1)).await;
    let answer = http(address, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("Content-Type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert!(
        body.contains("sori_relay_connections{transport=\"quic\"} 1\n"),
        "{body}"
    );
    assert!(body.contains("sori_relay_attaches_total 1\n"), "{body}");
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        if let Some((_, labels)) = line.split_once('{') {
            let key = labels.split('=').next().unwrap();
            let known = ["transport", "reason", "direction", "version"];
            assert!(known.contains(&key), "{line}");
        }
    }
    let place = address.to_string();
    assert_eq!(
        relay(&["health", "--metrics", &place]),
        (0, "ok\n".into(), String::new())
    );

    // Who keeps the port busy keeps it from others for seconds, and from clients not at all.
    let _silent: Vec<TcpStream> = (0..50)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let mut bob = Client::connect(&process.url).await;
    bob.attach(&seed(1)).await;

    let (code, _, stderr) = relay(&["run", "--listen", "127.0.0.1:0", "--metrics", &place]);
    assert_eq!(code, 1);
    assert!(
        stderr.contains(&format!("cannot serve metrics at {place}")),
        "{stderr}"
    );
    process.terminate();
    assert_eq!(process.wait().0, Some(0));
    let (code, _, stderr) = relay(&["health", "--metrics", &place]);
    assert_eq!(code, 1);
    assert!(
        stderr.contains("is it running with these metrics"),
        "{stderr}"
    );
}

#[test]
fn health_believes_nobody_but_a_relay_that_serves() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let answers = [
        (
            "HTTP/1.1 503 Service Unavailable\r\n\r\nstopping\n",
            "stopping",
        ),
        ("HTTP/1.1 200 OK\r\n\r\n<html>", "<html>"),
        ("nonsense", "cannot ask"),
        ("", "cannot ask"),
    ];
    for (answer, named) in answers {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 1024];
                let _all_of_it = stream.read(&mut request).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            });
            let (code, _, stderr) = relay(&["health", "--metrics", &place]);
            assert_eq!(
                (code, stderr.contains(named)),
                (1, true),
                "{answer}: {stderr}"
            );
        });
    }
    assert_eq!(relay(&["health"]).0, 2);
}

#[tokio::test]
async fn log_of_a_busy_relay_names_nobody_at_any_level() {
    let directory = tempfile::tempdir().unwrap();
    let admin = directory.path().join("admin.sock");
    let key = directory.path().join("relay.key");
    let (admin, key) = (admin.to_str().unwrap(), key.to_str().unwrap());
    assert_eq!(relay(&["key", key]).0, 0);
    let process = start(&["--log", "debug", "--admin", admin, "--key", key]);
    let payload = b"canary of the payload ".repeat(20);
    let address: IpAddr = "127.83.79.82".parse().unwrap();
    let config = || Config {
        from: address,
        ..Config::default()
    };
    let topic = seed(0xc5).topic();
    let mut alice = Client::connect_with(&process.url, config()).await.unwrap();
    let mut bob = Client::connect_with(&process.url, config()).await.unwrap();
    let a = alice.attach(&seed(0xc5)).await;
    bob.attach(&seed(0xc5)).await;
    for _ in 0..200 {
        assert_eq!(alice.publish(a, &payload).await, Ok(1));
        bob.hear_frame().await;
    }
    // Wrong ones too: a proof for another connection, and what is no message at all.
    let foreign = bob.exporter();
    assert!(alice.try_attach(&seed(0xc6), &foreign).await.is_err());
    let mut mallory = Client::connect_with(&process.url, config()).await.unwrap();
    mallory
        .send
        .write_all(&[topic.as_bytes().as_slice(), &payload].concat())
        .await
        .unwrap();
    mallory.close_number().await;
    for _ in 0..3 {
        assert_eq!(relay(&["warrant", "--admin", admin]).0, 0);
    }
    process.terminate();
    let (code, stdout, stderr) = process.wait();
    assert_eq!((code, stdout.as_str()), (Some(0), ""));

    assert!(
        stderr.contains("frames_in=200"),
        "nothing was logged: {stderr}"
    );
    for line in stderr.lines() {
        assert!(line.starts_with("sori-relay: "), "{line}");
    }
    let secret = fs::read_to_string(key).unwrap();
    let secret = secret.trim().rsplit(' ').next().unwrap();
    let other_topic = seed(0xc6).topic();
    let mut canaries = vec!["canary".to_owned(), address.to_string(), secret.to_owned()];
    for topic in [topic, other_topic] {
        canaries.extend(spellings(topic.as_bytes()));
    }
    canaries.extend(spellings(&payload[..24]));
    let output = stderr.to_lowercase();
    for canary in canaries {
        assert!(
            !output.contains(&canary.to_lowercase()),
            "{canary}: {stderr}"
        );
    }
}

/// The ways in which bytes get into logs: hex, base64, and Rust's own of a list.
fn spellings(bytes: &[u8]) -> Vec<String> {
    let start = &bytes[..8];
    let hex: String = start.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{start:?}");
    let list = list.trim_matches(['[', ']']).to_owned();
    let base64 = Base64::encode_string(bytes);
    let base64url = Base64UrlUnpadded::encode_string(bytes);
    vec![
        hex,
        list,
        base64[..12].to_owned(),
        base64url[..12].to_owned(),
    ]
}

/// A panic hook is for a whole process, so this test runs itself once more as one.
#[test]
fn panics_say_where_and_not_what() {
    const INSIDE: &str = "SORI_TEST_PANICS_INSIDE";
    let name = "panics_say_where_and_not_what";
    if std::env::var_os(INSIDE).is_some() {
        sori_relay::hardening::quiet_panics();
        panic!("canary of a panic: {:?}", seed(7).topic().as_bytes());
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .env("RUST_BACKTRACE", "full")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        stderr.contains("internal error at relay/tests/ops_running.rs:"),
        "{stderr}"
    );
    assert!(
        !stderr.contains("canary") && !stdout.contains("canary"),
        "{stderr}{stdout}"
    );
}

/// A relay under a service manager that listens at `socket`.
fn start_notifying(name: &str, variables: &[(&str, &str)]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_sori-relay"))
        .args(["run", "--listen", "127.0.0.1:0", "--log", "info"])
        .env_clear()
        .env("NOTIFY_SOCKET", name)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn next_state(manager: &UnixDatagram) -> String {
    let mut message = [0; 256];
    let len = manager.recv(&mut message).unwrap();
    String::from_utf8(message[..len].to_vec()).unwrap()
}

#[test]
fn service_manager_is_told_of_start_life_and_stop() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let unique = format!("sori-relay-test-{}", std::process::id());
    let by_path = UnixDatagram::bind(&path).unwrap();
    let abstract_name = UnixAddress::from_abstract_name(&unique).unwrap();
    let by_name = UnixDatagram::bind_addr(&abstract_name).unwrap();
    for (manager, name) in [
        (by_path, path.to_str().unwrap().to_owned()),
        (by_name, format!("@{unique}")),
    ] {
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let variables = [("WATCHDOG_USEC", "100000"), ("JOURNAL_STREAM", "8:1")];
        let mut child = start_notifying(&name, &variables);
        // The watchdog may be fed before everything is ready.
        while next_state(&manager) != "READY=1" {}
        for _ in 0..3 {
            assert_eq!(next_state(&manager), "WATCHDOG=1");
        }
        let pid = i32::try_from(child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
        while next_state(&manager) != "STOPPING=1" {}
        assert!(child.wait().unwrap().success());
        let mut stderr = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        let lines: Vec<&str> = stderr.lines().collect();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(lines[0], format!("<6>ready, version {version}"));
        assert_eq!(
            lines[1..],
            ["<6>stopping; clients are told to come back", "<6>stopped"]
        );
    }
}

#[test]
fn watchdog_of_another_process_is_not_fed_and_no_manager_is_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let variables = [("WATCHDOG_USEC", "50000"), ("WATCHDOG_PID", "1")];
    let mut child = start_notifying(path.to_str().unwrap(), &variables);
    assert_eq!(next_state(&manager), "READY=1");
    manager
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut message = [0; 16];
    assert!(manager.recv(&mut message).is_err(), "a watchdog was fed");
    child.kill().unwrap();
    child.wait().unwrap();

    // A socket that is not there, or not for datagrams, does not keep a relay from serving.
    let listener = UnixListener::bind(directory.path().join("stream")).unwrap();
    for name in ["stream", "absent"] {
        let name = directory.path().join(name);
        let mut child = start_notifying(name.to_str().unwrap(), &[]);
        let stderr = child.stderr.take().unwrap();
        let mut line = String::new();
        BufReader::new(stderr).read_line(&mut line).unwrap();
        assert!(line.contains("ready"), "{line}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    drop(listener);
}
