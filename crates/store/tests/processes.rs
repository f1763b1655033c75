//! Real processes: killed while writing and opening, locked out, out of space, without permission.
//!
//! The child is this test program itself, told by the environment what to be.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod common;

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use common::{Disk, LOG, OWN, TABLE, files_below, noise, passphrase};
use sori_store::{Backend, Error, Store};

const ROLE: &str = "SORI_STORE_TEST_ROLE";
const FOLDER: &str = "SORI_STORE_TEST_FOLDER";
/// Kill rounds of the quick form; more with SORI_STORE_KILL_ROUNDS=n.
const ROUNDS: u64 = 8;

/// The child's entry; nothing to do in an ordinary run of the tests.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let dir = PathBuf::from(std::env::var(FOLDER).unwrap());
    say("start");
    let result = match role.as_str() {
        "create" => Store::create_with_weak_cost_for_tests(&dir, &passphrase(), [4; 32]).map(drop),
        "fill" => fill(&dir),
        "hold" => hold(&dir),
        "rebuild" => Store::open(&dir, &passphrase(), [4; 32])
            .and_then(|mut store| store.rebuild(&mut |_| ())),
        "open" => Store::open(&dir, &passphrase(), [4; 32]).map(drop),
        "write" => write_for_ever(&dir),
        other => panic!("no role {other}"),
    };
    say(&match result {
        Ok(()) => "done".to_owned(),
        Err(error) => format!("error {error:?}"),
    });
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The parent may have gone; then there is nobody to tell.
    let _ = writeln!(out, "\n{line}").and_then(|()| out.flush());
}

/// What step `n` leaves at its own key, if the history went up to `last`.
fn left_by(n: u64, last: u64) -> Option<Vec<u8>> {
    let len = match n % 20 {
        3 | 13 => 12_000,
        7 => 4_500_000,
        _ => 100 + n as usize % 200,
    };
    let is_deleted = n % 2 == 1 && n + 3 <= last;
    (!is_deleted).then(|| noise(n, len))
}

/// Stages step `n`: a record of its own, the removal of an older one, the head, and a second table.
fn stage(store: &mut Store, n: u64) -> Result<(), Error> {
    let value = left_by(n, n).unwrap();
    store.put(TABLE, &n.to_be_bytes(), &value)?;
    if n >= 3 && (n - 3) % 2 == 1 {
        store.delete(TABLE, &(n - 3).to_be_bytes())?;
    }
    store.put(OWN, b"head", &n.to_be_bytes())?;
    store.put(LOG, &[n as u8 % 5], &n.to_be_bytes())
}

fn head(store: &Store) -> u64 {
    let head = store.get(OWN, b"head").unwrap();
    head.map_or(0, |head| {
        u64::from_be_bytes(head.as_slice().try_into().unwrap())
    })
}

fn write_for_ever(dir: &Path) -> Result<(), Error> {
    let mut store = Store::open(dir, &passphrase(), [4; 32])?;
    say("open");
    for n in head(&store) + 1.. {
        stage(&mut store, n)?;
        store.commit()?;
        say(&format!("ack {n}"));
    }
    Ok(())
}

/// Writes small records until the disk is full.
fn fill(dir: &Path) -> Result<(), Error> {
    let mut store = Store::open(dir, &passphrase(), [4; 32])?;
    for n in head(&store) + 1..100_000 {
        store.put(TABLE, &n.to_be_bytes(), &noise(n, 3000))?;
        store.put(OWN, b"head", &n.to_be_bytes())?;
        store.commit()?;
        say(&format!("ack {n}"));
    }
    Ok(())
}

fn hold(dir: &Path) -> Result<(), Error> {
    let _store = Store::open(dir, &passphrase(), [4; 32])?;
    say("open");
    std::thread::sleep(Duration::from_secs(60));
    Ok(())
}

fn arguments() -> [&'static str; 4] {
    ["child", "--exact", "--nocapture", "--test-threads=1"]
}

fn spawn(mut command: Command, role: &str, dir: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = command
        .env(ROLE, role)
        .env(FOLDER, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

fn this_program() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments());
    command
}

fn wait_for(lines: &mut Lines<BufReader<ChildStdout>>, what: &str) {
    assert!(
        lines.by_ref().any(|line| line.unwrap() == what),
        "the child never said {what}"
    );
}

fn last_ack(lines: impl Iterator<Item = std::io::Result<String>>) -> Option<u64> {
    let acks = lines
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("ack ")?.parse().ok());
    acks.last()
}

