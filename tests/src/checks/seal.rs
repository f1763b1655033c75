//! What the operator of a relay sees of clients.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::Check;
use crate::client::person::Person;
use crate::client::scene::{Scene, all_have, all_have_members};
use crate::client::stand::Carried;
use crate::finding::{Finding, Outcome, must};
use crate::inspect::needle::Needle;

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    Check::client(
        "SEAL-TEXT",
        &["4.2.1", "7.2.2"],
        [
            "nothing that people write or are called passes in the clear",
            "글과 이름이 암호화되지 않은 채 지나가지 않음",
        ],
        [
            "Two people meet, name a group and talk, with words that stand nowhere else; then a search of every frame.",
            "No message, group name or name of a person in any frame, raw, in hexadecimal or base64.",
        ],
        |scene| Box::pin(text(scene)),
    ),
    Check::client(
        "SEAL-SIZES",
        &["4.2.2"],
        [
            "frames have one of eight sizes, whatever is in them",
            "내용과 상관없이 데이터 크기는 여덟 가지뿐임",
        ],
        [
            "Texts of 1 to 70,000 bytes.",
            "Every frame is 512, 1024, .. or 65536 bytes long.",
        ],
        |scene| Box::pin(sizes(scene)),
    ),
    Check::client(
        "SEAL-UNLIKE",
        &["4.2.1"],
        [
            "the same words never look the same",
            "같은 말도 매번 다르게 보임",
        ],
        [
            "The same text six times; then a comparison of all frames.",
            "No two frames begin with the same 24 bytes, and none has 16 bytes in one place that another has there.",
        ],
        |scene| Box::pin(unlike(scene)),
    ),
    Check::client(
        "SEAL-SESSION",
        &["2.2.2", "2.1.3", "2.1.4"],
        [
            "the client speaks the relay protocol as it must",
            "단말이 중계 프로토콜을 바르게 씀",
        ],
        [
            "Three people meet and talk; the relay verifies every proof and reads every message strictly.",
            "No proof that does not verify, no message in another form than the one it has.",
        ],
        |scene| Box::pin(session(scene)),
    ),
    Check::client(
        "SEAL-TOPICS",
        &["4.1.2"],
        [
            "two groups of the same people have nothing in common",
            "같은 사람들의 두 그룹이 연결되지 않음",
        ],
        [
            "Two people in two groups; a message in each.",
            "The messages travel on different topics.",
        ],
        |scene| Box::pin(topics(scene)),
    ),
    Check::client(
        "SEAL-TWO-RELAYS",
        &["4.1.2", "4.2.1"],
        [
            "two relays of one group can join nothing but its topics of a day",
            "두 중계 서버가 맞추어 볼 수 있는 것은 그룹의 그날 토픽뿐임",
        ],
        [
            "Two people talk at one relay, move to another and talk there; then a comparison of all that both saw.",
            "Frames that are not the very same have no 16 bytes in common at one place; topics in common are the group's own and no more than it listens to.",
        ],
        |scene| Box::pin(two_relays(scene)),
    ),
];

async fn text(scene: Scene) -> Outcome {
    let (ann_name, said, called) = (
        scene.canary("name"),
        scene.canary("said"),
        scene.canary("group"),
    );
    let mut ann = scene.person(&ann_name).await?;
    let mut bob = scene.person("Bob").await?;
    let group = ann.create(&called).await?;
    ann.let_in(&group, &mut bob).await?;
    ann.say(&group, &said).await?;
    let mut people = [ann, bob];
    all_have(&mut people, &group, std::slice::from_ref(&said)).await?;
    let needles = [
        Needle::printed("a message", said.as_bytes()),
        Needle::printed("a group's name", called.as_bytes()),
        Needle::printed("a person's name", ann_name.as_bytes()),
    ];
    let carried = scene.stand.carried();
    for needle in &needles {
        must(
            carried.iter().all(|one| needle.count(&one.frame) == 0),
            || format!("{} is in a frame", needle.name),
        )?;
    }
    Ok(format!("nothing in {} frames", carried.len()))
}

async fn sizes(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    let mut texts = Vec::new();
    for len in [1, 60, 300, 700, 1500, 3000, 7000, 15_000, 30_000] {
        let text = format!("{len} {}", "x".repeat(len));
        say(&mut people, 0, &group, &text).await?;
        texts.push(text);
    }
    all_have(&mut people, &group, &texts).await?;
    let carried = scene.stand.carried();
    let sizes: BTreeSet<usize> = carried.iter().map(|one| one.frame.len()).collect();
    must(
        sizes
            .iter()
            .all(|len| len.is_power_of_two() && (512..=65_536).contains(len)),
        || format!("frames of {sizes:?} bytes"),
    )?;
    Ok(format!("{} frames of {sizes:?} bytes", carried.len()))
}

