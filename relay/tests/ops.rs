//! The relay in the hands of its operator: every command of the program, with good input and bad.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::RelayProcess;
use tempfile::TempDir;

/// Runs a command of the relay to its end, without any variable but these.
fn relay_with(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sori-relay"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn relay(arguments: &[&str]) -> Output {
    relay_with(&[], arguments)
}

/// Exit code, standard output and standard error.
fn said(output: Output) -> (i32, String, String) {
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// A directory with a file of options in it.
struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: &str, mode: u32) -> String {
        fs::write(self.path(name), content).unwrap();
        self.set_mode(name, mode);
        self.text(name)
    }

    fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    /// Makes a relay key.
    fn key(&self) -> String {
        let path = self.text("relay.key");
        assert!(relay(&["key", &path]).status.success());
        path
    }
}

#[test]
fn unknown_keys_and_wrong_values_are_refused_with_their_line() {
    let files = Files::new();
    let cases = [
        ("retention = \"30 days\"", "retention"),
        ("max-conections = 5", "max-conections"),
        ("max_connections = 5", "max_connections"),
        ("[storage]\npath = \"/var/lib\"", "storage"),
        ("max-connections = \"many\"", "max-connections"),
        ("max-connections = -1", "max-connections"),
        ("max-handshakes-per-network = \"50\"", "50:1000"),
        ("log = \"trace\"", "log"),
        ("log = \"info\"\nlog = \"debug\"", "log"),
        ("access = \"maybe\"", "access"),
        ("public = \"a b\"", "public"),
        ("listen = ", "listen"),
    ];
    for (line, named) in cases {
        let text = format!("# one\n# two\n{line}\n");
        let config = files.write("relay.toml", &text, 0o644);
        for command in ["run", "check", "invite", "warrant", "health"] {
            let (code, _, stderr) = said(relay(&[command, "--config", &config]));
            assert_eq!(code, 2, "{command} {line}: {stderr}");
            assert!(
                stderr.contains("cannot use the configuration file"),
                "{stderr}"
            );
            assert!(stderr.contains(named), "{command} {line}: {stderr}");
            assert!(
                stderr.contains("line 3") || stderr.contains("line 4"),
                "{stderr}"
            );
        }
    }
}

#[test]
fn files_that_are_no_configuration_are_refused() {
    let files = Files::new();
    let long = files.write("long.toml", &"#".repeat(70_000), 0o644);
    let (code, _, stderr) = said(relay(&["run", "--config", &long]));
    assert_eq!(
        (code, stderr.contains("longer than")),
        (2, true),
        "{stderr}"
    );
    fs::write(files.path("binary.toml"), [0xff; 100]).unwrap();
    for config in [
        files.text("binary.toml"),
        files.text("absent.toml"),
        files.text(""),
    ] {
        let (code, _, stderr) = said(relay(&["run", "--config", &config]));
        assert_eq!(code, 2, "{config}: {stderr}");
    }
}

#[test]
fn flag_counts_before_variable_before_file_before_default() {
    let files = Files::new();
    let key = files.key();
    let text = format!("listen = \"127.0.0.1:4433\"\nkey = \"{key}\"\npublic = \"file.example\"\n");
    let config = files.write("relay.toml", &text, 0o644);
    let host = |variables: &[(&str, &str)], arguments: &[&str]| {
        let arguments = [&["invite", "--url-only"], arguments].concat();
        let (code, stdout, stderr) = said(relay_with(variables, &arguments));
        assert_eq!((code, stderr.as_str()), (0, ""));
        let url = stdout.strip_prefix("relay://").unwrap().to_owned();
        url.split_once(":4433/#").unwrap().0.to_owned()
    };
    let by_flag = ["--public", "flag.example", "--config", &config];
    let by_file = ["--config", &config];
    let variable = ("SORI_RELAY_PUBLIC", "variable.example");
    assert_eq!(host(&[variable], &by_flag), "flag.example");
    assert_eq!(host(&[variable], &by_file), "variable.example");
    assert_eq!(host(&[], &by_file), "file.example");
    assert_eq!(host(&[("SORI_RELAY_CONFIG", &config)], &[]), "file.example");
    let without_file = ["--listen", "127.0.0.1:4433", "--key", &key];
    assert_eq!(host(&[], &without_file), "127.0.0.1");
}

