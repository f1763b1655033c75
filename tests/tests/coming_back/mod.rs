//! A profile that does not go on from where it was left gives up the keys of its groups and comes back to them:
//! a real relay and real `sori rpc` processes.
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::peers::{
    PASSPHRASE, Peer, Relay, agree, all_texts, gather, peers, program, talk, wait_until,
};

fn sori(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(program("sori"));
    command
        .env("SORI_PROFILE", dir)
        .env("SORI_PASSPHRASE", PASSPHRASE)
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
