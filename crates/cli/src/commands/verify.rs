//! `sori verify`: compare safety numbers.

use serde_json::json;
use sori_client::Client;

use crate::failure::Failure;
use crate::screen::{Format, Lines, Screen};
use crate::{find, show};

/// Shows the safety number and notes that it was compared.
pub(crate) async fn run(
    screen: Screen,
    client: &Client,
    contact: &str,
    yes: bool,
) -> Result<(), Failure> {
    let words = screen.words();
    let contact = find::contact(screen, client, contact).await?;
    let name = show::name(words, &contact.name);
    if yes && !contact.verified {
        client.contact_verify(&contact.id).await?;
    }
    if screen.format == Format::Programs {
        let verified = contact.verified || yes;
        let number = &contact.safety_number;
        return screen
            .report(&json!({ "id": contact.id, "verified": verified, "safety_number": number }));
    }
    screen.say_with(words.safety_number, &[&name])?;
    screen.say(&in_rows(&contact.safety_number))?;
    screen.say_with(words.safety_explain, &[&name])?;
    if contact.verified {
        return screen.say_with(words.safety_already, &[&name]);
    }
    if yes {
        return screen.say_with(words.safety_verified, &[&name]);
    }
    if !screen
        .ask(words.safety_question, &mut Lines::open())
        .await?
    {
        return screen.say_with(words.safety_not_verified, &[&name]);
    }
    client.contact_verify(&contact.id).await?;
    screen.say_with(words.safety_verified, &[&name])
}

/// Twelve groups of five digits in three rows of four.
fn in_rows(number: &str) -> String {
    let groups: Vec<&str> = number.split_whitespace().collect();
    let rows: Vec<String> = groups
        .chunks(4)
        .map(|row| format!("    {}", row.join(" ")))
        .collect();
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_number_is_shown_in_rows_of_four() {
        let rows = super::in_rows("11111 22222 33333 44444 55555 66666");
        assert_eq!(rows, "    11111 22222 33333 44444\n    55555 66666");
    }
}
