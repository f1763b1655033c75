//! The program as a person or a script meets it: exit codes, sentences, and that a wrong word
//! damages nothing. No relay is needed here.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what goes wrong in a test has to be loud, in its helpers too"
)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// The program with a clean environment.
fn sori(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sori"));
    command
        .env_clear()
        .env("SORI_PASSPHRASE", "correct horse")
        .env("SORI_PROFILE", dir)
        .env("XDG_STATE_HOME", dir.with_file_name("state"))
        .env("LANG", "C")
        .stdin(Stdio::null());
    command
}

fn run(dir: &Path, args: &[&str]) -> Output {
    sori(dir).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The program failed with this code and one clear sentence, and printed nothing else.
fn fails(output: &Output, code: i32, says: &str) {
    let sentence = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{sentence}");
    assert!(sentence.contains(says), "{says:?} is not in {sentence:?}");
    assert!(
        !sentence.contains("panicked") && !sentence.contains("Error {"),
        "{sentence}"
    );
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
}

fn succeeds(output: &Output) -> &str {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// A folder for a profile, and one with an account in it.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("profile");
    (folder, dir)
}

fn profile() -> (tempfile::TempDir, PathBuf) {
    let (folder, dir) = folder();
    succeeds(&run(
        &dir,
        &["init", "--name", "Alice", "--relay", NO_RELAY],
    ));
    (folder, dir)
}

/// A relay URL at which nobody answers.
const NO_RELAY: &str = "relay://127.0.0.1:1/#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn wrong_use_ends_with_2_and_changes_nothing() {
    let (_folder, dir) = folder();
    for args in [
        &[][..],
        &["nonsense"],
        &["init"],
        &["init", "--name", " "],
        &["init", "--name", "Alice", "--relay", "http://example.org"],
        &["join"],
        &["send", "Friends"],
        &["group", "role", "Friends", "Bob", "king"],
        &["invite", "--expires", "soon"],
        &["invite", "--uses", "0"],
        &["invite", "--no-wait", "--approve-all"],
        &["history", "Friends", "--limit", "0"],
        &["search"],
        &["search", "word", "--limit", "0"],
        &["export", "Friends"],
        &["export", "Friends", "friends.html", "--format", "pdf"],
        &["verify"],
        &["groups", "surplus"],
    ] {
        let output = run(&dir, args);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            text(&output.stderr)
        );
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
    assert!(!dir.exists());
}

#[test]
fn help_teaches_at_every_command() {
    let (_folder, dir) = folder();
    let commands = [
        "init", "relay", "invite", "join", "joins", "contacts", "verify", "groups", "group",
        "send", "chat", "history", "search", "export", "backup", "restore", "profile", "rpc",
    ];
    let all = run(&dir, &["--help"]);
    for command in commands {
        assert!(
            succeeds(&all).contains(&format!("  {command} ")),
            "{command}"
        );
        let help = run(&dir, &[command, "--help"]);
        assert!(succeeds(&help).contains("--profile"), "{command}");
    }
    assert!(succeeds(&run(&dir, &["--version"])).starts_with("sori "));
}

#[test]
fn without_a_profile_every_command_says_how_to_make_one() {
    let (_folder, dir) = folder();
    for args in [
        &["groups"][..],
        &["relay"],
        &["send", "a", "b"],
        &["chat", "a"],
        &["join", "x"],
        &["contacts"],
    ] {
        fails(&run(&dir, args), 1, "sori init --name");
    }
    assert!(!dir.exists());
}

