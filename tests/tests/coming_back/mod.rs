//! A profile that does not go on from where it was left gives up the keys of its groups and comes back to them:
//! a real relay and real `sori rpc` processes.
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use crate::peers::{
    PASSPHRASE, Peer, Relay, agree, all_texts, count, gather, peers, program, state, state_of,
    talk, wait_until,
};

fn sori(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(program("sori"));
    command
        .env("SORI_PROFILE", dir)
        .env("SORI_PASSPHRASE", PASSPHRASE)
        .env("XDG_STATE_HOME", state_of(dir))
        .env("LANG", "C");
    command.args(args).output().unwrap()
}

/// Overwrites the last part of what was written to the log of a profile, as a failing disk may.
fn damage(dir: &Path) {
    let log = dir.join("store/store/db/db");
    let mut bytes = fs::read(&log).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end - end / 8..].fill(0);
    fs::write(&log, bytes).unwrap();
}

/// The peer stands in the group like everybody else, and what each says reaches all.
fn is_back(peers: &mut [Peer], group: &str) {
    let standing = |peer: &mut Peer| {
        let groups = peer.call("group.list", &json!({}));
        groups["groups"][0]["standing"].clone()
    };
    wait_until("all are active", || {
        peers.iter_mut().all(|peer| standing(peer) == "active")
    });
    // What somebody says who has not seen the comeback yet is in a state that was given up: it is not readable there.
    wait_until("all follow the comeback", || {
        let states: BTreeSet<_> = peers.iter_mut().map(|peer| state(peer, group)).collect();
        states.len() == 1
    });
    let said = talk(peers, group, 1000..1010);
    wait_until("all have all", || {
        peers.iter_mut().all(|peer| {
            let texts = all_texts(peer, group);
            said.iter().all(|text| texts.contains(text))
        })
    });
}

#[test]
fn a_damaged_profile_is_repaired_comes_back_to_its_groups_and_chats() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Relay::start(&folder);
    let mut peers = peers(&folder, &relay, 3);
    let group = gather(&mut peers);
    let said = talk(&mut peers, &group, 0..30);
    agree(&mut peers, &group, &said);
    let dir = peers.pop().unwrap().end();
    damage(&dir);

    let refused = sori(&dir, &["groups"]);
    assert_eq!(refused.status.code(), Some(1));
    let says = String::from_utf8(refused.stderr).unwrap();
    assert!(
        says.contains("damaged") && says.contains("sori profile repair"),
        "{says}"
    );
    let repaired = sori(&dir, &["--json", "profile", "repair"]);
    let says = String::from_utf8_lossy(&repaired.stderr).into_owned();
    assert!(repaired.status.success(), "{says}");
    let report: Value = serde_json::from_slice(&repaired.stdout).unwrap();
    assert_eq!(report["repaired"], true);
    assert!(
        report["steps_missing"].as_u64() > Some(0) || report["lost"].as_u64() > Some(0),
        "{report}"
    );
    assert!(Path::new(report["aside"].as_str().unwrap()).is_dir());

    let mut back = Peer::start(dir, "the one who comes back".to_owned());
    back.call("account.info", &json!({}));
    assert_eq!(
        back.heard("profile.copied"),
        Some(&json!({ "origin": "repaired" }))
    );
    peers.push(back);
    is_back(&mut peers, &group);

    // It is told once, and stays where it is then.
    let mut back = peers.pop().unwrap();
    back.kill();
    back.restart();
    back.call("account.info", &json!({}));
    assert_eq!(back.heard("profile.copied"), None);
    peers.push(back);
    is_back(&mut peers, &group);
}

/// protocol §5.6.6, §5.6.8
#[test]
fn an_old_copy_of_a_profile_comes_back_into_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Relay::start(&folder);
    let mut peers = peers(&folder, &relay, 3);
    let group = gather(&mut peers);
    let before = talk(&mut peers, &group, 0..6);
    agree(&mut peers, &group, &before);
    let copy = folder.path().join("copy");
    peers[2].kill();
    copy_folder(&peers[2].dir, &copy);
    peers[2].restart();
    let between = talk(&mut peers, &group, 6..12);
    agree(&mut peers, &group, &between);
    let used = state(&mut peers[2], &group);
    peers[2].kill();
    fs::remove_dir_all(&peers[2].dir).unwrap();
    copy_folder(&copy, &peers[2].dir);
    peers[2].restart();
    let params = json!({ "group": group, "text": "written at once" });
    peers[2].call("message.send", &params);
    let copied = json!({ "origin": "older_copy" });
    assert_eq!(peers[2].heard("profile.copied"), Some(&copied));
    wait_until("back in one state", || {
        let states: Vec<_> = peers.iter_mut().map(|peer| state(peer, &group)).collect();
        states[0] == states[2] && states[0] == states[1]
    });
    assert!(state(&mut peers[2], &group).1 > used.1);
    let mut after = talk(&mut peers, &group, 12..18);
    after.insert("written at once".to_owned());
    wait_until("all hear all", || {
        peers.iter_mut().all(|peer| {
            let texts = all_texts(peer, &group);
            after.iter().chain(&before).all(|text| texts.contains(text))
        })
    });
    assert_eq!(count(&mut peers[0], &group), count(&mut peers[1], &group));
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &to);
        } else {
            fs::copy(path, to).unwrap();
        }
    }
}

#[test]
fn a_profile_that_was_moved_to_another_account_comes_back_into_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Relay::start(&folder);
    let mut peers = peers(&folder, &relay, 2);
    let group = gather(&mut peers);
    let said = talk(&mut peers, &group, 0..4);
    agree(&mut peers, &group, &said);
    let dir = peers.pop().unwrap().end();
    let elsewhere = folder.path().join("elsewhere/profile");
    copy_folder(&dir, &elsewhere);
    let mut moved = Peer::start(elsewhere, "the one who moved".to_owned());
    moved.call("account.info", &json!({}));
    let copied = json!({ "origin": "elsewhere" });
    assert_eq!(moved.heard("profile.copied"), Some(&copied));
    peers.push(moved);
    is_back(&mut peers, &group);
}

#[test]
fn a_profile_whose_openings_are_killed_at_any_moment_is_no_copy() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Relay::start(&folder);
    let mut peer = peers(&folder, &relay, 1).pop().unwrap();
    for moment in 0..24 {
        peer.kill();
        peer.restart();
        // Opening takes longer or shorter than that, as the machine likes: each moment will do.
        std::thread::sleep(Duration::from_millis(moment * 25));
    }
    peer.kill();
    peer.restart();
    peer.call("account.info", &json!({}));
    assert_eq!(peer.heard("profile.copied"), None);
}
