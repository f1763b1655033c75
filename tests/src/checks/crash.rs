//! Clients that are killed.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::catalogue::{Check, Profile};
use crate::client::person::Person;
use crate::client::scene::{Scene, Wait, all_have, all_have_members};
use crate::finding::{Finding, Outcome, must};
use crate::inspect::proc;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::client(
        "CRASH-ACKNOWLEDGED",
        &["4.3.3"],
        [
            "what was acknowledged survives a kill",
            "확인된 글은 강제 종료에도 남음",
        ],
        [
            "A message without anybody connected; the client is killed with the answer; it is opened.",
            "The message is there, once, and arrives.",
        ],
        |scene| Box::pin(acknowledged(scene)),
    ),
    Check::client(
        "CRASH-BOTH",
        &["4.3.3", "5.9.1"],
        [
            "killed again and again, both sides end with the same",
            "거듭 강제 종료해도 양쪽이 같아짐",
        ],
        [
            "Eight rounds: each writes, then one of the two is killed and opened.",
            "Equal lists, each message once.",
        ],
        |scene| Box::pin(both(scene)),
    ),
    Check::client(
        "CRASH-CHANGE",
        &["4.3.3", "5.4.3"],
        [
            "a change of the group that was acknowledged survives a kill",
            "확인된 그룹 변경은 강제 종료에도 남음",
        ],
        [
            "Ann renames the group and is killed with the answer, four times.",
            "All have the last name and one state.",
        ],
        |scene| Box::pin(change(scene)),
    ),
    Check::client(
        "CRASH-EVERY-STEP",
        &["4.3.3", "5.9.1"],
        [
            "a kill before any single step to the disk loses nothing that was acknowledged",
            "디스크에 쓰는 어느 단계에서 강제 종료해도 확인된 것은 남음",
        ],
        [
            "Ann writes a message, or renames the group, while strace kills her client before its first call that makes something durable, then before its second, and so on until none is left.",
            "Each time the client opens; what was acknowledged is there, once; at the end both sides have the same.",
        ],
        |scene| Box::pin(every_step(scene)),
    )
    .inside()
    .takes(Profile::Full),
];

async fn acknowledged(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    if let Some(bob) = people.get_mut(1) {
        bob.close().await?;
    }
    if let Some(ann) = people.first_mut() {
        ann.say(&group, "kept").await?;
        ann.kill().await;
        ann.open().await?;
        let shown = ann.texts(&group).await?;
        let count = shown.iter().filter(|text| *text == "kept").count();
        must(count == 1, || {
            format!("shown {count} times by who wrote it")
        })?;
    }
    if let Some(bob) = people.get_mut(1) {
        bob.open().await?;
    }
    all_have(&mut people, &group, &["kept".to_owned()]).await?;
    Ok("there, once, and it arrived".to_owned())
}

async fn both(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    let mut texts = Vec::new();
    for round in 0..8_usize {
        for person in &mut people {
            let text = format!("{round} of {}", person.name);
            person.say(&group, &text).await?;
            texts.push(text);
        }
        if let Some(victim) = people.get_mut(round % 2) {
            victim.kill().await;
            victim.open().await?;
        }
    }
    all_have(&mut people, &group, &texts).await?;
    for person in &mut people {
        let shown = person.texts(&group).await?;
        let unique: BTreeSet<_> = shown.iter().collect();
        must(unique.len() == shown.len(), || {
            format!("{} shows one twice", person.name)
        })?;
    }
    Ok(format!("{} messages, eight kills", texts.len()))
}

async fn change(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    let mut last = String::new();
    for n in 0..4 {
        last = format!("Name {n}");
        let ann = people
            .first_mut()
            .ok_or_else(|| Finding::not_seen("nobody is there"))?;
        ann.rename(&group, &last).await?;
        ann.kill().await;
        ann.open().await?;
    }
    all_have_members(&mut people, &group, 2).await?;
    for person in &mut people {
        let name = person.look(&group).await?.name;
        must(name == last, || format!("{} has {name}", person.name))?;
    }
    Ok(format!("all have {last}"))
}

