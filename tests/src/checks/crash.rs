//! Clients that are killed.

use std::collections::BTreeSet;

use crate::catalogue::Check;
use crate::client::scene::{Scene, all_have, all_have_members};
use crate::finding::{Finding, Outcome, must};

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
