//! A relay that cheats: what it does is noticed or harmless.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::catalogue::Check;
use crate::client::person::Person;
use crate::client::scene::{Scene, all_have, all_have_members};
use crate::client::session;
use crate::client::stand::Malice;
use crate::finding::{Finding, Outcome, must};

/// A check that people talk as ever while the relay does this.
macro_rules! cheat {
    ($id:literal, $clauses:expr, $english:literal, $korean:literal, $sent:literal, $malice:ident) => {
        Check::client(
            $id,
            $clauses,
            [$english, $korean],
            [
                $sent,
                "Everybody shows every message once, in one order and one state of the group.",
            ],
            |scene| Box::pin(under(scene, Malice::$malice)),
        )
    };
}

/// The table.
pub(crate) const CHECKS: &[Check] = &[
    cheat!(
        "CHEAT-TWICE",
        &["5.9.1"],
        "frames that come twice are shown once",
        "두 번 온 데이터는 한 번만 보임",
        "Three people talk; every frame is handed out twice.",
        Twice
    ),
    cheat!(
        "CHEAT-ECHO",
        &["5.9.1"],
        "own frames that come back change nothing",
        "되돌아온 자기 데이터는 아무것도 바꾸지 않음",
        "Three people talk; every frame is handed to its sender, too.",
        Echo
    ),
    cheat!(
        "CHEAT-LOSS",
        &["5.9.1", "6.1.1"],
        "what a relay drops comes by another way",
        "버려진 데이터는 다른 길로 옴",
        "Three people talk; every third frame is dropped, and the sender is told that it arrived.",
        Loss
    ),
    cheat!(
        "CHEAT-SWAP",
        &["5.9.1"],
        "the order of frames plays no part",
        "데이터의 순서는 상관없음",
        "Three people talk; frames come in pairs, the later one first.",
        Swap
    ),
    cheat!(
        "CHEAT-BEND",
        &["4.2.4"],
        "a frame with a bit turned is dropped",
        "한 비트가 바뀐 데이터는 버려짐",
        "Three people talk; before every frame comes one with a bit turned.",
        Bend
    ),
    cheat!(
        "CHEAT-MIX",
        &["4.2.1", "4.2.4"],
        "a frame of one topic says nothing on another",
        "다른 주제의 데이터는 버려짐",
        "Three people talk; every frame is handed out on all topics.",
        Mix
    ),
    cheat!(
        "CHEAT-FLATTER",
        &["2.4.4", "6.3.2"],
        "a relay's word that many have it is no receipt",
        "중계 서버의 말은 수신 확인이 아님",
        "Three people talk; the relay says of every frame that a thousand have got it.",
        Flatter
    ),
    cheat!(
        "CHEAT-LATE",
        &["5.9.1"],
        "what comes late changes nothing",
        "늦게 온 데이터도 아무것도 바꾸지 않음",
        "Three people talk; everything that the relay says comes three seconds late.",
        Late
    ),
    cheat!(
        "CHEAT-SPLIT",
        &["5.9.1", "5.4.2", "6.1.1"],
        "people who were kept apart have the same when they meet",
        "서로 떨어져 있던 사람들도 다시 만나면 같은 내용을 가짐",
        "Three people talk; the relay hands on frames between every second connection only, for a while.",
        Split
    ),
    cheat!(
        "CHEAT-HANG-UP",
        &["5.9.1", "6.1.1"],
        "a relay that ends connections loses nothing",
        "연결을 끊어도 잃는 것이 없음",
        "Three people talk; the connection of whoever published ends with every fifth frame, for a while.",
        HangUp
    ),
    cheat!(
        "CHEAT-GAP",
        &["5.9.1", "2.4.6"],
        "a relay that speaks of gaps stops nobody",
        "데이터가 빠졌다고 거짓으로 알려도 대화가 멈추지 않음",
        "Three people talk; after every frame all are told that frames are missing.",
        Gap
    ),
    cheat!(
        "CHEAT-REFUSE",
        &["5.9.1", "2.6.1"],
        "what a relay refuses goes later",
        "거절당한 데이터는 나중에 전달됨",
        "Three people talk; the relay refuses two of three frames for a while.",
        Refuse
    ),
    Check::client(
        "CHEAT-NO-RECEIPT",
        &["6.3.2", "2.4.4"],
        [
            "a message that only the relay has taken does not count as delivered",
            "중계 서버만 받은 글은 전달된 것이 아님",
        ],
        [
            "Bob is away; the relay says that a thousand have got Ann's message, and keeps it; Ann is closed and opened; Bob comes back.",
            "Bob shows it: Ann did not take it for delivered.",
        ],
        |scene| Box::pin(no_receipt(scene)),
    ),
    Check::client(
        "CHEAT-AGAIN",
        &["5.9.1", "4.3.1"],
        [
            "everything said again changes nothing",
            "모두 다시 보내도 아무것도 바뀌지 않음",
        ],
        [
            "Three people meet and talk, somebody is removed; the relay says every frame of before again, three times.",
            "The same messages, members and state as before.",
        ],
        |scene| Box::pin(again(scene)),
    ),
    Check::client(
        "CHEAT-NOISE",
        &["4.2.4", "2.1.2", "2.1.5"],
        ["noise stops nobody", "잡음은 아무도 멈추지 못함"],
        [
            "Frames of random bytes of every size, and sessions with unknown messages, giant lengths, truncated bodies and handles that nobody has.",
            "The clients come back and talk as before.",
        ],
        |scene| Box::pin(noise(scene)),
    ),
];

