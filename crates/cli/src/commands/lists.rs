//! `sori contacts` and `sori groups`.

use serde_json::json;
use sori_client::Client;

use crate::failure::Failure;
use crate::screen::Screen;
use crate::show;
use crate::words::fill;

/// Lists the contacts.
pub(crate) async fn contacts(screen: Screen, client: &Client) -> Result<(), Failure> {
    let contacts = client.contact_list().await?;
    screen.report(&json!({ "contacts": contacts }))?;
    let words = screen.words();
    if contacts.is_empty() {
        return screen.say(words.contacts_none);
    }
    for contact in &contacts {
        let verified = if contact.verified {
            words.verified
        } else {
            words.not_verified
        };
        screen.say(&format!(
            "{}  ({verified})  {}",
            show::name(words, &contact.name),
            contact.id
        ))?;
    }
    Ok(())
}

/// Lists the groups and conversations.
pub(crate) async fn groups(screen: Screen, client: &Client) -> Result<(), Failure> {
    let groups = client.group_list().await?;
    screen.report(&json!({ "groups": groups }))?;
    let words = screen.words();
    if groups.is_empty() {
        return screen.say(words.groups_none);
    }
    for group in &groups {
        let name = show::name(words, &group.name);
        let line = if group.active {
            fill(
                words.group_line,
                &[&name, &group.members.to_string(), &group.unread.to_string()],
            )
        } else if group.standing == "rejoining" {
            fill(words.group_line_rejoining, &[&name])
        } else if group.standing == "halted" {
            fill(words.group_line_halted, &[&name])
        } else {
            fill(words.group_line_left, &[&name])
        };
        let muted = match group.muted {
            true => format!("  [{}]", words.group_line_muted),
            false => String::new(),
        };
        screen.say(&format!("{line}{muted}  {}", group.group))?;
    }
    Ok(())
}
