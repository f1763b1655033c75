//! The secrets themselves: where those of a state that was left still lie, and what was sealed under them.
//!
//! They are found by trial in what a thief opens who has disk and passphrase ([`trial`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::catalogue::Check;
use crate::client::person::Person;
use crate::client::scene::{Scene, all_have};
use crate::client::stand::Carried;
use crate::client::trial::{self, Message, Secret};
use crate::finding::{Finding, Outcome, must};
use crate::inspect::memory;
use crate::inspect::needle::Needle;

use super::keys::{CHANGES, attached, change_often, withheld};

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::client(
        "KEYS-FORGOTTEN",
        &["5.2.2"],
        [
            "the secret of a state that was left long ago is neither on disk nor in memory",
            "그룹이 오래전에 쓰던 비밀 열쇠가 디스크에도 메모리에도 남지 않음",
        ],
        [
            "A message is sealed; a program opens all that a profile and its passphrase open, and the secret that the message was sealed with is found there; after 70 changes of the group it is looked for again, also in memory.",
            "Found at first; afterwards nowhere, though the secret of the channel, which stays, is.",
        ],
        |scene| Box::pin(forgotten(scene)),
    )
    .inside(),
    Check::client(
        "KEYS-GENERATION",
        &["5.2.3"],
        [
            "no two messages are sealed under one generation of a key",
            "두 메시지를 같은 열쇠로 암호화하지 않음",
        ],
        [
            "Ann writes as she is, after closing and opening, and after kills; all that the relay carried is opened with the secrets from both profiles.",
            "Each message names a generation of its sender that no other one names.",
        ],
        |scene| Box::pin(generations(scene)),
    ),
];

async fn forgotten(scene: Scene) -> Outcome {
    let (people, group) = scene.gather(2).await?;
    let Ok([mut ann, mut bob]) = <[Person; 2]>::try_from(people) else {
        return Err(Finding::not_seen("two people were to come"));
    };
    let frames = withheld(&scene, &mut [&mut ann], &mut bob, &group, "then").await?;
    let Some(opened) = scene.stolen(&ann).await? else {
        return Err(Finding::skipped(NO_THIEF));
    };
    let (channel, messages) = read(&opened, &frames)?;
    let message = messages.last().ok_or_else(|| Finding::not_seen(NO_FRAME))?;
    let secret = trial::sender_data(&opened, message);
    let secret = secret.ok_or_else(|| Finding::not_seen(NO_SECRET))?;
    ann.open().await?;
    bob.open().await?;
    attached(&scene, &frames).await?;
    change_often(&mut ann, &mut bob, &group).await?;
    let mut bytes = Vec::new();
    for person in [&mut ann, &mut bob] {
        in_memory(person, &secret, "after the changes")?;
        person.close().await?;
        let opened = scene.stolen(person).await?.unwrap_or_default();
        must(count(&secret, &opened) == 0, || {
            format!(
                "the profile of {} still has the secret of {CHANGES} changes ago",
                person.name
            )
        })?;
        if count(&channel, &opened) == 0 {
            return Err(Finding::not_seen(format!(
                "the secret of the channel, which stays, is not found in the profile of {}",
                person.name
            )));
        }
        person.open().await?;
        person.look(&group).await?;
        in_memory(person, &secret, "opened anew")?;
        bytes.push(opened.len());
    }
    Ok(format!(
        "not among the {bytes:?} bytes that open, and in nobody's memory"
    ))
}

fn in_memory(person: &Person, secret: &Secret, when: &str) -> Result<(), Finding> {
    let needle = Needle::printed("a secret", secret);
    let found = memory::search(person.pid, &[&needle])?;
    must(found.iter().all(|count| *count == 0), || {
        format!(
            "{}, {when}: the memory holds {found:?} copies of the secret of {CHANGES} changes ago",
            person.name
        )
    })
}

async fn generations(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    let before = scene.stand.carried().len();
    let mut texts = Vec::new();
    for n in 0..12 {
        let text = format!("message {n}");
        let ann = people
            .first_mut()
            .ok_or_else(|| Finding::not_seen("nobody is there"))?;
        ann.say(&group, &text).await?;
        match n % 4 {
            1 => {
                ann.close().await?;
                ann.open().await?;
            }
            3 => {
                ann.kill().await;
                ann.open().await?;
            }
            _ => {}
        }
        texts.push(text);
    }
    all_have(&mut people, &group, &texts).await?;
    let frames = scene.stand.carried().split_off(before);
    let mut opened = Vec::new();
    for person in &mut people {
        person.close().await?;
        let found = scene.stolen(person).await?;
        opened.extend(found.ok_or_else(|| Finding::skipped(NO_THIEF))?);
    }
    let (_, messages) = read(&opened, &frames)?;
    let used = used(&opened, &messages)?;
    if used < texts.len() {
        return Err(Finding::not_seen(format!(
            "only {used} of {} messages could be opened so far",
            texts.len()
        )));
    }
    Ok(format!("{used} messages, each in its own generation"))
}

/// How many messages there are; a finding if two that differ were sealed under one generation of one sender.
fn used(opened: &[u8], messages: &[Message]) -> Result<usize, Finding> {
    let mut secrets: BTreeMap<Secret, Secret> = BTreeMap::new();
    let mut senders: BTreeMap<(Secret, u32, u32), &Message> = BTreeMap::new();
    for message in messages {
        let secret = match secrets.get(&message.state) {
            Some(secret) => *secret,
            None => {
                trial::sender_data(opened, message).ok_or_else(|| Finding::not_seen(NO_SECRET))?
            }
        };
        secrets.insert(message.state, secret);
        let Some((leaf, generation)) = message.sender(&secret) else {
            return Err(Finding::broken(
                "two messages name one state and are sealed in two",
            ));
        };
        // The same message may be said twice.
        let first = senders
            .entry((message.state, leaf, generation))
            .or_insert(message);
        must(*first == message, || {
            format!("two messages are sealed in generation {generation} of sender {leaf}")
        })?;
    }
    Ok(senders.len())
}

/// The secret of the channel, and the messages on it.
fn read(opened: &[u8], frames: &[Carried]) -> Result<(Secret, Vec<Message>), Finding> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let day = since.map_or(0, |since| since.as_secs() / DAY);
    let day = u32::try_from(day).map_err(Finding::not_seen)?;
    let mut topics = BTreeSet::new();
    let one_of_each = frames.iter().filter(|one| topics.insert(one.topic));
    let samples: Vec<&[u8]> = one_of_each.map(|one| one.frame.as_slice()).collect();
    let channel = trial::channel(opened, &samples, day);
    let channel = channel.ok_or_else(|| Finding::not_seen(NO_CHANNEL))?;
    Ok((channel, Message::all(&channel, frames, day)))
}

fn count(secret: &Secret, bytes: &[u8]) -> usize {
    Needle::printed("a secret", secret).count(bytes)
}

/// Seconds.
const DAY: u64 = 86_400;

const NO_THIEF: &str = "no --thief opens profiles";
const NO_CHANNEL: &str = "nothing that the profile opens opens what the relay carried";
const NO_FRAME: &str = "no message is among what the relay carried";
const NO_SECRET: &str = "nothing that the profile opens opens the message";
