//! How inputs share commits, counted on a disk in memory.

use std::sync::OnceLock;

use sori_engine::store::{MemoryDisk, Store};
use tokio::runtime::Handle as Runtime;

use super::*;

/// A relay at which nobody answers.
const NO_RELAY: &str = "relay://127.0.0.1:1/#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A driver of an account with a group, the sender of its verbs, and the group.
fn driver(disk: &MemoryDisk, verbs_max: usize) -> (Driver, mpsc::Sender<Verb>, String) {
    let mut clock = Clock::start();
    let now = clock.now();
    let store = Store::open_memory(disk, [1; 32]).unwrap();
    let mut engine = Engine::open(store, [2; 32], now).unwrap();
    engine.account_create("Alice", now).unwrap();
    engine.relay_set(NO_RELAY, now).unwrap();
    let group = engine.group_create("g", now).unwrap();
    engine.flush(now).unwrap();
    let (verbs, queue) = mpsc::channel(verbs_max);
    let (reporter, reports) = mpsc::channel(8);
    let ports = Ports {
        verbs: queue,
        reports,
        events: broadcast::channel(8).0,
        failure: Failure::new(OnceLock::new()),
    };
    let links = Links::new(Runtime::current(), reporter);
    let reopen = Box::new(|_| Err(Arc::new(Error::Internal("no second try"))));
    let mut driver = Driver::new((engine, Upkeep::default()), reopen, links, ports, clock);
    // The count alone decides here, however slow the machine is.
    driver.burst_time_max = Duration::from_secs(3600);
    (driver, verbs, group)
}

/// Sends a text; the receiver hears when it is durable.
fn send(group: &str) -> (Verb, oneshot::Receiver<bool>) {
    let (sender, receiver) = oneshot::channel();
    let group = group.to_owned();
    let work: Work = Box::new(move |engine, now| {
        let sent = engine.message_send(&group, "x", None, now).is_ok();
        Answer {
            is_fatal: false,
            deliver: Box::new(move |saved| {
                let _gone = sender.send(sent && saved.is_ok());
            }),
        }
    });
    (Verb::Call(work), receiver)
}

#[tokio::test]
async fn a_burst_of_a_thousand_shares_a_few_commits() {
    let disk = MemoryDisk::new();
    let (driver, verbs, group) = driver(&disk, 1100);
    let before = disk.commits();
    let mut answers = Vec::new();
    for _ in 0..1000 {
        let (verb, answer) = send(&group);
        verbs.try_send(verb).ok().unwrap();
        answers.push(answer);
    }
    let last = async {
        for answer in answers {
            assert!(answer.await.unwrap());
        }
        let commits = disk.commits() - before;
        assert!((5..=8).contains(&commits), "{commits} commits");
        let (done, ended) = oneshot::channel();
        verbs.send(Verb::Shutdown(done)).await.ok().unwrap();
        ended.await.unwrap();
    };
    tokio::join!(driver.run(), last);
}

#[tokio::test]
async fn one_message_has_a_commit_of_its_own_at_once() {
    let disk = MemoryDisk::new();
    let (driver, verbs, group) = driver(&disk, 8);
    let alone = async {
        for _ in 0..3 {
            let before = disk.commits();
            let (verb, answer) = send(&group);
            verbs.send(verb).await.ok().unwrap();
            assert!(answer.await.unwrap());
            assert_eq!(disk.commits() - before, 1);
        }
        let (done, ended) = oneshot::channel();
        verbs.send(Verb::Shutdown(done)).await.ok().unwrap();
        ended.await.unwrap();
    };
    tokio::join!(driver.run(), alone);
}
