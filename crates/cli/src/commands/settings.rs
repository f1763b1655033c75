//! `sori settings`: what others are told about this device, and how much it keeps for them.

use sori_client::Client;

use crate::failure::Failure;
use crate::screen::Screen;

/// Changes what is given, then shows all.
pub(crate) async fn run(
    screen: Screen,
    client: &Client,
    read_receipts: Option<bool>,
    log_mib: Option<u32>,
    log_days: Option<u32>,
    typing: Option<bool>,
) -> Result<(), Failure> {
    if let Some(told) = read_receipts {
        client.settings_read_receipts(told).await?;
    }
    if let Some(mib) = log_mib {
        client.settings_log(mib).await?;
    }
    if let Some(days) = log_days {
        client.settings_log_days(days).await?;
    }
    if let Some(told) = typing {
        client.settings_typing(told).await?;
    }
    let settings = client.settings().await?;
    screen.report(&settings)?;
    let words = screen.words();
    screen.say(match settings.read_receipts {
        true => words.read_receipts_on,
        false => words.read_receipts_off,
    })?;
    screen.say(match settings.typing {
        true => words.typing_on,
        false => words.typing_off,
    })?;
    screen.say_with(words.log_kept, &[&settings.log_days.to_string()])?;
    match settings.log_mib {
        0 => Ok(()),
        mib => screen.say_with(words.log_bounded, &[&mib.to_string()]),
    }
}