#[test]
fn a_profile_is_made_once_and_keeps_its_groups() {
    let (_folder, dir) = profile();
    fails(
        &run(&dir, &["init", "--name", "Again"]),
        1,
        "choose another folder",
    );
    succeeds(&run(&dir, &["group", "create", "친구들"]));
    assert!(succeeds(&run(&dir, &["groups"])).contains("친구들"));
    let groups: Value = serde_json::from_str(succeeds(&run(&dir, &["groups", "--json"]))).unwrap();
    assert_eq!(groups["groups"][0]["name"], "친구들");
    let sent = run(&dir, &["send", "친구들", "아무도 없나요?", "--wait", "0s"]);
    assert!(succeeds(&sent).contains("only member"));
    assert!(succeeds(&run(&dir, &["history", "친구들"])).contains("아무도 없나요?"));
    let info: Value =
        serde_json::from_str(succeeds(&run(&dir, &["--json", "group", "info", "친구들"]))).unwrap();
    assert_eq!(info["members"][0]["role"], "owner");
}

#[test]
fn what_was_said_is_found_by_parts_of_words_and_initials() {
    let (_folder, dir) = profile();
    succeeds(&run(&dir, &["group", "create", "친구들"]));
    succeeds(&run(&dir, &["group", "create", "Work"]));
    for (group, text) in [
        ("친구들", "회의는 끝났어"),
        ("Work", "The 회의실 is free"),
        ("Work", "Lunch?"),
    ] {
        succeeds(&run(&dir, &["send", group, text, "--wait", "0s"]));
    }
    let all = run(&dir, &["search", "회의"]);
    let lines: Vec<&str> = succeeds(&all).lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("Work ") && lines[0].contains("회의실"));
    assert!(lines[1].starts_with("친구들 ") && lines[1].contains("끝났어"));
    let one = run(&dir, &["search", "ㅎㅇㅅ", "--in", "Work", "--json"]);
    let hit: Value = serde_json::from_str(succeeds(&one)).unwrap();
    assert_eq!(
        hit["parts"][1],
        serde_json::json!({ "text": "회의실", "found": true })
    );
    assert_eq!(
        succeeds(&run(&dir, &["search", "회의", "--limit", "1"]))
            .lines()
            .count(),
        1
    );
    assert!(succeeds(&run(&dir, &["search", "dinner"])).contains("Nothing found"));
    fails(&run(&dir, &["search", "\"\""]), 2, "search text");
    fails(&run(&dir, &["search", "x", "--in", "Nobody"]), 1, "Nobody");
}

#[test]
fn what_is_not_there_is_said_so() {
    let (_folder, dir) = profile();
    fails(
        &run(&dir, &["send", "Friends", "hello"]),
        1,
        "there is no group called Friends",
    );
    fails(&run(&dir, &["history", "Friends"]), 1, "Friends");
    fails(&run(&dir, &["chat", "Friends"]), 1, "Friends");
    fails(
        &run(&dir, &["verify", "Bob"]),
        1,
        "there is no contact called Bob",
    );
    fails(&run(&dir, &["group", "leave", "Friends"]), 1, "Friends");
    fails(&run(&dir, &["joins", "approve", "x"]), 1, "");
    fails(
        &run(&dir, &["join", "http://example.org"]),
        2,
        "not a Sori invite",
    );
    fails(&run(&dir, &["relay", "nonsense"]), 2, "not a relay URL");
    let (_other_folder, other) = folder();
    succeeds(&run(&other, &["init", "--name", "Bob"]));
    fails(&run(&other, &["invite", "--no-wait"]), 1, "no relay yet");
    fails(
        &run(&other, &["group", "create", "Friends"]),
        1,
        "no relay yet",
    );
    fails(&run(&dir, &["--json", "invite"]), 2, "--no-wait");
}

#[test]
fn a_wrong_passphrase_and_a_second_process_are_refused_and_harm_nothing() {
    let (_folder, dir) = profile();
    let wrong = sori(&dir)
        .env("SORI_PASSPHRASE", "wrong")
        .arg("groups")
        .output()
        .unwrap();
    fails(&wrong, 1, "passphrase is wrong");
    let none = sori(&dir)
        .env_remove("SORI_PASSPHRASE")
        .arg("groups")
        .output()
        .unwrap();
    fails(&none, 1, "SORI_PASSPHRASE");
    let mut first = sori(&dir)
        .arg("rpc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    first
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"account.info\"}\n")
        .unwrap();
    BufRead::read_line(
        &mut BufReader::new(first.stdout.as_mut().unwrap()),
        &mut line,
    )
    .unwrap();
    fails(&run(&dir, &["groups"]), 1, "open in another");
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    succeeds(&run(&dir, &["groups"]));
}