/// Everything must be as after step `head`, exactly.
fn check_history(store: &Store) -> u64 {
    let last = head(store);
    store.verify().unwrap();
    let found = store.range(TABLE, b"").unwrap();
    let expected: Vec<_> = (1..=last)
        .filter_map(|n| Some((n, left_by(n, last)?)))
        .collect();
    assert_eq!(found.len(), expected.len(), "as of step {last}");
    for ((key, value), (n, expected)) in found.iter().zip(&expected) {
        assert!(
            key.as_slice() == n.to_be_bytes() && **value == *expected,
            "record {n} at {last}"
        );
    }
    last
}

#[test]
fn killed_writer_loses_no_acknowledged_step_and_leaves_no_half_one() {
    let rounds = std::env::var("SORI_STORE_KILL_ROUNDS").map_or(ROUNDS, |n| n.parse().unwrap());
    for backend in Backend::ALL {
        kill_writers(backend, rounds);
    }
}

fn kill_writers(backend: Backend, rounds: u64) {
    let mut disk = Disk::folder_on(backend);
    let mut acknowledged = 0;
    for round in 0..rounds {
        if acknowledged > 50 {
            (disk, acknowledged) = (Disk::folder_on(backend), 0);
        }
        let (mut child, mut lines) = spawn(this_program(), "write", &disk.path());
        let chance = u64::from(noise(round + 1, 1)[0]);
        if round % 3 == 2 {
            // Somewhere in opening and recovery: there is no event to wait for, only time.
            wait_for(&mut lines, "start");
            std::thread::sleep(Duration::from_micros(chance * 150));
        } else {
            let enough = lines
                .by_ref()
                .take(3 + chance as usize % 30)
                .map_while(Result::ok);
            acknowledged = last_ack(enough.map(Ok)).unwrap_or(acknowledged);
            std::thread::sleep(Duration::from_micros(chance * 40));
        }
        child.kill().unwrap();
        acknowledged = last_ack(lines).unwrap_or(acknowledged);
        child.wait().unwrap();
        let found = check_history(&disk.open());
        assert!(
            (acknowledged..=acknowledged + 1).contains(&found),
            "{backend}, round {round}: {found}, {acknowledged}"
        );
        acknowledged = found;
    }
}

#[test]
fn second_process_is_refused_and_the_lock_dies_with_its_holder() {
    let disk = Disk::folder();
    let (mut child, mut lines) = spawn(this_program(), "hold", &disk.path());
    wait_for(&mut lines, "open");
    assert!(matches!(disk.try_open(), Err(Error::InUse)));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(disk.try_open().is_ok());
}

/// Runs `role` under `sh` after `setup`; answers the last acknowledged step and the last word.
fn run_in_shell(setup: &str, role: &str, dir: &Path) -> (Option<u64>, String) {
    let mut command = Command::new("sh");
    let program = std::env::current_exe().unwrap();
    let script = format!("{setup} && exec \"$0\" \"$@\"");
    command.args(["-c", &script]).arg(program).args(arguments());
    let (mut child, lines) = spawn(command, role, dir);
    let lines: Vec<String> = lines.map_while(Result::ok).collect();
    child.wait().unwrap();
    let last = lines
        .iter()
        .rfind(|line| line.starts_with("error") || *line == "done");
    let last = last.cloned().unwrap_or_default();
    (last_ack(lines.into_iter().map(Ok)), last)
}

#[test]
fn limit_on_file_size_is_a_clear_error_and_loses_nothing_acknowledged() {
    for disk in Disk::folders() {
        fill_up_to_a_limit(&disk);
    }
}

/// Fills the profile until its files may not grow.
fn fill_up_to_a_limit(disk: &Disk) {
    // In units of 512 bytes or 1 KiB, as the shell pleases; above the ballast either way.
    let limit = "trap '' XFSZ; ulimit -f 12000";
    let (acknowledged, last) = run_in_shell(limit, "fill", &disk.path());
    assert_eq!(last, "error Full");
    let store = disk.open();
    let found = head(&store);
    assert!(found >= acknowledged.unwrap() && found > 100);
    assert_eq!(store.verify().unwrap(), found + 1);
}

#[test]
fn creation_without_room_is_a_clear_error_and_leaves_no_profile() {
    let dir = tempfile::tempdir().unwrap();
    let dir = common::profile(&dir);
    let (_, last) = run_in_shell("trap '' XFSZ; ulimit -f 1000", "create", &dir);
    assert_eq!(last, "error Full");
    assert!(!Store::exists(&dir));
    assert!(!dir.join("store.new").exists());
    assert!(Store::create_with_weak_cost_for_tests(&dir, &passphrase(), [1; 32]).is_ok());
}

