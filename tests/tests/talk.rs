//! People talk: a real relay and real `sori rpc` processes, each with a profile of its own.
//!
//! Small by default. The numbers can be set from the environment:
//! `SORI_TALK_PEERS=5 SORI_TALK_MESSAGES=1000 SORI_TALK_KILLS=10 SORI_TALK_RACES=50 cargo test -p sori-audit --test talk`.
//! `SORI_TALK_SEED` repeats a run's choice of victims.
#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong in a test has to be loud, in its helpers too, and the seed has to be seen"
)]

mod coming_back;
mod dice;
mod peers;

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use dice::Dice;
use peers::{Peer, Relay, agree, ask, count, gather, number, peers, state, talk, wait_until};
use serde_json::json;

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
    let mut dice = Dice::new("SORI_TALK_SEED");
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
        assert_eq!(peer.heard("profile.copied"), None, "a crash makes no copy");
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

#[test]
fn a_file_comes_from_a_member_who_did_not_send_it_and_is_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Relay::start(&folder);
    let mut peers = peers(&folder, &relay, 3);
    let group = gather(&mut peers);
    let [sender, other, away] = peers.as_mut_slice() else {
        panic!("three peers")
    };
    away.kill();
    let bytes: Vec<u8> = (0..250_000_u32).flat_map(u32::to_le_bytes).collect();
    let place = folder.path().join("그림.bin");
    std::fs::write(&place, &bytes).unwrap();
    let file = json!({ "group": group, "path": place, "text": "여기요" });
    let id = sender.call("message.send_file", &file)["id"].clone();
    let is_here = |peer: &mut Peer| {
        let messages = peer.call("message.list", &json!({ "group": group, "limit": 1 }));
        messages["messages"][0]["file"]["state"] == "here"
    };
    wait_until("the other has the file", || is_here(other));
    sender.kill();
    away.restart();
    wait_until("who was away has the file", || is_here(away));
    let saved = folder.path().join("saved.bin");
    let save = json!({ "group": group, "id": id, "path": saved });
    assert_eq!(away.call("file.save", &save)["bytes"], bytes.len());
    assert_eq!(std::fs::read(&saved).unwrap(), bytes);
}

#[test]
fn two_admins_who_rename_at_the_same_instant_never_split_the_group() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Relay::start(&folder);
    let mut peers = peers(&folder, &relay, 3);
    let group = gather(&mut peers);
    let admin = peers[1].call("account.info", &json!({}))["account"].clone();
    let role = json!({ "group": group, "member": admin, "role": "admin" });
    peers[0].call("group.role", &role);
    agree(&mut peers, &group, &BTreeSet::new());
    for round in 0..number("SORI_TALK_RACES", 10) {
        let rename = |n: usize| json!({ "group": group, "name": format!("{round} by {n}") });
        let asked = [
            peers[0].ask("group.rename", &rename(0)),
            peers[1].ask("group.rename", &rename(1)),
        ];
        peers[0].answer(asked[0]);
        peers[1].answer(asked[1]);
        agree(&mut peers, &group, &BTreeSet::new());
    }
    let epochs: BTreeSet<u64> = peers.iter_mut().map(|peer| state(peer, &group).1).collect();
    assert_eq!(epochs.len(), 1);
}

/// Of what was said and what people and groups are called, nothing is to be read in any file of
/// a profile, in what the programs write, or in the relay's memory once everybody has left.
#[test]
fn what_was_said_is_nowhere_to_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut relay = Relay::start(&folder);
    let mut peers = peers(&folder, &relay, 3);
    for (n, peer) in peers.iter_mut().enumerate() {
        assert_eq!(peer.name, format!("peer {n}"));
    }
    let group = gather(&mut peers);
    let said = talk(&mut peers, &group, 0..30);
    agree(&mut peers, &group, &said);
    let mut secrets: Vec<String> = said.into_iter().collect();
    secrets.extend([
        "모두".to_owned(),
        "peer 0".to_owned(),
        "peer 2".to_owned(),
        group,
    ]);
    let folders: Vec<_> = peers.iter().map(|peer| peer.dir.clone()).collect();
    for peer in peers {
        peer.end();
    }
    for folder in &folders {
        let (files, found) = read_all(folder, &secrets);
        assert!(files > 3, "a profile has files to search");
        assert_eq!(found, Vec::<String>::new(), "in {}", folder.display());
    }
    match memory(relay.process.0.id()) {
        Some(memory) => {
            assert!(
                is_in_bytes(&memory, b"sori/1"),
                "the search finds what is there"
            );
            let found: Vec<_> = secrets
                .iter()
                .filter(|secret| is_in_bytes(&memory, secret.as_bytes()))
                .collect();
            assert_eq!(found, Vec::<&String>::new());
        }
        None => println!("not seen: the relay's memory, which only root may read"),
    }
    relay.process.kill();
}

/// How many files lie below a folder, and which of the secrets stand in one of them.
fn read_all(folder: &Path, secrets: &[String]) -> (usize, Vec<String>) {
    let (mut files, mut found) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let (more, there) = read_all(&path, secrets);
            files += more;
            found.extend(there);
            continue;
        }
        files += 1;
        let bytes = std::fs::read(&path).unwrap();
        found.extend(
            secrets
                .iter()
                .filter(|s| is_in_bytes(&bytes, s.as_bytes()))
                .cloned(),
        );
    }
    (files, found)
}

fn is_in_bytes(bytes: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(bytes, wanted).is_some()
}

/// All memory of a process that can be read; nothing if it may not be.
fn memory(process: u32) -> Option<Vec<u8>> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).ok()?;
    let memory = std::fs::File::open(format!("/proc/{process}/mem")).ok()?;
    let mut all = Vec::new();
    for line in maps
        .lines()
        .filter(|line| line.split(' ').nth(1).is_some_and(|p| p.starts_with('r')))
    {
        let range = line.split(' ').next()?;
        let (from, to) = range.split_once('-')?;
        let (from, to) = (
            u64::from_str_radix(from, 16).ok()?,
            u64::from_str_radix(to, 16).ok()?,
        );
        let mut part = vec![0; usize::try_from(to - from).ok()?];
        // Some mappings belong to the kernel and cannot be read.
        if memory.read_exact_at(&mut part, from).is_ok() {
            all.extend(part);
        }
    }
    (!all.is_empty()).then_some(all)
}
