//! Groups: who comes, who goes, who was away, and two who change the same thing at the same time.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::catalogue::{Check, Profile};
use crate::client::person::Person;
use crate::client::scene::{Scene, Wait, all_have, all_have_members};
use crate::finding::{Finding, Outcome, must};

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::client(
        "GROUP-ORDER",
        &["8.3", "5.9.1"],
        [
            "all see the same messages in the same order",
            "모두 같은 메시지를 같은 순서로 봄",
        ],
        [
            "Three people write five messages each, in turn.",
            "Three lists that are equal, each message once.",
        ],
        |scene| Box::pin(order(scene)),
    ),
    Check::client(
        "GROUP-NEWCOMER",
        &["7.3.2", "5.2.4"],
        [
            "who comes sees nothing of before",
            "새로 온 사람은 이전 대화를 보지 못함",
        ],
        [
            "Two people talk; a third is let in; they talk.",
            "The third shows what was said after, and nothing of before.",
        ],
        |scene| Box::pin(newcomer(scene)),
    ),
    Check::client(
        "GROUP-AWAY",
        &["6.2.3", "6.2.6"],
        [
            "who was away gets all, also from somebody who wrote none of it",
            "자리를 비웠던 사람은 글쓴이가 없어도 모두 받음",
        ],
        [
            "Ann writes while Cat is away; Ann leaves; Cat comes back and meets Bob alone.",
            "Cat shows all.",
        ],
        |scene| Box::pin(away(scene)),
    ),
    Check::client(
        "GROUP-REMOVED",
        &["4.1.1", "5.3.5"],
        [
            "who was removed gets nothing more",
            "내보낸 사람은 더 이상 받지 못함",
        ],
        [
            "Cat is removed; Ann and Bob talk; Cat's client stays connected.",
            "Cat shows nothing of it, and is not attached to any topic that it went over.",
        ],
        |scene| Box::pin(removed(scene)),
    ),
    Check::client(
        "GROUP-AGAIN",
        &["7.3.2", "4.1.1"],
        [
            "who was removed and let in again sees what is said then, and not what was said meanwhile",
            "다시 들어온 사람은 그 사이의 대화를 보지 못함",
        ],
        [
            "Cat is removed; they talk; Cat is let in again; they talk.",
            "Cat shows the last, not the one before.",
        ],
        |scene| Box::pin(again(scene)),
    ),
    Check::client(
        "GROUP-FORK",
        &["5.4.1", "5.4.2", "5.9.1"],
        [
            "two who change the group apart from each other agree afterwards",
            "따로 떨어져 그룹을 바꾼 두 사람이 다시 합쳐짐",
        ],
        [
            "Ann renames the group while she is alone, then Bob while he is; both write; then all meet.",
            "One name, one state, and everything that was written, at all three.",
        ],
        |scene| Box::pin(fork(scene)),
    ),
    Check::client(
        "GROUP-MANY",
        &["5.9.1", "7.3.2"],
        [
            "twelve people come one after the other and agree",
            "열두 명이 차례로 들어와 일치함",
        ],
        [
            "Twelve clients; everybody writes once.",
            "One state, and twelve equal lists.",
        ],
        |scene| Box::pin(many(scene, 12)),
    )
    .takes(Profile::Full),
    Check::client(
        "GROUP-CROWD",
        &["5.9.1", "7.3.2"],
        [
            "fifty people come one after the other and agree",
            "쉰 명이 차례로 들어와 일치함",
        ],
        [
            "Fifty clients; everybody writes once.",
            "One state, and fifty equal lists.",
        ],
        |scene| Box::pin(many(scene, 50)),
    )
    .takes(Profile::Soak),
    Check::client(
        "GROUP-FULL",
        &["5.9.1", "7.3.2"],
        [
            "a hundred and fifty people come one after the other and agree",
            "백쉰 명이 차례로 들어와 일치함",
        ],
        [
            "A hundred and fifty clients; everybody writes once.",
            "One state, and a hundred and fifty equal lists.",
        ],
        |scene| Box::pin(many(scene, 150)),
    )
    .takes(Profile::Soak)
    .alone(),
    Check::client(
        "GROUP-NOT-ADMITTED",
        &["7.2.6"],
        [
            "who follows an invite stays outside until a person lets them in",
            "초대 링크를 따라온 사람도 승인 전에는 들어오지 못함",
        ],
        [
            "Cat follows an invite; nobody lets her in; they talk for ten seconds. Then somebody does.",
            "Until then nobody but two is in the group, and Cat shows nothing of it.",
        ],
        |scene| Box::pin(not_admitted(scene)),
    ),
];

async fn order(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(3).await?;
    let texts = talk(&mut people, &group, 5, "m").await?;
    same_lists(&mut people, &group, &texts).await
}

