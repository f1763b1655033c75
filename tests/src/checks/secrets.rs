//! The secrets themselves: where those lie that should be gone, and what was sealed under them.
//!
//! They are found by trial in what a thief opens who has disk and passphrase ([`trial`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::catalogue::Check;
use crate::client::person::Person;
use crate::client::scene::{Scene, all_have};
use crate::client::stand::{Carried, Malice};
use crate::client::trial::{self, Message, Secret};
use crate::finding::{Finding, Outcome, must};
use crate::inspect::memory;
use crate::inspect::needle::Needle;

use super::keys::{attached, change, change_often, follow, published, withheld};

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::client(
        "KEYS-FORGOTTEN",
        &["5.2.2", "5.2.5"],
        [
            "the secrets of a state that was left long ago are neither on disk nor in memory",
            "그룹이 오래전에 쓰던 비밀 열쇠가 디스크에도 메모리에도 남지 않음",
        ],
        [
            "Cat seals a message that nobody gets; a program opens all that Ann's profile and its passphrase open, and the secrets that lead to who wrote the message and to what it says are found there; after 70 changes of the group they are looked for at Ann and Bob, also in memory, before and after a restart.",
            "Found at first; afterwards nowhere, though the secret of the channel, which stays, is.",
        ],
        |scene| Box::pin(forgotten(scene)),
    )
    .inside(),
    Check::client(
        "KEYS-READ",
        &["5.2.5"],
        [
            "the key of a message that was read is neither on disk nor in memory",
            "읽은 메시지의 열쇠가 디스크에도 메모리에도 남지 않음",
        ],
        [
            "Bob writes while Ann is away; the secrets that lead to the message's key are found in what her profile and its passphrase open; she comes and reads; they are looked for again at both, on the disk and in memory.",
            "Found before she reads; afterwards nowhere.",
        ],
        |scene| Box::pin(read_once(scene)),
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
            "Ann writes as she is, sixty times in a row, after closing and opening, after kills, after changes of the group, and to a relay that refuses frames or ends connections; all that the relay carried since they met is opened with the secrets from both profiles.",
            "Each message names a generation of its sender that no other one names.",
        ],
        |scene| Box::pin(generations(scene)),
    ),
];

async fn forgotten(scene: Scene) -> Outcome {
    let (people, group) = scene.gather(3).await?;
    let Ok([mut ann, mut bob, mut cat]) = <[Person; 3]>::try_from(people) else {
        return Err(Finding::not_seen("three people were to come"));
    };
    // Bob stays as he is: what a client keeps only until it ends is in his memory.
    let frames = withheld(&scene, &mut [&mut ann], &mut cat, &group, "then").await?;
    let (channel, gone) = secrets_of_last(&scene, &ann, &frames).await?;
    ann.open().await?;
    attached(&scene, &frames).await?;
    change_often(&mut ann, &mut bob, &group).await?;
    let mut bytes = Vec::new();
    for person in [&mut ann, &mut bob] {
        in_no_memory(person, &gone, "after the changes")?;
        person.close().await?;
        let opened = on_no_disk(&scene, person, &gone).await?;
        if count(&channel, &opened) == 0 {
            return Err(Finding::not_seen(format!(
                "the secret of the channel, which stays, is not found in the profile of {}",
                person.name
            )));
        }
        person.open().await?;
        person.look(&group).await?;
        in_no_memory(person, &gone, "opened anew")?;
        bytes.push(opened.len());
    }
    Ok(format!(
        "{} secrets are not among the {bytes:?} bytes that open, and in nobody's memory",
        gone.len()
    ))
}

async fn read_once(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    let before = scene.stand.carried().len();
    if let [ann, bob] = people.as_mut_slice() {
        ann.close().await?;
        bob.say(&group, "once").await?;
        published(&scene, before).await?;
    }
    let frames = scene.stand.carried().split_off(before);
    let ann = first(&mut people)?;
    let (_, gone) = secrets_of_last(&scene, ann, &frames).await?;
    // That of the sender's name is one of the state, which goes on.
    let gone = gone.get(1..).unwrap_or_default();
    ann.open().await?;
    all_have(&mut people, &group, &["once".to_owned()]).await?;
    for person in &mut people {
        in_no_memory(person, gone, "who has read")?;
        person.close().await?;
        on_no_disk(&scene, person, gone).await?;
    }
    Ok(format!("{} secrets are nowhere any more", gone.len()))
}

/// The secret of the channel; then those that open the last message among `frames`, as the profile of somebody has them who
/// has not read it: the one of who wrote it, and those on the way to its key.
async fn secrets_of_last(
    scene: &Scene,
    person: &Person,
    frames: &[Carried],
) -> Result<(Secret, Vec<Needle>), Finding> {
    let opened = scene.stolen(person).await?;
    let opened = opened.ok_or_else(|| Finding::skipped(NO_THIEF))?;
    let (channel, messages) = read(&opened, frames)?;
    let message = messages.last().ok_or_else(|| Finding::not_seen(NO_FRAME))?;
    let of_state = trial::sender_data(&opened, message);
    let of_state = of_state.ok_or_else(|| Finding::not_seen(NO_SECRET))?;
    let way = trial::way(&opened, message, &of_state);
    let way = way.ok_or_else(|| Finding::not_seen(NO_KEY))?;
    let mut needles = vec![Needle::raw("secret of who wrote", &of_state)];
    let on_way = way.secrets.iter();
    needles.extend(on_way.map(|secret| Needle::raw("secret on the way to a key", secret)));
    needles.push(Needle::raw("key of a message", &way.key));
    Ok((channel, needles))
}

