//! The cases of `docs/vectors.json`, which another implementation of the rule has computed (`tests/src/branch.rs`).

use serde_json::Value;

use super::{Against, Branches, Commit, OrderFact};
use crate::{AccountId, BranchKey, Class, StateId};

fn bytes(value: &Value) -> [u8; 32] {
    let pairs = value.as_str().unwrap().as_bytes().chunks_exact(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let bytes: Vec<u8> = pairs.map(byte).collect();
    bytes.try_into().unwrap()
}

fn state(value: &Value) -> StateId {
    StateId::from_bytes(bytes(value))
}

fn account(value: &Value) -> AccountId {
    AccountId::from_bytes(bytes(value))
}

fn all(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn class(value: &Value) -> Class {
    match value.as_u64().unwrap() {
        0 => Class::Moderation,
        1 => Class::GroupData,
        2 => Class::Add,
        3 => Class::Leave,
        4 => Class::Update,
        other => panic!("class {other}"),
    }
}

fn graph(case: &Value, oldest: StateId) -> Branches {
    let mut graph = Branches::default();
    let mut states = vec![oldest];
    for commit in all(&case["commits"]) {
        let (id, parent) = (state(&commit["state"]), state(&commit["parent"]));
        states.push(id);
        let key = BranchKey {
            class: class(&commit["class"]),
            rank: commit["rank"].as_u64().unwrap().try_into().unwrap(),
            tie: bytes(&commit["tie"]),
            id,
        };
        let commit = Commit {
            parent,
            author: account(&commit["author"]),
            epoch: commit["epoch"].as_u64().unwrap(),
            needs_role: commit["needs_role"].as_bool().unwrap(),
            key,
        };
        graph.add_commit(id, commit);
    }
    for id in states {
        graph.set_voters(id, all(&case["voters"]).iter().map(account).collect());
    }
    for vote in all(&case["votes"]) {
        let (parent, child) = (state(&vote["parent"]), state(&vote["child"]));
        graph.add_vote(parent, child, account(&vote["account"]));
    }
    for report in all(&case["reports"]) {
        let processed = report["processed"].as_bool().unwrap();
        graph.add_report(
            state(&report["child"]),
            account(&report["account"]),
            processed,
        );
    }
    for (number, order) in (0..).zip(all(&case["orders"])) {
        let against = match order["against"].as_str().unwrap() {
            "membership" => Against::Membership,
            _ => Against::Role,
        };
        let fact = OrderFact {
            target: account(&order["target"]),
            against,
            base: state(&order["base"]),
            base_epoch: order["base_epoch"].as_u64().unwrap(),
        };
        graph.add_order([number; 32], fact);
        graph.set_open(state(&order["open_at"]), [number; 32]);
    }
    graph
}

/// protocol §5.4.1, §5.4.2, §5.4.4: who writes from the document alone goes where we go.
#[test]
fn another_implementation_takes_the_same_path() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../../docs/vectors.json")).unwrap();
    let branch = &vectors["branch"];
    let cases = all(&branch["cases"]);
    assert!(cases.len() >= 20, "there are cases");
    for case in cases {
        let oldest = state(&branch["oldest"]);
        let path: Vec<StateId> = all(&case["path"]).iter().map(state).collect();
        let ours = graph(case, oldest).choose(oldest);
        assert_eq!(ours.path, path, "{}", case["about"]);
    }
}
