//! A running relay and those who look after it: admin socket, metrics, log, service manager.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may panic like tests"
)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::{RelayProcess, seed};

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