#[test]
fn secrets_that_others_may_read_are_refused() {
    let files = Files::new();
    let key = files.key();
    let keys = files.text("access.keys");
    assert!(relay(&["access-key", &keys]).status.success());
    assert_eq!(
        (files.mode("relay.key"), files.mode("access.keys")),
        (0o600, 0o600)
    );

    let check = |variables: &[(&str, &str)]| {
        let arguments = [
            "check",
            "--listen",
            "127.0.0.1:0",
            "--key",
            &key,
            "--access-keys",
            &keys,
        ];
        said(relay_with(variables, &arguments))
    };
    assert_eq!(check(&[]).0, 0, "{:?}", check(&[]));
    for name in ["relay.key", "access.keys"] {
        for mode in [0o640, 0o604, 0o620, 0o602, 0o644, 0o666] {
            files.set_mode(name, mode);
            let (code, stdout, _) = check(&[]);
            assert_eq!(code, 1, "{mode:o}");
            assert!(stdout.contains("chmod 600"), "{stdout}");
            let run = [
                "run",
                "--listen",
                "127.0.0.1:0",
                "--key",
                &key,
                "--access-keys",
                &keys,
            ];
            let (code, _, stderr) = said(relay(&run));
            assert_eq!(code, 1);
            assert!(stderr.contains("chmod 600"), "{stderr}");
        }
        files.set_mode(name, 0o600);
    }
    // A service manager makes its credentials readable for the group that is the service.
    let directory = files.text("");
    let credentials = [("CREDENTIALS_DIRECTORY", directory.as_str())];
    files.set_mode("relay.key", 0o440);
    assert_eq!(check(&[]).0, 1);
    assert_eq!(check(&credentials).0, 0);
    files.set_mode("relay.key", 0o444);
    assert_eq!(check(&credentials).0, 1);
}

