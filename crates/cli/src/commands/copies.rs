//! `sori copies`: who has a message, by name.

use sori_client::{Client, MessageView, Notices, PersonView};

use crate::failure::Failure;
use crate::screen::Screen;
use crate::words::Words;
use crate::{find, show};

/// How many messages are looked through for the one that is meant.
const LOOKED_THROUGH: u32 = 1000;

/// Shows who has an own message and who does not.
pub(crate) async fn run(
    screen: Screen,
    client: &Client,
    group: &str,
    message: Option<&str>,
) -> Result<(), Failure> {
    let words = screen.words();
    let group = find::group(screen, client, group).await?.group;
    let lines = client
        .message_list_with(Notices::Left, &group, None, LOOKED_THROUGH)
        .await?;
    let meant =
        |line: &&MessageView| line.mine && message.is_none_or(|start| line.id.starts_with(start));
    let Some(line) = lines.iter().find(meant) else {
        return Err(Failure::Failed(words.copies_no_message.to_owned()));
    };
    let copies = client.message_copies(&group, &line.id).await?;
    screen.report(&copies)?;
    screen.say(&show::message(words, line))?;
    say_people(screen, words.copies_have, &copies.holders)?;
    say_people(screen, words.copies_lack, &copies.missing)?;
    if copies.missing.is_empty() && copies.members > 1 {
        return screen.say(words.copies_all);
    }
    screen.say(match copies.members {
        0 | 1 => words.sent_alone,
        _ => words.copies_wait,
    })
}

fn say_people(screen: Screen, template: &str, people: &[PersonView]) -> Result<(), Failure> {
    if people.is_empty() {
        return Ok(());
    }
    let words = screen.words();
    let names: Vec<String> = people.iter().map(|one| named(words, one)).collect();
    screen.say_with(template, &[&names.join(", ")])
}

fn named(words: &Words, person: &PersonView) -> String {
    let name = show::name(words, &person.name);
    match person.read {
        true => format!("{name} ({})", words.copies_read),
        false => name,
    }
}