#[test]
fn korean_is_spoken_where_the_locale_says_so() {
    let (_folder, dir) = profile();
    let output = sori(&dir)
        .env("LANG", "ko_KR.UTF-8")
        .args(["send", "친구", "안녕"])
        .output()
        .unwrap();
    fails(&output, 1, "오류");
    let output = sori(&dir)
        .env("LC_ALL", "ko_KR.UTF-8")
        .args(["join", "x"])
        .output()
        .unwrap();
    fails(&output, 2, "초대 링크가 아닙니다");
}

/// Runs `sori rpc` over these lines and gives its answers.
fn rpc(dir: &Path, lines: &[&str]) -> Vec<Value> {
    let mut process = sori(dir)
        .arg("rpc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let text_in = lines.join("\n");
    // On a thread of its own: the program may answer before everything is written.
    let writer = std::thread::spawn(move || input.write_all(text_in.as_bytes()));
    let output = process.wait_with_output().unwrap();
    // The program may have ended before it read everything.
    let _written = writer.join().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("only JSON"));
    lines.collect()
}

fn answer(answers: &[Value], id: u64) -> &Value {
    answers
        .iter()
        .find(|answer| answer["id"] == json!(id))
        .unwrap_or_else(|| panic!("no answer {id} in {answers:?}"))
}