#[test]
fn access_keys_are_added_and_never_printed() {
    let files = Files::new();
    let path = files.text("access.keys");
    let mut known = Vec::new();
    for _ in 0..2 {
        let (code, stdout, stderr) = said(relay(&["access-key", &path]));
        assert_eq!((code, stderr.as_str()), (0, ""));
        known = fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        for key in &known {
            assert_eq!(key.len(), 43);
            assert!(!stdout.contains(key.as_str()));
        }
    }
    assert_eq!(known.len(), 2);
    assert_ne!(known[0], known[1]);

    // A file without a last line ending loses nothing.
    let text = format!("# sales\n{}", known[0]);
    files.write("access.keys", &text, 0o600);
    assert!(relay(&["access-key", &path]).status.success());
    let after = fs::read_to_string(&path).unwrap();
    assert!(after.starts_with(&format!("{text}\n")), "{after}");
    assert_eq!(after.lines().count(), 3);

    // What is not a file of access keys is left as it is.
    let other = files.write("other", "precious\n", 0o600);
    let (code, _, stderr) = said(relay(&["access-key", &other]));
    assert_eq!(code, 1);
    assert!(stderr.contains("line 1 is not an access key"), "{stderr}");
    assert!(!stderr.contains("precious"), "{stderr}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "precious\n");
}

#[test]
fn options_that_contradict_each_other_are_named() {
    let files = Files::new();
    let empty = files.write("empty.keys", "# none\n", 0o600);
    let at = ["run", "--listen", "127.0.0.1:0"];
    let server = "nats://127.0.0.1:4222";
    let cases: [(&[&str], i32, &str); 11] = [
        (
            &["--cluster-servers", server],
            2,
            "sori-relay cluster-secret",
        ),
        (&["--cluster-secret", &empty], 2, "--cluster-servers"),
        (
            &["--cluster-servers", server, "--cluster-secret", &empty],
            1,
            "not a cluster secret",
        ),
        (
            &["--cluster-servers", "nats://me:word@127.0.0.1"],
            2,
            "without name and password",
        ),
        (
            &[
                "--cluster-servers",
                server,
                "--cluster-secret",
                &empty,
                "--cluster-certificate",
                "x.pem",
            ],
            2,
            "belong together",
        ),
        (&["--access", "private"], 2, "--access-keys"),
        (&["--access-keys", &empty], 1, "no key in it"),
        (
            &["--access-keys", "/nonexistent"],
            1,
            "cannot use the file of access keys",
        ),
        (&["--certificate", "x.pem"], 2, "belong together"),
        (&["--metrics", "0.0.0.0:0"], 2, "--metrics-for network"),
        (
            &["--metrics", "[::]:0", "--metrics-for", "host"],
            2,
            "--metrics-for network",
        ),
    ];
    for (arguments, code, named) in cases {
        let run = said(relay(&[&at[..], arguments].concat()));
        assert_eq!(run.0, code, "{arguments:?}: {}", run.2);
        assert!(run.2.contains(named), "{arguments:?}: {}", run.2);
    }
    for unknown in [
        ["run", "--retain"],
        ["warrant", "--all"],
        ["check", "--fix"],
    ] {
        assert_eq!(said(relay(&unknown)).0, 2, "{unknown:?}");
    }
}

#[test]
fn check_says_what_is_wrong_and_what_to_do() {
    let files = Files::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    files.write("key", "nonsense", 0o600);
    let text = format!(
        "listen = \"{address}\"\nkey = \"{}\"\naccess-keys = \"{}\"\nadmin = \"{}\"\nmetrics = \"{address}\"\n",
        files.text("key"),
        files.text("absent"),
        files.text("relay.toml"),
    );
    let config = files.write("relay.toml", &text, 0o644);
    let (code, stdout, stderr) = said(relay(&["check", "--config", &config]));
    assert_eq!(code, 1);
    assert!(stderr.ends_with("like this: 5\n"), "{stderr}");
    let bad: Vec<&str> = stdout
        .lines()
        .filter(|line| line.starts_with("BAD "))
        .collect();
    let expected = [
        "listen: TCP",
        "key: cannot use the key file",
        "access: cannot use the file of access keys",
        "is not a socket",
        "metrics: ",
    ];
    assert_eq!(bad.len(), expected.len(), "{stdout}");
    for (line, expected) in bad.iter().zip(expected) {
        assert!(line.contains(expected), "{line}");
    }
    assert!(stdout.contains("ss -lnptu"), "{stdout}");
    assert_eq!(
        fs::read_to_string(&config).unwrap(),
        text,
        "check changes nothing"
    );

    let key = files.path("relay.key");
    let key = key.to_str().unwrap();
    assert!(relay(&["key", key]).status.success());
    let good = [
        "check",
        "--listen",
        "127.0.0.1:0",
        "--key",
        key,
        "--public",
        "a.example",
    ];
    let (code, stdout, stderr) = said(relay(&good));
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
}

#[test]
fn check_knows_the_relay_that_runs() {
    let files = Files::new();
    let socket = files.text("admin.sock");
    let address = "127.0.0.1:0";
    let process =
        RelayProcess::start_with(&["--listen", address, "--admin", &socket], Path::new("/"));
    let listen = format!("127.0.0.1:{}", process.url.port());
    let (code, stdout, stderr) = said(relay(&["check", "--listen", &listen, "--admin", &socket]));
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.contains("it is running"), "{stdout}");
    let (code, stdout, _) = said(relay(&["check", "--listen", &listen]));
    assert_eq!(code, 1, "{stdout}");
    assert!(stdout.contains("another program has this port"), "{stdout}");
}

