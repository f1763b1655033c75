//! Keys that should be gone, and keys that must not be used twice.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::catalogue::Check;
use crate::client::person::Person;
use crate::client::scene::{Scene, Wait, all_have};
use crate::client::stand::{Carried, Malice};
use crate::finding::{Finding, Outcome, must};

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::client(
        "KEYS-OLD-STATE",
        &["5.2.2"],
        [
            "what was sealed for a state that was left long ago opens nowhere",
            "오래전에 떠난 상태의 글은 열리지 않음",
        ],
        [
            "Cat writes two messages that the relay keeps to itself; the first is handed over at once, the second after 70 changes of the group.",
            "The first is shown, the second is not.",
        ],
        |scene| Box::pin(old_state(scene)),
    ),
    Check::client(
        "KEYS-RESTART",
        &["5.2.3"],
        [
            "no key is used twice by a client that is closed and opened",
            "다시 열어도 열쇠를 두 번 쓰지 않음",
        ],
        [
            "Six messages; the sender's client is closed and opened after each.",
            "The other one shows all: what is sealed twice under one key opens once.",
        ],
        |scene| Box::pin(sent_between(scene, false)),
    ),
    Check::client(
        "KEYS-CRASH",
        &["5.2.3"],
        [
            "no key is used twice by a client that is killed",
            "강제 종료 뒤에도 열쇠를 두 번 쓰지 않음",
        ],
        [
            "Six messages; the sender's client is killed as soon as each is acknowledged.",
            "The other one shows all.",
        ],
        |scene| Box::pin(sent_between(scene, true)),
    ),
    Check::client(
        "KEYS-COPY",
        &["5.6.6", "5.2.3"],
        [
            "an older copy of a profile does not go on with old keys",
            "오래된 프로필 사본은 지난 열쇠로 이어 쓰지 않음",
        ],
        [
            "Ann's folder is copied; she writes; the copy is put in its place; she writes again.",
            "The other one shows both messages.",
        ],
        |scene| Box::pin(copy(scene)),
    ),
];

async fn old_state(scene: Scene) -> Outcome {
    let (people, group) = scene.gather(3).await?;
    let Ok([mut ann, mut bob, mut cat]) = <[Person; 3]>::try_from(people) else {
        return Err(Finding::not_seen("three people were to come"));
    };
    let early = withheld(&scene, &mut [&mut ann, &mut bob], &mut cat, &group, "early").await?;
    ann.open().await?;
    bob.open().await?;
    attached(&scene, &early).await?;
    scene.stand.say_again(&early);
    let mut pair = [ann, bob];
    all_have(&mut pair, &group, &["early".to_owned()]).await?;
    cat.open().await?;
    let [mut ann, mut bob] = pair;
    let late = withheld(&scene, &mut [&mut ann, &mut bob], &mut cat, &group, "late").await?;
    ann.open().await?;
    bob.open().await?;
    change_often(&mut ann, &mut bob, &group).await?;
    attached(&scene, &late).await?;
    scene.stand.say_again(&late);
    tokio::time::sleep(OPENS).await;
    for person in [&mut ann, &mut bob] {
        let shown = person.texts(&group).await?;
        must(!shown.iter().any(|text| text == "late"), || {
            format!(
                "{} opens a message of a state {CHANGES} changes ago",
                person.name
            )
        })?;
    }
    Ok(format!("{} frames, after {CHANGES} changes", late.len()))
}

/// Takes the group through [`CHANGES`] states, one after the other: an order to rename may be answered before anything is
/// committed, and two orders may become one commit. The other one follows.
pub(super) async fn change_often(
    ann: &mut Person,
    bob: &mut Person,
    group: &str,
) -> Result<(), Finding> {
    for n in 0..CHANGES {
        if let Err(finding) = change(ann, group, &format!("Change {n}")).await {
            let there = bob.look(group).await?.name;
            return Err(finding.during(format!("{} has the name {there}", bob.name)));
        }
    }
    follow(ann, bob, group).await
}