#[test]
fn full_disk_is_a_clear_error_loses_nothing_acknowledged_and_still_opens() {
    for disk in Disk::folders() {
        if !fill_a_disk(&disk) {
            println!("skipped: this system allows no mount namespace");
        }
    }
}

/// Fills the profile on a disk of 12 MiB, then opens it there; answers whether this system allows that.
fn fill_a_disk(disk: &Disk) -> bool {
    let mounted = disk.path().with_extension("small");
    std::fs::create_dir(&mounted).unwrap();
    let quoted = |path: &Path| format!("'{}'", path.display());
    let (small, profile) = (quoted(&mounted), quoted(&disk.path()));
    // A mount namespace of its own: the small disk vanishes with the shell, so it is copied out.
    let program = format!(
        "{} {}",
        quoted(&std::env::current_exe().unwrap()),
        arguments().join(" ")
    );
    let script = format!(
        "mount -t tmpfs -o size=12m tmpfs {small} && cp -r {profile}/. {small} && export {FOLDER}={small} && \
         {ROLE}=fill {program}; {ROLE}=open {program}; \
         {ROLE}=rebuild {program}; cp -r {small}/. {profile}"
    );
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", &script])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = |word: &str| text.lines().filter(|line| line.starts_with(word)).count();
    if said("start") == 0 {
        return false;
    }
    assert_eq!(
        (
            said("error Full"),
            said("done"),
            said("error NoRoom"),
            said("error")
        ),
        (1, 1, 1, 2),
        "{text}"
    );
    let acknowledged = last_ack(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
    let store = disk.open();
    assert!(head(&store) >= acknowledged);
    assert_eq!(store.verify().unwrap(), head(&store) + 1);
    true
}

#[test]
fn folder_without_write_permission_is_a_clear_error_that_changes_nothing() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;

    fn set(path: &Path, dirs: u32, files: u32, owner: Option<u32>) {
        let mode = if path.is_dir() { dirs } else { files };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        owner.inspect(|owner| chown(path, Some(*owner), Some(*owner)).unwrap());
        if path.is_dir() {
            let entries: Vec<_> = std::fs::read_dir(path).unwrap().collect();
            entries
                .into_iter()
                .for_each(|entry| set(&entry.unwrap().path(), dirs, files, owner));
        }
    }

    for disk in Disk::folders() {
        let before = files_below(&disk.path());
        // Permissions do not bind root: the child must be somebody else.
        let parent = disk.path().parent().unwrap().to_path_buf();
        let is_root = chown(&parent, Some(NOBODY), None).is_ok();
        let owner = is_root.then_some(NOBODY);
        set(&disk.path(), 0o500, 0o400, owner);
        let mut command = Command::new("/proc/self/exe");
        if cfg!(not(target_os = "linux")) || !is_root {
            command = Command::new(std::env::current_exe().unwrap());
        }
        command.args(arguments());
        owner.inspect(|owner| {
            command.uid(*owner);
        });
        let (mut child, lines) = spawn(command, "open", &disk.path());
        let lines: Vec<String> = lines.map_while(Result::ok).collect();
        child.wait().unwrap();
        set(&disk.path(), 0o700, 0o600, owner);
        assert!(
            lines.iter().any(|line| line == "error ReadOnly"),
            "{lines:?}"
        );
        assert!(files_below(&disk.path()) == before);
        assert!(disk.try_open().is_ok());
    }
}

#[test]
fn disk_mounted_read_only_is_a_clear_error_that_changes_nothing() {
    for disk in Disk::folders() {
        let before = files_below(&disk.path());
        let folder = format!("'{}'", disk.path().display());
        let program = format!(
            "'{}' {}",
            std::env::current_exe().unwrap().display(),
            arguments().join(" ")
        );
        // A mount namespace of its own: nobody else sees the folder become read-only.
        let script = format!(
            "mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && \
             {FOLDER}={folder} {ROLE}=open {program}"
        );
        let output = Command::new("unshare")
            .args(["-rm", "sh", "-c", &script])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !text.contains("start") {
            println!("skipped: this system allows no mount namespace");
            return;
        }
        assert!(text.lines().any(|line| line == "error ReadOnly"), "{text}");
        assert!(files_below(&disk.path()) == before);
        assert!(disk.try_open().is_ok());
    }
}