/// Everybody writes so often, in turn.
async fn talk(
    people: &mut [Person],
    group: &str,
    rounds: usize,
    word: &str,
) -> Result<Vec<String>, Finding> {
    let mut texts = Vec::new();
    for round in 0..rounds {
        for person in people.iter_mut() {
            let text = format!("{word} {round} of {}", person.name);
            person.say(group, &text).await?;
            texts.push(text);
        }
    }
    Ok(texts)
}

async fn same_lists(people: &mut [Person], group: &str, texts: &[String]) -> Outcome {
    all_have(people, group, texts).await?;
    let wait = Wait::of_many("all lists are equal", people.len());
    loop {
        let mut lists = Vec::new();
        for person in people.iter_mut() {
            let mut list = person.messages(group).await?;
            list.retain(|message| texts.contains(&message.text));
            lists.push(list);
        }
        let ids: BTreeSet<_> = lists.iter().flatten().map(|message| &message.id).collect();
        must(ids.len() == texts.len(), || {
            format!("{} ids for {} messages", ids.len(), texts.len())
        })?;
        if lists.iter().all(|list| Some(list) == lists.first()) {
            return Ok(format!("{} lists of {} messages", lists.len(), texts.len()));
        }
        wait.more().await?;
    }
}

fn three(people: &mut Vec<Person>) -> Result<[Person; 3], Finding> {
    let people: Result<[Person; 3], _> = std::mem::take(people).try_into();
    people.map_err(|_| Finding::not_seen("three people were to come"))
}

async fn newcomer(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    let before = talk(&mut people, &group, 3, "before").await?;
    all_have(&mut people, &group, &before).await?;
    let mut cat = scene.person("Cat").await?;
    if let Some(ann) = people.first_mut() {
        ann.let_in(&group, &mut cat).await?;
    }
    people.push(cat);
    all_have_members(&mut people, &group, 3).await?;
    let after = talk(&mut people, &group, 2, "after").await?;
    all_have(&mut people, &group, &after).await?;
    tokio::time::sleep(SETTLES).await;
    let shown = match people.last_mut() {
        Some(cat) => cat.texts(&group).await?,
        None => Vec::new(),
    };
    must(before.iter().all(|text| !shown.contains(text)), || {
        "the newcomer shows what was said before".into()
    })?;
    Ok(format!(
        "{} messages of after, none of {}",
        after.len(),
        before.len()
    ))
}

async fn away(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(3).await?;
    let [mut ann, mut bob, mut cat] = three(&mut people)?;
    cat.close().await?;
    let mut texts = Vec::new();
    for n in 0..12 {
        let text = format!("while away {n}");
        ann.say(&group, &text).await?;
        texts.push(text);
    }
    all_have(std::slice::from_mut(&mut bob), &group, &texts).await?;
    ann.close().await?;
    cat.open().await?;
    all_have(std::slice::from_mut(&mut cat), &group, &texts).await?;
    Ok(format!(
        "{} messages from somebody who wrote none",
        texts.len()
    ))
}

async fn removed(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(3).await?;
    let [mut ann, bob, mut cat] = three(&mut people)?;
    let with = json!({ "group": group, "member": cat.account });
    ann.ask("remove", &with).await?;
    let mut pair = [ann, bob];
    all_have_members(&mut pair, &group, 2).await?;
    tokio::time::sleep(SETTLES).await;
    let before = scene.stand.carried().len();
    let texts = talk(&mut pair, &group, 4, "without").await?;
    all_have(&mut pair, &group, &texts).await?;
    let carried = scene.stand.carried();
    let topics: BTreeSet<_> = carried.iter().skip(before).map(|one| one.topic).collect();
    let most = topics
        .iter()
        .map(|topic| scene.stand.attached(topic))
        .collect::<Vec<_>>();
    // The messages went over one of them; of that Cat cannot know.
    must(most.contains(&2), || {
        format!("every topic in use has {most:?} attachments: the removed one is there, too")
    })?;
    let shown = cat.texts(&group).await.unwrap_or_default();
    must(texts.iter().all(|text| !shown.contains(text)), || {
        "the removed one shows what was said after".into()
    })?;
    Ok(format!("{} messages that only two have", texts.len()))
}