#[test]
fn invite_prints_what_clients_take() {
    let files = Files::new();
    let key = files.key();
    let invite = |arguments: &[&str]| {
        let base = ["invite", "--key", &key, "--listen", "[::]:4433"];
        said(relay(&[&base[..], arguments].concat()))
    };
    let (code, stdout, _) = invite(&["--public", "relay.example.org"]);
    assert_eq!(code, 0);
    let url = stdout.lines().last().unwrap();
    let parsed: sori_wire::RelayUrl = url.parse().unwrap();
    assert_eq!(parsed.host().to_string(), "relay.example.org");
    assert_eq!(parsed.port(), 4433);
    assert!(
        stdout.contains('█') && stdout.contains('▀'),
        "no QR code: {stdout}"
    );
    let (_, alone, _) = invite(&["--public", "relay.example.org", "--url-only"]);
    assert_eq!(alone, format!("{url}\n"));

    let keys = files.text("access.keys");
    for _ in 0..2 {
        assert!(relay(&["access-key", &keys]).status.success());
    }
    let newest = fs::read_to_string(&keys).unwrap();
    let newest = newest.lines().last().unwrap();
    let private = [
        "--public",
        "relay.example.org",
        "--access-keys",
        &keys,
        "--url-only",
    ];
    let (code, stdout, stderr) = invite(&private);
    assert_eq!((code, stdout.as_str()), (0, format!("{url}\n").as_str()));
    assert!(stderr.contains("--with-access-key"), "{stderr}");
    let (code, stdout, stderr) = invite(&[&private[..], &["--with-access-key"]].concat());
    assert_eq!((code, stderr.as_str()), (0, ""));
    let with_key: sori_wire::RelayUrl = stdout.trim().parse().unwrap();
    assert_eq!(with_key.access().unwrap().to_text().as_str(), newest);
    assert_eq!(with_key.identity(), parsed.identity());

    let file = files.write("b.pem", "", 0o600);
    let certificate = ["--certificate", "a.pem", "--certificate-key", &file];
    let by_name = [
        "--public",
        "relay.example.org",
        "--by-certificate",
        "--url-only",
    ];
    let (_, stdout, _) = invite(&[&certificate[..], &by_name].concat());
    assert_eq!(stdout, "relay://relay.example.org:4433/#webpki\n");
    let by_address = ["--public", "192.0.2.1", "--by-certificate"];
    assert_eq!(invite(&[&certificate[..], &by_address].concat()).0, 1);

    for (arguments, named) in [
        (&[][..], "--public HOST"),
        (
            &["--public", "a.example", "--with-access-key"],
            "this relay is open",
        ),
        (
            &["--public", "a.example", "--by-certificate"],
            "no certificate",
        ),
    ] {
        let (code, _, stderr) = invite(arguments);
        assert_eq!((code, stderr.contains(named)), (2, true), "{stderr}");
    }
    let (code, _, stderr) = said(relay(&["invite", "--public", "relay.example.org:1"]));
    assert_eq!(code, 2);
    assert!(stderr.contains("--key FILE"), "{stderr}");
}

#[test]
fn manual_page_names_every_command() {
    let page = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/packaging/sori-relay.1"
    ))
    .unwrap()
    .replace('\\', "");
    let (_, help, _) = said(relay(&["--help"]));
    let commands = help.split("Commands:\n").nth(1).unwrap();
    let names = commands.lines().take_while(|line| !line.is_empty());
    let names: Vec<&str> = names
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names.len(), 10);
    for name in names.iter().filter(|name| **name != "help") {
        let heading = format!("\n.TP\n.B {name}\n");
        let with_argument = format!("\n.TP\n.BI \"{name} \" ");
        assert!(
            page.contains(&heading) || page.contains(&with_argument),
            "{name}"
        );
    }
}

#[test]
fn unit_leaves_little_to_attack() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/sori-relay.service");
    let analyze = Command::new("systemd-analyze")
        .args([
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold=15",
            unit,
        ])
        .output();
    let Ok(output) = analyze else {
        println!("not looked at: systemd-analyze is not installed");
        return;
    };
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "exposure above 1.5: {report}");
    assert!(report.contains("Overall exposure level"), "{report}");
    let text = fs::read_to_string(unit).unwrap();
    for directory in [
        "StateDirectory=",
        "LogsDirectory=",
        "CacheDirectory=",
        "ReadWritePaths=",
    ] {
        assert!(!text.contains(directory), "{directory}");
    }
}