/// Gives the group another name and waits until that is committed.
pub(super) async fn change(ann: &mut Person, group: &str, name: &str) -> Result<(), Finding> {
    ann.rename(group, name).await?;
    // A device that has many changes which are not settled waits until others have voted (5.4.5, 5.10.3).
    let wait = Wait::of_many(format!("{} has the name {name}", ann.name), PATIENT);
    while ann.look(group).await?.name != name {
        wait.briefly().await?;
    }
    Ok(())
}

/// Waits until `bob` is in the state that `ann` is in now.
pub(super) async fn follow(ann: &mut Person, bob: &mut Person, group: &str) -> Result<(), Finding> {
    let last = ann.look(group).await?;
    let wait = Wait::new(format!("{} follows", bob.name));
    while bob.look(group).await? != last {
        wait.more().await?;
    }
    Ok(())
}

/// What `writer` publishes while nobody else is there and the relay hands nothing on. Everybody is closed then.
pub(super) async fn withheld(
    scene: &Scene,
    others: &mut [&mut Person],
    writer: &mut Person,
    group: &str,
    text: &str,
) -> Result<Vec<Carried>, Finding> {
    for other in others {
        other.close().await?;
    }
    let before = scene.stand.carried().len();
    scene.stand.behave(Malice::Mute);
    writer.say(group, text).await?;
    published(scene, before).await?;
    writer.kill().await;
    scene.stand.behave(Malice::None);
    Ok(scene.stand.carried().split_off(before))
}

/// Waits until something came to the relay after the first `before` frames, and what belongs to it.
pub(super) async fn published(scene: &Scene, before: usize) -> Result<(), Finding> {
    let wait = Wait::new("the message is published");
    let mut wanted = 0;
    while wanted < 3 {
        // A few more, so that it is among them for certain.
        wait.more().await?;
        wanted = if scene.stand.carried().len() > before {
            wanted + 1
        } else {
            0
        };
    }
    Ok(())
}

/// Waits until somebody listens where the frames go.
pub(super) async fn attached(scene: &Scene, frames: &[Carried]) -> Result<(), Finding> {
    let wait = Wait::new("two are attached again");
    while !frames
        .iter()
        .any(|one| scene.stand.attached(&one.topic) >= 2)
    {
        wait.more().await?;
    }
    Ok(())
}

async fn sent_between(scene: Scene, kill: bool) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    let mut texts = Vec::new();
    for n in 0..6 {
        let text = format!("message {n}");
        if let Some(ann) = people.first_mut() {
            ann.say(&group, &text).await?;
            if kill {
                ann.kill().await;
            } else {
                ann.close().await?;
            }
            ann.open().await?;
        }
        texts.push(text);
    }
    all_have(&mut people, &group, &texts).await?;
    Ok(format!(
        "{} messages, each from another process",
        texts.len()
    ))
}

async fn copy(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    let kept = scene.path("kept");
    if let Some(ann) = people.first_mut() {
        ann.close().await?;
        copy_folder(&ann.profile, &kept).map_err(Finding::not_seen)?;
        ann.open().await?;
        ann.say(&group, "before").await?;
    }
    all_have(&mut people, &group, &["before".to_owned()]).await?;
    if let Some(ann) = people.first_mut() {
        ann.close().await?;
        fs::remove_dir_all(&ann.profile).map_err(Finding::not_seen)?;
        copy_folder(&kept, &ann.profile).map_err(Finding::not_seen)?;
        ann.open().await?;
        ann.say(&group, "after").await?;
    }
    // Whoever sealed "before" has no key for it any more; it is the other one who judges.
    let bob = people.get_mut(1..).unwrap_or_default();
    let both = ["before".to_owned(), "after".to_owned()];
    all_have(bob, &group, &both).await?;
    Ok("both are shown".to_owned())
}

/// A folder with all that is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// As patient as with so many clients.
const PATIENT: usize = 75;

/// More than the 64 states that a device may keep.
pub(super) const CHANGES: usize = 70;

/// Within this an honest frame is shown many times over.
const OPENS: Duration = Duration::from_secs(4);
