//! What a thief of the device's disk finds.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::catalogue::Check;
use crate::client::person::Person;
use crate::client::scene::{Scene, Wait, all_have};
use crate::finding::{Finding, Outcome, must};
use crate::inspect::memory;
use crate::inspect::needle::Needle;

use super::keys::copy_folder;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::client(
        "DISK-TEXT",
        &["4.3.2", "4.3.3"],
        ["nothing readable lies in the profile", "프로필 폴더에 읽을 수 있는 것이 없음"],
        ["Two people talk; a search of every file of both profiles and of what else the clients have made on the machine, while they are open and when they are closed.", "No message, name, passphrase, account or relay in any form."],
        |scene| Box::pin(text(scene)),
    ),
    Check::client(
        "DISK-LOCKED",
        &["4.3.3"],
        ["a profile does not open with another passphrase", "다른 암호로는 프로필이 열리지 않음"],
        ["A copy of a closed profile is opened with another passphrase, then with its own.", "Refused, then opened."],
        |scene| Box::pin(locked(scene)),
    ),
    Check::client(
        "DISK-DELETED",
        &["8.4"],
        ["a message that was taken back is shown by nobody, also not from a copy of the profile", "지운 메시지는 사본에서도 보이지 않음"],
        ["Ann writes and takes it back; both close and open; a copy of Bob's profile is opened without a network.", "Shown by nobody."],
        |scene| Box::pin(deleted(scene)),
    ),
    Check::client(
        "DISK-MEMORY",
        &["8.4"],
        ["a message that was taken back is not in memory", "지운 메시지가 메모리에 남지 않음"],
        ["Ann writes, both show it; she takes it back; both are opened anew and show the group; then a search of their memory.", "Another message is found there or shown, the deleted one is not."],
        |scene| Box::pin(in_memory(scene)),
    )
    .inside(),
];

async fn text(scene: Scene) -> Outcome {
    let (name, called, said) = (
        scene.canary("name"),
        scene.canary("group"),
        scene.canary("said"),
    );
    let mut ann = scene.person(&name).await?;
    let mut bob = scene.person("Bob").await?;
    let group = ann.create(&called).await?;
    ann.let_in(&group, &mut bob).await?;
    ann.say(&group, &said).await?;
    let needles = [
        Needle::printed("a message", said.as_bytes()),
        Needle::printed("a group's name", called.as_bytes()),
        Needle::printed("a person's name", name.as_bytes()),
        Needle::printed("a passphrase", ann.passphrase.as_bytes()),
        Needle::text("an account", &ann.account),
        Needle::text("a relay", &scene.stand.url),
    ];
    let mut people = [ann, bob];
    all_have(&mut people, &group, std::slice::from_ref(&said)).await?;
    let mut files = 0;
    for person in &people {
        files = search_all(person, &needles)?;
    }
    for person in &mut people {
        person.close().await?;
        files = search_all(person, &needles)?;
    }
    // The search is not blind.
    let control = scene.path("control");
    fs::create_dir_all(&control).map_err(Finding::not_seen)?;
    fs::write(control.join("x"), &said).map_err(Finding::not_seen)?;
    if search(&control, &needles).is_ok() {
        return Err(Finding::not_seen("the search does not find what is there"));
    }
    Ok(format!("nothing in {files} files"))
}

/// How many files somebody has; a finding if one has a needle.
fn search_all(person: &Person, needles: &[Needle]) -> Result<usize, Finding> {
    let folders = person
        .folders()
        .into_iter()
        .filter(|folder| folder.is_dir());
    let counts: Result<Vec<usize>, Finding> =
        folders.map(|folder| search(folder, needles)).collect();
    Ok(counts?.into_iter().sum())
}

/// How many files there are; a finding if one has a needle.
fn search(folder: &Path, needles: &[Needle]) -> Result<usize, Finding> {
    let mut files = 0_usize;
    for entry in fs::read_dir(folder).map_err(Finding::not_seen)? {
        let entry = entry.map_err(Finding::not_seen)?;
        if entry.path().is_dir() {
            files = files.saturating_add(search(&entry.path(), needles)?);
            continue;
        }
        // A file may go while the client works.
        let Ok(bytes) = fs::read(entry.path()) else {
            continue;
        };
        files = files.saturating_add(1);
        for needle in needles {
            must(needle.count(&bytes) == 0, || {
                format!("{} lies in {}", needle.name, entry.file_name().display())
            })?;
        }
    }
    Ok(files)
}

async fn locked(scene: Scene) -> Outcome {
    let mut ann = scene.person("Ann").await?;
    ann.close().await?;
    let own = std::mem::replace(&mut ann.passphrase, scene.canary("another"));
    let refused = match ann.open().await {
        Ok(()) => return Err(Finding::broken("it opened with another passphrase")),
        Err(Finding::Broken(words)) => words,
        Err(other) => return Err(other),
    };
    ann.kill().await;
    ann.passphrase = own;
    ann.open().await?;
    Ok(format!("refused: {refused}"))
}

async fn deleted(scene: Scene) -> Outcome {
    let (mut people, group, said, stays) = taken_back(&scene).await?;
    for person in &mut people {
        person.close().await?;
        person.open().await?;
        shows_only(person, &group, &said, &stays).await?;
    }
    let bob = people
        .get_mut(1)
        .ok_or_else(|| Finding::not_seen("nobody is there"))?;
    bob.close().await?;
    let aside = scene.path("aside");
    copy_folder(&bob.profile, &aside).map_err(Finding::not_seen)?;
    bob.profile = aside;
    bob.open().await?;
    shows_only(bob, &group, &said, &stays).await?;
    Ok("shown by nobody".to_owned())
}

async fn in_memory(scene: Scene) -> Outcome {
    let (mut people, group, said, stays) = taken_back(&scene).await?;
    let gone = Needle::text("a deleted message", &said);
    for person in &mut people {
        person.close().await?;
        person.open().await?;
        shows_only(person, &group, &said, &stays).await?;
        let found = memory::search(person.pid, &[&gone])?;
        must(found.iter().all(|count| *count == 0), || {
            format!("{}: {found:?} copies", person.name)
        })?;
    }
    Ok("in nobody's memory".to_owned())
}

/// Two people, one message that was taken back, and one that was not.
async fn taken_back(scene: &Scene) -> Result<(Vec<Person>, String, String, String), Finding> {
    let (mut people, group) = scene.gather(2).await?;
    let (said, stays) = (scene.canary("said"), scene.canary("stays"));
    let ann = people
        .first_mut()
        .ok_or_else(|| Finding::not_seen("nobody is there"))?;
    let id = ann.say(&group, &said).await?;
    ann.say(&group, &stays).await?;
    all_have(&mut people, &group, &[said.clone(), stays.clone()]).await?;
    if let Some(ann) = people.first_mut() {
        ann.ask("delete", &json!({ "group": group, "message": id }))
            .await?;
    }
    for person in &mut people {
        let wait = Wait::new(format!("{} shows it no more", person.name));
        while person.texts(&group).await?.contains(&said) {
            wait.more().await?;
        }
    }
    Ok((people, group, said, stays))
}

async fn shows_only(
    person: &mut Person,
    group: &str,
    said: &str,
    stays: &str,
) -> Result<(), Finding> {
    let shown = person.texts(group).await?;
    must(shown.iter().any(|text| text == stays), || {
        format!("{} lost a message that nobody took back", person.name)
    })?;
    must(!shown.iter().any(|text| text.contains(said)), || {
        format!("{} shows what was taken back", person.name)
    })
}