async fn every_step(scene: Scene) -> Outcome {
    let (people, group) = scene.gather(2).await?;
    let Ok([mut ann, mut bob]) = <[Person; 2]>::try_from(people) else {
        return Err(Finding::not_seen("two people were to come"));
    };
    let (mut kept, mut kills) = (Vec::new(), [0; 2]);
    for (verb, kills) in ["send", "rename"].into_iter().zip(&mut kills) {
        for step in 1..=STEPS_MAX {
            let words = format!("{verb} {step}");
            let with = json!({ "group": group, "text": words, "name": words });
            let (done, killed) = killed_at(&mut ann, step, verb, &with).await?;
            if killed {
                *kills += 1;
                ann.kill().await;
                ann.open().await?;
            }
            match (verb, done) {
                ("send", true) => {
                    shown_once(&mut ann, &group, &words).await?;
                    kept.push(words);
                }
                ("rename", true) => {
                    let name = ann.look(&group).await?.name;
                    must(name == words, || {
                        format!("renamed to {words}, and it is called {name}")
                    })?;
                }
                _ => {}
            }
            if !killed {
                break;
            }
        }
    }
    let [messages, changes] = kills;
    if messages == 0 || changes == 0 {
        return Err(Finding::not_seen(
            "nothing was made durable before it was acknowledged, or strace does not see it",
        ));
    }
    all_have(std::slice::from_mut(&mut bob), &group, &kept).await?;
    let mut people = [ann, bob];
    all_have_members(&mut people, &group, 2).await?;
    same(&mut people, &group).await?;
    Ok(format!(
        "{messages} kills while a message was written, {changes} while the group was renamed"
    ))
}

/// Gives an order to a client that is killed before a thread of it makes something durable for the `step`-th time:
/// whether it did as it was told, and whether it was killed.
async fn killed_at(
    ann: &mut Person,
    step: usize,
    verb: &str,
    with: &Value,
) -> Result<(bool, bool), Finding> {
    let mut strace = strace(ann, step).await?;
    let done = ann.attempt(verb, with).await;
    // What comes behind the acknowledgement counts as well.
    for _ in 0..LOOKS {
        if !ann.is_alive() {
            break;
        }
        tokio::time::sleep(LOOKS_EVERY).await;
    }
    let killed = !ann.is_alive();
    // The kernel lets whom it has traced go on.
    let _gone = strace.kill().await;
    Ok((done, killed))
}

/// A strace that holds all threads of a client, or has killed it already: something may be made durable at any time.
async fn strace(person: &Person, step: usize) -> Result<Child, Finding> {
    let pid = person.pid;
    let child = Command::new("strace")
        .args(["-f", "-qq", "-e", &format!("trace={DURABLE}"), "-e"])
        .arg(format!("inject={DURABLE}:signal=SIGKILL:when={step}"))
        .args(["-p", &pid.to_string(), "-o", "/dev/null"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Finding::not_seen(format!("strace: {error}")))?;
    let wait = Wait::new("strace holds the client");
    while person.is_alive() && !is_traced(pid) {
        wait.more().await?;
    }
    Ok(child)
}

/// Whether every thread has somebody who watches its system calls.
fn is_traced(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let ids = threads.into_iter().flatten().flatten();
    let mut ids = ids.filter_map(|thread| thread.file_name().to_str()?.parse().ok());
    ids.all(|id| proc::number(id, "status", "TracerPid").is_ok_and(|tracer| tracer > 0))
}

async fn shown_once(person: &mut Person, group: &str, text: &str) -> Result<(), Finding> {
    let shown = person.texts(group).await?;
    let count = shown.iter().filter(|shown| *shown == text).count();
    must(count == 1, || {
        format!("what was acknowledged is shown {count} times")
    })
}

/// Waits until both show the same; nobody shows anything twice.
async fn same(people: &mut [Person; 2], group: &str) -> Result<(), Finding> {
    let wait = Wait::new("both show the same");
    loop {
        let [ann, bob] = people;
        let lists = [ann.texts(group).await?, bob.texts(group).await?];
        for (list, person) in lists.iter().zip([&ann, &bob]) {
            let unique: BTreeSet<_> = list.iter().collect();
            must(unique.len() == list.len(), || {
                format!("{} shows one twice", person.name)
            })?;
        }
        let names = [ann.look(group).await?.name, bob.look(group).await?.name];
        if lists[0] == lists[1] && names[0] == names[1] {
            return Ok(());
        }
        wait.more().await?;
    }
}

/// Calls that make something durable, or take it away.
const DURABLE: &str =
    "fsync,fdatasync,msync,sync_file_range,rename,renameat,renameat2,unlink,unlinkat,ftruncate";

/// No single order takes as many.
const STEPS_MAX: usize = 25;

/// What belongs to an order is done half a second after its answer.
const LOOKS: usize = 10;
const LOOKS_EVERY: Duration = Duration::from_millis(50);