async fn unlike(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    for _ in 0..6 {
        say(&mut people, 0, &group, "the same").await?;
    }
    let carried = scene.stand.carried();
    for (n, one) in carried.iter().enumerate() {
        for other in carried.iter().skip(n.saturating_add(1)) {
            have_nothing_in_common(one, other)?;
        }
    }
    Ok(format!("{} frames, each unlike all others", carried.len()))
}

fn have_nothing_in_common(one: &Carried, other: &Carried) -> Result<(), Finding> {
    // Said again, as it is, by a device that was not heard the first time.
    if one.frame == other.frame {
        return Ok(());
    }
    let mut pairs = one.frame.chunks_exact(16).zip(other.frame.chunks_exact(16));
    must(pairs.all(|(one, other)| one != other), || {
        "two frames have 16 bytes in common at one place".into()
    })
}

async fn two_relays(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    say(&mut people, 0, &group, "here").await?;
    all_have(&mut people, &group, &["here".to_owned()]).await?;
    for person in &mut people {
        person.close().await?;
    }
    let first = scene.stand.carried();
    let other = scene.another_stand().await?;
    for person in &mut people {
        person.relay.clone_from(&other.url);
        person.open().await?;
    }
    say(&mut people, 1, &group, "there").await?;
    all_have(&mut people, &group, &["there".to_owned()]).await?;
    let second = other.carried();
    if second.is_empty() {
        return Err(Finding::not_seen("nothing went over the other relay"));
    }
    for one in &first {
        for other in &second {
            have_nothing_in_common(one, other)?;
        }
    }
    let topics =
        |carried: &[Carried]| -> BTreeSet<_> { carried.iter().map(|one| one.topic).collect() };
    let (here, there) = (topics(&first), topics(&second));
    let shared: Vec<_> = here.intersection(&there).collect();
    let on_shared = first.iter().filter(|one| shared.contains(&&one.topic));
    let again = on_shared.filter(|one| second.iter().any(|other| one.frame == other.frame));
    must(shared.len() <= TOPICS_OF_A_GROUP, || {
        format!("{} topics in common", shared.len())
    })?;
    Ok(format!(
        "{} and {} frames, on {} and {} topics; in common: {} topics of the group, {} frames said again",
        first.len(),
        second.len(),
        here.len(),
        there.len(),
        shared.len(),
        again.count()
    ))
}

/// A group speaks on the topic of a day, around midnight on two, and for a while on those of a channel that it left.
const TOPICS_OF_A_GROUP: usize = 4;

async fn session(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(3).await?;
    say(&mut people, 1, &group, "hello").await?;
    all_have(&mut people, &group, &["hello".to_owned()]).await?;
    let (proofs, malformed) = scene.stand.mistakes();
    must(proofs == 0 && malformed == 0, || {
        format!("{proofs} proofs did not verify, {malformed} messages were none")
    })?;
    Ok(format!(
        "{} connections, no mistake",
        scene.stand.connections()
    ))
}

async fn topics(scene: Scene) -> Outcome {
    let (mut people, first) = scene.gather(2).await?;
    say(&mut people, 0, &first, "here").await?;
    all_have(&mut people, &first, &["here".to_owned()]).await?;
    let of_first: BTreeSet<_> = scene.stand.carried().iter().map(|one| one.topic).collect();
    let [ann, bob] = people.as_mut_slice() else {
        return Err(Finding::not_seen("two people were to come"));
    };
    let second = ann.create("Another").await?;
    ann.let_in(&second, bob).await?;
    all_have_members(&mut people, &second, 2).await?;
    let before = scene.stand.carried().len();
    let texts: Vec<String> = (0..12).map(|n| format!("there {n}")).collect();
    for text in &texts {
        say(&mut people, 0, &second, text).await?;
    }
    all_have(&mut people, &second, &texts).await?;
    let mut counts = BTreeMap::new();
    for one in scene.stand.carried().iter().skip(before) {
        let count: &mut usize = counts.entry(one.topic).or_default();
        *count = count.saturating_add(1);
    }
    // The one that the messages went over. The clients may say something else elsewhere meanwhile.
    let busiest = counts.iter().max_by_key(|(_, count)| **count);
    let (topic, count) = busiest.ok_or_else(|| Finding::not_seen("no message was seen"))?;
    must(!of_first.contains(topic), || {
        "messages of the second group go over a topic of the first".into()
    })?;
    Ok(format!("{count} frames on a topic of its own"))
}

async fn say(people: &mut [Person], who: usize, group: &str, text: &str) -> Result<(), Finding> {
    let person = people.get_mut(who);
    let person = person.ok_or_else(|| Finding::not_seen("nobody is there"))?;
    person.say(group, text).await.map(|_| ())
}