async fn again(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(3).await?;
    let [mut ann, bob, mut cat] = three(&mut people)?;
    let with = json!({ "group": group, "member": cat.account });
    ann.ask("remove", &with).await?;
    let mut pair = [ann, bob];
    all_have_members(&mut pair, &group, 2).await?;
    let meanwhile = talk(&mut pair, &group, 2, "meanwhile").await?;
    all_have(&mut pair, &group, &meanwhile).await?;
    let [mut ann, bob] = pair;
    // Its own client may not have heard yet, and lists the group all the time.
    ann.let_in(&group, &mut cat).await?;
    let mut people = vec![ann, bob, cat];
    let wait = Wait::new("all three are in again");
    while people_know(&mut people, &group).await? != BTreeSet::from([3]) {
        if let Some(ann) = people.first_mut() {
            ann.ask("admit", &json!({})).await?;
        }
        wait.more().await?;
    }
    all_have_members(&mut people, &group, 3).await?;
    let after = talk(&mut people, &group, 2, "after").await?;
    all_have(&mut people, &group, &after).await?;
    let shown = match people.last_mut() {
        Some(cat) => cat.texts(&group).await?,
        None => Vec::new(),
    };
    must(meanwhile.iter().all(|text| !shown.contains(text)), || {
        "who was out shows what was said meanwhile".into()
    })?;
    Ok(format!(
        "{} of after, none of {} meanwhile",
        after.len(),
        meanwhile.len()
    ))
}

async fn people_know(people: &mut [Person], group: &str) -> Result<BTreeSet<usize>, Finding> {
    let mut counts = BTreeSet::new();
    for person in people {
        counts.insert(person.look(group).await?.members.len());
    }
    Ok(counts)
}

async fn fork(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(3).await?;
    let [mut ann, mut bob, mut cat] = three(&mut people)?;
    // Anybody may rename only if it is allowed to; the one who founded the group lets the other.
    ann.ask("promote", &json!({ "group": group, "member": bob.account }))
        .await?;
    let mut people = vec![ann, bob, cat];
    all_have_members(&mut people, &group, 3).await?;
    tokio::time::sleep(SETTLES).await;
    [ann, bob, cat] = three(&mut people)?;
    for person in [&mut bob, &mut cat] {
        person.close().await?;
    }
    ann.rename(&group, "By Ann").await?;
    ann.say(&group, "apart, Ann").await?;
    ann.close().await?;
    bob.open().await?;
    bob.rename(&group, "By Bob").await?;
    bob.say(&group, "apart, Bob").await?;
    let forked = bob.look(&group).await?;
    must(forked.name == "By Bob", || {
        format!("Bob's own change is not there: {}", forked.name)
    })?;
    ann.open().await?;
    cat.open().await?;
    let mut people = vec![ann, bob, cat];
    let texts = ["apart, Ann".to_owned(), "apart, Bob".to_owned()];
    all_have(&mut people, &group, &texts).await?;
    all_have_members(&mut people, &group, 3).await?;
    let after = talk(&mut people, &group, 1, "together").await?;
    all_have(&mut people, &group, &after).await?;
    let mut names = BTreeSet::new();
    for person in &mut people {
        names.insert(person.look(&group).await?.name);
    }
    must(names.len() == 1, || format!("several names: {names:?}"))?;
    Ok(format!("one state, called {names:?}"))
}

async fn many(scene: Scene, count: usize) -> Outcome {
    let (mut people, group) = scene.gather(count).await?;
    let texts = talk(&mut people, &group, 1, "one").await?;
    same_lists(&mut people, &group, &texts).await
}

async fn not_admitted(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    let mut cat = scene.person("Cat").await?;
    let Some(ann) = people.first_mut() else {
        return Err(Finding::not_seen("nobody is there"));
    };
    let invite = ann.ask("invite", &json!({ "group": group })).await?;
    cat.ask("join", &json!({ "invite": invite["invite"] }))
        .await?;
    let mut texts = Vec::new();
    for n in 0..20 {
        let text = format!("among two {n}");
        if let Some(ann) = people.first_mut() {
            ann.say(&group, &text).await?;
        }
        texts.push(text);
        let counts = people_know(&mut people, &group).await?;
        must(counts == BTreeSet::from([2]), || {
            format!("nobody let anybody in, and there are {counts:?} members")
        })?;
        let groups = cat.ask("groups", &json!({})).await?;
        must(!lists(&groups, &group), || {
            "who was not let in is in the group".into()
        })?;
        tokio::time::sleep(SETTLES / 4).await;
    }
    // The knock was there all the time: it opens the moment somebody says so.
    let wait = Wait::new("Cat is let in");
    while !lists(&cat.ask("groups", &json!({})).await?, &group) {
        if let Some(ann) = people.first_mut() {
            ann.ask("admit", &json!({})).await?;
        }
        wait.more().await?;
    }
    let shown = cat.texts(&group).await?;
    must(texts.iter().all(|text| !shown.contains(text)), || {
        "who came in shows what was said before".into()
    })?;
    Ok(format!("outside for {} messages, then let in", texts.len()))
}

fn lists(groups: &serde_json::Value, group: &str) -> bool {
    let groups = groups["groups"].as_array();
    groups.is_some_and(|groups| groups.iter().any(|entry| entry == group))
}

/// Long enough for what passes to have passed. Nothing that must happen is judged by it.
const SETTLES: Duration = Duration::from_secs(2);
