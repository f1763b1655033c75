//! The conversation itself.

use serde_json::{Value, json};

use super::talk::Talk;
use super::{Actor, Stage};
use crate::error::Error;
use crate::meeting;
use crate::rpc::Rpc;
use crate::step::Steps;

const HANA: Actor = Actor {
    name: "하나 (Hana)",
    folder: "person-1",
};
const DURI: Actor = Actor {
    name: "두리 (Duri)",
    folder: "person-2",
};
const SENA: Actor = Actor {
    name: "세나 (Sena)",
    folder: "person-3",
};

const GROUP: &str = "Saturday walk";
const NEW_GROUP: &str = "토요일 산책";

/// What the owner writes while one member is away.
const WHILE_AWAY: [&str; 4] = [
    "Change of plan: let us meet at ten.",
    "북문에서 만나요. 버스 정류장 맞은편이에요.",
    "우산도 챙기세요, 오후에 비가 온대요.",
    "And bring the big thermos, please.",
];

/// What was said, for those who look for it afterwards.
#[derive(Debug)]
pub(super) struct Played {
    /// The id of the group.
    pub(super) group: String,
    /// Every text that was sent, in the order that all agreed on.
    pub(super) texts: Vec<&'static str>,
    /// Names of people and of the group, old and new.
    pub(super) names: Vec<&'static str>,
    /// The three processes, still running.
    pub(super) people: [Rpc; 3],
}

/// Plays it; every line that is printed has been seen to happen.
pub(super) async fn play(stage: &Stage<'_>, steps: &mut Steps) -> Result<Played, Error> {
    let mut hana = stage.enter(HANA)?;
    let mut duri = stage.enter(DURI)?;
    let mut sena = stage.enter(SENA)?;

    steps.next("Three people meet");
    let mut talk = meet(stage, [&mut hana, &mut duri, &mut sena]).await?;

    steps.next("They talk");
    talk.say(&mut hana, "안녕하세요, 제 소리 들려요?").await?;
    talk.heard([&mut duri, &mut sena]).await?;
    talk.say(&mut duri, "Loud and clear. Are we walking on Saturday?")
        .await?;
    talk.heard([&mut hana, &mut sena]).await?;
    talk.say(&mut sena, "저도 갈래요! 잠깐 나갔다 올게요.")
        .await?;
    talk.heard([&mut hana, &mut duri]).await?;

    steps.next(&format!("{SENA} is away, the others go on"));
    end(sena).await?;
    for text in WHILE_AWAY {
        talk.say(&mut hana, text).await?;
    }
    talk.rename(&mut hana, NEW_GROUP).await?;
    talk.caught_up(&mut duri).await?;

    steps.next(&format!("{HANA} leaves, then {SENA} comes back"));
    end(hana).await?;
    println!("   Only {DURI} is online now, who wrote none of what {SENA} missed.");
    let mut sena = stage.enter(SENA)?;
    talk.caught_up(&mut sena).await?;
    println!("   So nobody but {DURI} can have given it to {SENA}: the relay keeps nothing.");

    steps.next("All together again");
    let mut hana = stage.enter(HANA)?;
    talk.say(&mut sena, "다 받았어요. 토요일에 봐요!").await?;
    for person in [&mut hana, &mut duri, &mut sena] {
        talk.caught_up(person).await?;
    }
    agree(talk.group(), [&mut hana, &mut duri, &mut sena]).await?;

    Ok(Played {
        group: talk.group().to_owned(),
        texts: talk.said().to_vec(),
        names: vec![HANA.name, DURI.name, SENA.name, GROUP, NEW_GROUP],
        people: [hana, duri, sena],
    })
}

/// Accounts, the group, two invites with approval, and one state in the end.
async fn meet(stage: &Stage<'_>, mut people: [&mut Rpc; 3]) -> Result<Talk, Error> {
    for person in &mut people {
        let name = person.person().to_owned();
        meeting::introduce(person, &name, stage.relay.url()).await?;
        let process = person
            .id()
            .map_or_else(String::new, |id| format!(" (process {id})"));
        println!(
            "   {name}{process} has an account: a key made on the device, no number, no address"
        );
    }
    let [hana, duri, sena] = &mut people;
    let group = meeting::create_group(hana, GROUP).await?;
    println!("   {HANA} makes the group “{GROUP}”");
    for person in [&mut **duri, &mut **sena] {
        let name = person.person().to_owned();
        let joined = meeting::join(hana, person, &name, &group).await?;
        if joined.inviter_code != joined.joiner_code {
            return Err(Error::DidNotHold(format!(
                "{HANA} and {name} see the same code"
            )));
        }
        println!(
            "   {name} follows an invite, both sides show the code {}, and {HANA} lets {name} in",
            joined.joiner_code
        );
    }
    agree(&group, people).await?;
    Ok(Talk::begin(group, GROUP))
}

/// Ends a process as a person who closes the program would.
async fn end(person: Rpc) -> Result<(), Error> {
    let name = person.person().to_owned();
    let status = person.shut_down().await?;
    if !status.success() {
        return Err(Error::DidNotHold(format!(
            "the process of {name} ends well ({status})"
        )));
    }
    println!("   The process of {name} has ended.");
    Ok(())
}

/// Waits until all of them name the same group state, with all of them in it.
async fn agree(group: &str, people: [&mut Rpc; 3]) -> Result<(), Error> {
    let wanted = people.len();
    let mut agreed: Option<Value> = None;
    for person in people {
        let known = agreed.clone();
        let question = ("group.info", json!({ "group": group }));
        let state = person
            .until("the state of the others", question, |answer| {
                let all_in = meeting::list(answer, "members").count() == wanted;
                let state = &answer["state_hash"];
                let same = known.as_ref().is_none_or(|known| known == state);
                (all_in && state.is_string() && same).then(|| state.clone())
            })
            .await?;
        agreed = Some(state);
    }
    let state = agreed.as_ref().and_then(Value::as_str).unwrap_or_default();
    let short: String = state.chars().take(16).collect();
    println!("   All {wanted} are at the same group state, {short}…");
    Ok(())
}
