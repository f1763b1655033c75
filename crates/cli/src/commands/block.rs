//! `sori block`: whose messages are hidden on this device.

use serde_json::json;
use sori_client::Client;

use crate::failure::Failure;
use crate::screen::Screen;
use crate::{find, show};

/// Hides what somebody writes, shows it again, or lists who is hidden.
pub(crate) async fn run(
    screen: Screen,
    client: &Client,
    person: Option<&str>,
    blocked: bool,
) -> Result<(), Failure> {
    let words = screen.words();
    let Some(typed) = person else {
        let hidden = client.blocked_list().await?;
        screen.report(&json!({ "blocked": hidden }))?;
        if hidden.is_empty() {
            return screen.say(words.blocked_none);
        }
        for person in &hidden {
            screen.say(&format!(
                "{}  {}",
                show::name(words, &person.name),
                person.id
            ))?;
        }
        return Ok(());
    };
    let (id, name) = find::person(screen, client, typed).await?;
    client.member_block(&id, blocked).await?;
    screen.report(&json!({ "id": id, "blocked": blocked }))?;
    let said = if blocked {
        words.blocked
    } else {
        words.unblocked
    };
    screen.say_with(said, &[&show::name(words, &name)])
}
