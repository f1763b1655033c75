//! What a thief finds who has the whole disk and the passphrase, and does not ask the client.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::catalogue::{Check, Profile};
use crate::client::person::Person;
use crate::client::scene::{Scene, Wait, all_have};
use crate::finding::{Finding, Outcome, must};
use crate::inspect::needle::Needle;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::client(
        "DISK-FORGOTTEN",
        &["8.4"],
        [
            "a message that was taken back cannot be read from disk and passphrase",
            "지운 메시지는 디스크와 암호를 모두 가져도 읽을 수 없음",
        ],
        [
            "Two people have two messages; one is taken back; before and after, a program opens all that each profile and its passphrase open.",
            "Before both are found, after only the one that stays.",
        ],
        |scene| Box::pin(taken_back(scene)),
    ),
    Check::client(
        "DISK-DISAPPEARED",
        &["8.1"],
        [
            "a message whose time is over is shown by nobody and cannot be read from disk and passphrase",
            "시간이 지나 사라진 메시지는 보이지 않고, 디스크와 암호로도 읽을 수 없음",
        ],
        [
            "Two people have a message that lasts for a minute, and one that stays; before and after, both profiles are opened as above.",
            "Before both are found, after only the one that stays.",
        ],
        |scene| Box::pin(disappeared(scene)),
    )
    .takes(Profile::Full),
];

async fn taken_back(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    let (said, stays) = (scene.canary("said"), scene.canary("stays"));
    let ann = first(&mut people)?;
    let id = ann.say(&group, &said).await?;
    ann.say(&group, &stays).await?;
    all_have(&mut people, &group, &[said.clone(), stays.clone()]).await?;
    if !are_found(&scene, &mut people, &[&said, &stays]).await? {
        return Err(Finding::skipped(NO_THIEF));
    }
    let with = json!({ "group": group, "message": id });
    first(&mut people)?.ask("delete", &with).await?;
    for person in &mut people {
        let wait = Wait::new(format!("{} shows it no more", person.name));
        while person.texts(&group).await?.contains(&said) {
            wait.more().await?;
        }
    }
    is_lost(&scene, &mut people, &said, &stays).await
}

async fn disappeared(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    let (said, stays) = (scene.canary("said"), scene.canary("stays"));
    let ann = first(&mut people)?;
    ann.say(&group, &stays).await?;
    let with = |seconds: u64| json!({ "group": group, "seconds": seconds });
    ann.ask("expire", &with(LASTS.as_secs())).await?;
    ann.say(&group, &said).await?;
    let since = Instant::now();
    all_have(&mut people, &group, &[said.clone(), stays.clone()]).await?;
    let looked = are_found(&scene, &mut people, &[&said, &stays]).await?;
    while since.elapsed() < LASTS {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for person in &mut people {
        let wait = Wait::new(format!("{} shows it no more", person.name));
        while person.texts(&group).await?.contains(&said) {
            wait.more().await?;
        }
    }
    if looked {
        return is_lost(&scene, &mut people, &said, &stays).await;
    }
    Ok(format!(
        "shown by nobody; on the disk it was not looked for: {NO_THIEF}"
    ))
}

fn first(people: &mut [Person]) -> Result<&mut Person, Finding> {
    let first = people.first_mut();
    first.ok_or_else(|| Finding::not_seen("nobody is there"))
}

/// Whether there is a program that opens profiles; it has to find what is there. All are closed for it and open afterwards.
async fn are_found(scene: &Scene, people: &mut [Person], texts: &[&str]) -> Result<bool, Finding> {
    for person in people {
        person.close().await?;
        let Some(found) = scene.stolen(person).await? else {
            person.open().await?;
            return Ok(false);
        };
        for text in texts {
            if count(text, &found) == 0 {
                return Err(Finding::not_seen(format!(
                    "a message that is there is not found in the profile of {}",
                    person.name
                )));
            }
        }
        person.open().await?;
    }
    Ok(true)
}

/// Closes all and looks whether one message cannot be opened any more, while the other can.
async fn is_lost(scene: &Scene, people: &mut [Person], said: &str, stays: &str) -> Outcome {
    let mut opened = Vec::new();
    for person in people {
        person.close().await?;
        let found = scene.stolen(person).await?.unwrap_or_default();
        must(
            count(said, &found) == 0 && count(said, &scene.lying(person)) == 0,
            || format!("the profile of {} still has it", person.name),
        )?;
        if count(stays, &found) == 0 {
            return Err(Finding::not_seen(format!(
                "a message that stays is not found in the profile of {}",
                person.name
            )));
        }
        opened.push(found.len());
    }
    Ok(format!("not among the {opened:?} bytes that open"))
}

fn count(text: &str, bytes: &[u8]) -> usize {
    Needle::printed("a message", text.as_bytes()).count(bytes)
}

const NO_THIEF: &str = "no --thief opens profiles";

/// The least that a client may be told.
const LASTS: Duration = Duration::from_secs(60);