async fn under(scene: Scene, malice: Malice) -> Outcome {
    let (mut people, group) = scene.gather(3).await?;
    scene.stand.behave(malice);
    let mut texts = Vec::new();
    for round in 0..4 {
        for person in &mut people {
            let text = format!("{round} of {}", person.name);
            person.say(&group, &text).await?;
            texts.push(text);
        }
    }
    let ann = people
        .first_mut()
        .ok_or_else(|| Finding::not_seen("nobody is there"))?;
    ann.rename(&group, "Renamed").await?;
    if matches!(
        malice,
        Malice::Loss | Malice::Swap | Malice::Split | Malice::HangUp | Malice::Refuse
    ) {
        // Those who said nothing more find out by asking; that may take a while, and is not judged here.
        tokio::time::sleep(Duration::from_secs(5)).await;
        scene.stand.behave(Malice::None);
    }
    all_have(&mut people, &group, &texts).await?;
    all_have_members(&mut people, &group, 3).await?;
    once(&mut people, &group).await?;
    Ok(format!("{} messages and a change", texts.len()))
}

/// Equal lists, without a message that stands in it twice.
async fn once(people: &mut [Person], group: &str) -> Result<(), Finding> {
    for person in people {
        let shown = person.messages(group).await?;
        let ids: BTreeSet<_> = shown.iter().map(|message| &message.id).collect();
        let texts: BTreeSet<_> = shown
            .iter()
            .map(|message| (&message.from, &message.text))
            .collect();
        must(
            ids.len() == shown.len() && texts.len() == shown.len(),
            || format!("{} shows a message twice", person.name),
        )?;
    }
    Ok(())
}

async fn no_receipt(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    if let Some(bob) = people.get_mut(1) {
        bob.close().await?;
    }
    scene.stand.behave(Malice::Flatter);
    if let Some(ann) = people.first_mut() {
        ann.say(&group, "for Bob").await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        ann.close().await?;
        ann.open().await?;
    }
    if let Some(bob) = people.get_mut(1) {
        bob.open().await?;
    }
    all_have(&mut people, &group, &["for Bob".to_owned()]).await?;
    Ok("it arrived".to_owned())
}

async fn again(scene: Scene) -> Outcome {
    let (people, group) = scene.gather(3).await?;
    let Ok([mut ann, bob, cat]) = <[Person; 3]>::try_from(people) else {
        return Err(Finding::not_seen("three people were to come"));
    };
    ann.say(&group, "with three").await?;
    let with = json!({ "group": group, "member": cat.account });
    ann.ask("remove", &with).await?;
    let mut pair = [ann, bob];
    all_have_members(&mut pair, &group, 2).await?;
    for person in &mut pair {
        person
            .say(&group, &format!("with two, {}", person.name))
            .await?;
    }
    let texts = ["with two, Ann".to_owned(), "with two, Bob".to_owned()];
    all_have(&mut pair, &group, &texts).await?;
    let mut before = Vec::new();
    for person in &mut pair {
        before.push((person.look(&group).await?, person.texts(&group).await?));
    }
    let carried = scene.stand.carried();
    for _ in 0..3 {
        scene.stand.say_again(&carried);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for (person, before) in pair.iter_mut().zip(before) {
        let now = (person.look(&group).await?, person.texts(&group).await?);
        must(now == before, || {
            format!("{} shows something else", person.name)
        })?;
    }
    drop(cat);
    Ok(format!("{} frames, three times", carried.len()))
}

async fn noise(scene: Scene) -> Outcome {
    let (mut people, group) = scene.gather(2).await?;
    let topics: BTreeSet<_> = scene.stand.carried().iter().map(|one| one.topic).collect();
    for n in 0..64_u32 {
        let len = if n % 2 == 0 {
            512 << (n % 8)
        } else {
            1 << (n % 17)
        };
        let frame: Vec<u8> = (0_usize..len)
            .map(|at| (at.wrapping_mul(167) >> 3).to_le_bytes()[0])
            .collect();
        let frames: Vec<_> = topics
            .iter()
            .map(|topic| crate::client::stand::Carried {
                topic: *topic,
                frame: frame.clone(),
            })
            .collect();
        scene.stand.say_again(&frames);
    }
    let wrong: [&[u8]; 6] = [
        &[0, 0, 0, 1, 99],
        &[0xff; 64],
        &[0x7f, 0xff, 0xff, 0xff, 0],
        &[0, 0, 0, 3, 3, 1, 0xff],
        &[0, 0, 0, 2, 0, 0x80],
        &session::deliver(9_999, b"for nobody"),
    ];
    for bytes in wrong {
        scene.stand.send(bytes);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    for person in &mut people {
        person
            .say(&group, &format!("still here, {}", person.name))
            .await?;
    }
    let texts = ["still here, Ann".to_owned(), "still here, Bob".to_owned()];
    all_have(&mut people, &group, &texts).await?;
    once(&mut people, &group).await?;
    Ok(format!(
        "{} topics with noise, {} malformed sessions",
        topics.len(),
        wrong.len()
    ))
}
