//! A member who breaks the group's rules: one client that does it, between honest ones.
//!
//! The suite has no keys of a group, so it cannot be that member itself. `--hostile` names the shim of a client that
//! lacks the rules. Without it, the client under test is told to break them, and has to refuse.

use serde_json::{Value, json};

use crate::catalogue::Check;
use crate::client::person::Person;
use crate::client::scene::{Scene, all_have, all_have_members};
use crate::finding::{Finding, Outcome, must};

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::client(
        "MEMBER-RENAMES",
        &["5.3.4"],
        [
            "a member who may not rename the group does not rename it for others",
            "권한 없는 참여자가 방 이름을 바꾸지 못함",
        ],
        [
            "Cat, a plain member, gives the group another name; Ann and Bob talk.",
            "For them it has its old name, one state, three members, and all that they say.",
        ],
        |scene| {
            Box::pin(breaks(
                scene,
                "rename",
                |group, _, _| json!({ "group": group, "name": BY_CAT }),
            ))
        },
    ),
    Check::client(
        "MEMBER-RISES",
        &["5.3.4"],
        [
            "a plain member does not make themselves an admin",
            "일반 참여자가 스스로 관리자가 되지 못함",
        ],
        [
            "Cat, a plain member, makes herself an admin and then renames the group; Ann and Bob talk.",
            "For them it has its old name, one state, three members, and all that they say.",
        ],
        |scene| {
            Box::pin(breaks(
                scene,
                "promote",
                |group, _, own| json!({ "group": group, "member": own }),
            ))
        },
    ),
    Check::client(
        "MEMBER-REMOVES",
        &["5.5.4"],
        [
            "a plain member puts nobody out",
            "일반 참여자가 다른 사람을 내보내지 못함",
        ],
        [
            "Cat, a plain member, removes Ann, who founded the group; Ann and Bob talk.",
            "For them it has its old name, one state, three members, and all that they say.",
        ],
        |scene| {
            Box::pin(breaks(
                scene,
                "remove",
                |group, ann, _| json!({ "group": group, "member": ann }),
            ))
        },
    ),
];

/// Cat does what she may not; nothing comes of it for Ann and Bob. `with` makes the order from the group, Ann's
/// account and Cat's.
async fn breaks(scene: Scene, verb: &'static str, with: fn(&str, &str, &str) -> Value) -> Outcome {
    let (mut honest, group) = scene.gather(2).await?;
    let mut cat = scene.hostile("Cat").await?;
    if let Some(ann) = honest.first_mut() {
        ann.let_in(&group, &mut cat).await?;
    }
    all_have_members(&mut honest, &group, 3).await?;
    let before = names(&mut honest, &group).await?;
    wait_for(&mut cat, &mut honest, &group).await?;
    let ann = honest.first().map(|ann| ann.account.clone());
    let with = with(&group, &ann.unwrap_or_default(), &cat.account);
    let mut answers = vec![cat.try_ask(verb, &with).await?];
    if verb == "promote" {
        let rename = json!({ "group": group, "name": BY_CAT });
        answers.push(cat.try_ask("rename", &rename).await?);
    }
    let is_done = answers.iter().any(Result::is_ok) && sees_it_done(&mut cat, &group).await;
    let mut texts = Vec::new();
    for round in 0..ROUNDS {
        for person in &mut honest {
            let text = format!("{} goes on {round}", person.name);
            person.say(&group, &text).await?;
            texts.push(text);
        }
        tokio::time::sleep(PAUSE).await;
    }
    all_have(&mut honest, &group, &texts).await?;
    all_have_members(&mut honest, &group, 3).await?;
    let after = names(&mut honest, &group).await?;
    must(before == after, || {
        format!("the group was called {before:?} and is called {after:?}")
    })?;
    let done = answers.iter().filter(|answer| answer.is_ok()).count();
    Ok(format!(
        "Cat's client did {done} of {} {}; nobody followed, {} messages",
        answers.len(),
        if is_done {
            "and sees it done"
        } else {
            "and sees nothing of it"
        },
        texts.len()
    ))
}

/// Whether Cat's own client follows what it did. It may go back when it hears that nobody else does.
async fn sees_it_done(cat: &mut Person, group: &str) -> bool {
    for _ in 0..LOOKS {
        let own = cat.look(group).await.unwrap_or_default();
        if own.name == BY_CAT || own.members.len() == 2 {
            return true;
        }
        tokio::time::sleep(LOOKS_EVERY).await;
    }
    false
}

/// Waits until Cat is where the others are, so that what she does starts from their state.
async fn wait_for(cat: &mut Person, honest: &mut [Person], group: &str) -> Result<(), Finding> {
    let Some(ann) = honest.first_mut() else {
        return Err(Finding::not_seen("nobody is there"));
    };
    let wait = crate::client::scene::Wait::new("Cat is in the state of the others");
    while cat.look(group).await?.state != ann.look(group).await?.state {
        wait.more().await?;
    }
    Ok(())
}

async fn names(people: &mut [Person], group: &str) -> Result<Vec<String>, Finding> {
    let mut names = Vec::new();
    for person in people {
        names.push(person.look(group).await?.name);
    }
    Ok(names)
}

/// What Cat calls the group.
const BY_CAT: &str = "By Cat";

/// Ten seconds.
const LOOKS: usize = 200;
const LOOKS_EVERY: std::time::Duration = std::time::Duration::from_millis(50);

/// How often Ann and Bob write.
const ROUNDS: usize = 8;

/// Between two of their messages: what Cat did has long arrived after a few.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);