#[test]
fn rpc_makes_a_profile_and_an_account_and_answers_in_order_of_effect() {
    let (_folder, dir) = folder();
    let answers = rpc(
        &dir,
        &[
            r#"{"jsonrpc":"2.0","id":1,"method":"account.info"}"#,
            r#"{"jsonrpc":"2.0","id":2,"method":"account.create","params":{"name":"Bot"}}"#,
            &format!(r#"{{"jsonrpc":"2.0","method":"relay.set","params":{{"url":"{NO_RELAY}"}}}}"#),
            r#"{"jsonrpc":"2.0","id":3,"method":"group.create","params":{"name":"Log"}}"#,
            r#"{"jsonrpc":"2.0","id":4,"method":"group.list"}"#,
        ],
    );
    assert_eq!(answer(&answers, 1)["error"]["data"]["name"], "no_account");
    assert_eq!(answer(&answers, 1)["error"]["code"], -32_000);
    assert_eq!(answer(&answers, 2)["result"]["name"], "Bot");
    assert_eq!(
        answer(&answers, 4)["result"]["groups"][0]["group"],
        answer(&answers, 3)["result"]["group"]
    );
    // A second start finds it all.
    let answers = rpc(
        &dir,
        &[r#"{"jsonrpc":"2.0","id":1,"method":"account.info"}"#],
    );
    assert_eq!(answer(&answers, 1)["result"]["name"], "Bot");
}

#[test]
fn rpc_sends_in_the_order_of_lines() {
    let (_folder, dir) = profile();
    let group = rpc(
        &dir,
        &[r#"{"jsonrpc":"2.0","id":1,"method":"group.create","params":{"name":"g"}}"#],
    );
    let group = answer(&group, 1)["result"]["group"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut lines: Vec<String> = (0..300)
        .map(|n| json!({"jsonrpc":"2.0","method":"message.send","params":{"group":group,"text":format!("{n}")}}).to_string())
        .collect();
    lines.push(json!({"jsonrpc":"2.0","id":2,"method":"message.list","params":{"group":group,"limit":1000}}).to_string());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let answers = rpc(&dir, &lines);
    let messages = answer(&answers, 2)["result"]["messages"]
        .as_array()
        .unwrap();
    let texts: Vec<u32> = messages
        .iter()
        .rev()
        .map(|message| message["text"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(texts, (0..300).collect::<Vec<u32>>());
}

#[test]
fn rpc_survives_what_is_no_request() {
    let (_folder, dir) = profile();
    let long = format!("\"{}\"", "x".repeat(1024 * 1024));
    let answers = rpc(
        &dir,
        &[
            "nonsense",
            "",
            "[]",
            &long,
            r#"{"jsonrpc":"2.0","id":1,"method":"nonsense"}"#,
            r#"{"jsonrpc":"2.0","id":2,"method":"group.info","params":{"grup":"x"}}"#,
            r#"{"jsonrpc":"2.0","method":"nonsense"}"#,
            r#"{"jsonrpc":"2.0","id":3,"method":"group.info","params":{"group":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":4,"method":"shutdown"}"#,
        ],
    );
    let codes: Vec<i64> = answers
        .iter()
        .filter(|a| a["id"].is_null() && a.get("error").is_some())
        .map(|a| a["error"]["code"].as_i64().unwrap())
        .collect();
    assert_eq!(codes, [-32_700, -32_600, -32_600]);
    assert_eq!(answer(&answers, 1)["error"]["code"], -32_601);
    assert_eq!(answer(&answers, 2)["error"]["code"], -32_602);
    assert_eq!(answer(&answers, 3)["error"]["data"]["name"], "not_found");
    assert_eq!(answer(&answers, 4)["result"], json!({}));
}

#[test]
fn rpc_without_a_passphrase_says_so() {
    let (_folder, dir) = folder();
    let output = sori(&dir)
        .env_remove("SORI_PASSPHRASE")
        .arg("rpc")
        .output()
        .unwrap();
    fails(&output, 1, "SORI_PASSPHRASE");
    assert!(!dir.exists());
}

#[test]
fn a_profile_changes_its_key_its_passphrase_and_its_engine_and_keeps_everything() {
    let (_folder, dir) = profile();
    succeeds(&run(&dir, &["group", "create", "Friends"]));
    succeeds(&run(&dir, &["profile", "rotate"]));
    let changed = sori(&dir)
        .env("SORI_NEW_PASSPHRASE", "another horse")
        .args(["profile", "passphrase"])
        .output()
        .unwrap();
    succeeds(&changed);
    fails(&run(&dir, &["groups"]), 1, "passphrase is wrong");
    let with_new = |args: &[&str]| {
        sori(&dir)
            .env("SORI_PASSPHRASE", "another horse")
            .args(args)
            .output()
            .unwrap()
    };
    succeeds(&with_new(&["profile", "move", "--to", "redb"]));
    let info: Value =
        serde_json::from_str(succeeds(&with_new(&["--json", "profile", "info"]))).unwrap();
    assert_eq!(info["backend"], "redb");
    assert_eq!(info["unlock"], "passphrase");
    assert!(info["rotated_at"].is_u64());
    assert!(succeeds(&with_new(&["groups"])).contains("Friends"));
}

#[test]
fn a_conversation_is_written_to_a_file_of_its_own_and_over_none() {
    let (folder, dir) = profile();
    succeeds(&run(&dir, &["group", "create", "Friends"]));
    succeeds(&run(
        &dir,
        &["send", "Friends", "안녕하세요", "--wait", "0s"],
    ));
    let [page, object] = ["friends.html", "friends.json"].map(|name| folder.path().join(name));
    let export = |file: &Path, more: &[&str]| {
        let args = [&["export", "Friends", file.to_str().unwrap()], more].concat();
        run(&dir, &args)
    };
    let output = export(&page, &["--language", "ko"]);
    assert!(succeeds(&output).contains("2 lines"));
    assert!(text(&output.stderr).contains("not sealed"));
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("안녕하세요") && html.contains("lang=\"ko\""));

    fails(&export(&page, &[]), 1, "a file of that name");
    assert_eq!(std::fs::read_to_string(&page).unwrap(), html);
    succeeds(&export(&page, &["--force", "--format", "json"]));
    succeeds(&export(&object, &[]));
    for file in [&page, &object] {
        let value: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!(value["messages"][1]["text"], "안녕하세요");
    }
}

#[test]
fn a_profile_that_is_whole_is_not_repaired_and_a_wrong_passphrase_changes_nothing() {
    let (_folder, dir) = profile();
    let output = run(&dir, &["--json", "profile", "repair"]);
    let said: Value = serde_json::from_str(succeeds(&output)).unwrap();
    assert_eq!(said["repaired"], false);
    assert!(said["records"].as_u64() > Some(0));
    let wrong = sori(&dir)
        .env("SORI_PASSPHRASE", "another horse")
        .args(["profile", "repair"])
        .output()
        .unwrap();
    fails(&wrong, 1, "passphrase is wrong");
    let groups = run(&dir, &["groups"]);
    succeeds(&groups);
    assert!(groups.stderr.is_empty(), "{}", text(&groups.stderr));
}

#[test]
fn a_profile_is_backed_up_and_restored_beside_and_nothing_is_overwritten() {
    let (folder, dir) = profile();
    succeeds(&run(&dir, &["group", "create", "Friends"]));
    for text in ["안녕하세요", "still here"] {
        succeeds(&run(&dir, &["send", "Friends", text, "--wait", "0s"]));
    }
    let [file, place] = ["sori.backup", "restored"].map(|name| folder.path().join(name));
    let with = |dir: &Path, args: &[&str], passphrase: &str| {
        let mut command = sori(dir);
        command.args(args).env("SORI_BACKUP_PASSPHRASE", passphrase);
        command.output().unwrap()
    };
    let (backup, restore) = (
        ["backup", file.to_str().unwrap()],
        ["restore", file.to_str().unwrap()],
    );
    fails(&run(&dir, &backup), 1, "SORI_PASSPHRASE");
    assert!(succeeds(&with(&dir, &backup, "수선화")).contains("without the passphrase"));
    fails(&with(&dir, &backup, "수선화"), 1, "a file of that name");
    succeeds(&with(&dir, &[&backup[..], &["--force"]].concat(), "수선화"));
    let bytes = std::fs::read(&file).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("still here"));

    fails(&with(&place, &restore, "개나리"), 1, "not the one");
    fails(&with(&dir, &restore, "수선화"), 1, "already");
    assert!(!place.exists());
    assert!(succeeds(&with(&place, &restore, "수선화")).contains("restored"));
    let history = run(&place, &["history", "Friends", "--json"]);
    assert!(history.stderr.is_empty(), "it is not taken for a copy");
    let lines: Vec<Value> = succeeds(&history)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let texts: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["text"].as_str())
        .collect();
    assert!(
        texts.contains(&"안녕하세요") && texts.contains(&"still here"),
        "{texts:?}"
    );
    succeeds(&run(
        &place,
        &["send", "Friends", "goes on", "--wait", "0s"],
    ));
}

/// A signal ends the program as `shutdown` does, and a crash of it would leave no memory behind.
#[cfg(target_os = "linux")]
#[test]
fn a_program_that_is_asked_to_end_does_so_in_good_order_and_its_memory_is_dumped_nowhere() {
    let (_folder, dir) = profile();
    let mut child = sori(&dir)
        .arg("rpc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "account.info" });
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{request}").unwrap();
    let mut answer = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut answer).unwrap();
    assert!(answer.contains("Alice"), "{answer}");
    let proc = Path::new("/proc").join(child.id().to_string());
    let limits = std::fs::read_to_string(proc.join("limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let sizes: Vec<_> = core.unwrap().split_whitespace().skip(4).take(2).collect();
    assert_eq!(sizes, ["0", "0"]);
    let killed = Command::new("kill").arg(child.id().to_string()).status();
    assert!(killed.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    succeeds(&run(&dir, &["groups"]));
}