/// Everything that the profile of somebody opens who has closed it; a finding if that, or a file, has a needle.
async fn on_no_disk(scene: &Scene, person: &Person, gone: &[Needle]) -> Result<Vec<u8>, Finding> {
    let opened = scene.stolen(person).await?.unwrap_or_default();
    let lying = scene.lying(person);
    for needle in gone {
        must(
            needle.count(&opened) == 0 && needle.count(&lying) == 0,
            || format!("the disk of {} still has the {}", person.name, needle.name),
        )?;
    }
    Ok(opened)
}

fn in_no_memory(person: &Person, gone: &[Needle], when: &str) -> Result<(), Finding> {
    let needles: Vec<&Needle> = gone.iter().collect();
    let found = memory::search(person.pid, &needles)?;
    for (needle, count) in gone.iter().zip(found) {
        must(count == 0, || {
            let (name, what) = (&person.name, needle.name);
            format!("{name}, {when}: the memory holds {count} copies of the {what}")
        })?;
    }
    Ok(())
}

async fn generations(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    let mut talk = Talk {
        scene,
        group,
        texts: Vec::new(),
        opened: Vec::new(),
    };
    talk.with_restarts(first(&mut people)?).await?;
    talk.say(first(&mut people)?, ROW).await?;
    for change in 0..2 {
        talk.change(&mut people, change).await?;
    }
    talk.through_trouble(first(&mut people)?).await?;
    let shown = all_have(&mut people, &talk.group, &talk.texts).await;
    talk.take_secrets(&mut people).await?;
    // From the first frame on: clients seal more than what people write, their names to begin with.
    let frames = talk.scene.stand.carried();
    let (_, messages) = read(&talk.opened, &frames)?;
    let used = used(&talk.opened, &messages)?;
    shown?;
    if used < talk.texts.len() {
        return Err(Finding::not_seen(format!(
            "only {used} of {} messages could be opened so far",
            talk.texts.len()
        )));
    }
    Ok(format!("{used} messages, each in its own generation"))
}

/// What was said, and what is known of how it was sealed.
struct Talk {
    scene: Scene,
    group: String,
    texts: Vec<String>,
    /// All that profiles have opened so far.
    opened: Vec<u8>,
}

impl Talk {
    async fn say(&mut self, who: &mut Person, times: usize) -> Result<(), Finding> {
        for _ in 0..times {
            let text = format!("message {}", self.texts.len());
            who.say(&self.group, &text).await?;
            self.texts.push(text);
        }
        Ok(())
    }

    /// Twelve messages; the client is closed after two, killed after the next two, and so on.
    async fn with_restarts(&mut self, who: &mut Person) -> Result<(), Finding> {
        for n in 0..6 {
            self.say(who, 2).await?;
            if n % 2 == 0 {
                who.close().await?;
            } else {
                who.kill().await;
            }
            who.open().await?;
        }
        Ok(())
    }

    /// The first messages of another state, of both.
    async fn change(&mut self, people: &mut [Person], number: usize) -> Result<(), Finding> {
        self.take_secrets(people).await?;
        let [ann, bob] = people else {
            return Err(Finding::not_seen("two people were to come"));
        };
        change(ann, &self.group, &format!("Change {number}")).await?;
        follow(ann, bob, &self.group).await?;
        self.say(ann, 2).await?;
        self.say(bob, 2).await
    }

    /// A relay that refuses frames, and one that ends connections.
    async fn through_trouble(&mut self, who: &mut Person) -> Result<(), Finding> {
        for malice in [Malice::Refuse, Malice::HangUp] {
            self.scene.stand.behave(malice);
            self.say(who, 5).await?;
        }
        self.scene.stand.behave(Malice::None);
        Ok(())
    }

    /// Those of the states that both are in now.
    async fn take_secrets(&mut self, people: &mut [Person]) -> Result<(), Finding> {
        for person in people {
            person.close().await?;
            let found = self.scene.stolen(person).await?;
            let found = found.ok_or_else(|| Finding::skipped(NO_THIEF))?;
            self.opened.extend(found);
            person.open().await?;
        }
        Ok(())
    }
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

fn first(people: &mut [Person]) -> Result<&mut Person, Finding> {
    let first = people.first_mut();
    first.ok_or_else(|| Finding::not_seen("nobody is there"))
}

fn count(secret: &Secret, bytes: &[u8]) -> usize {
    Needle::printed("a secret", secret).count(bytes)
}

/// Messages that are written as fast as they can be.
const ROW: usize = 60;

/// Seconds.
const DAY: u64 = 86_400;

const NO_THIEF: &str = "no --thief opens profiles";
const NO_CHANNEL: &str = "nothing that the profile opens opens what the relay carried";
const NO_FRAME: &str = "no message is among what the relay carried";
const NO_SECRET: &str = "nothing that the profile opens tells who wrote the message";
const NO_KEY: &str = "nothing that the profile opens leads to the key of the message";
