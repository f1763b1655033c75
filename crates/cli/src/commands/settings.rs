//! `sori settings`: what others are told about this device.

use sori_client::Client;

use crate::failure::Failure;
use crate::screen::Screen;

/// Changes what is given, then shows all.
pub(crate) async fn run(
    screen: Screen,
    client: &Client,
    read_receipts: Option<bool>,
) -> Result<(), Failure> {
    if let Some(told) = read_receipts {
        client.settings_read_receipts(told).await?;
    }
    let settings = client.settings().await?;
    screen.report(&settings)?;
    let words = screen.words();
    screen.say(match settings.read_receipts {
        true => words.read_receipts_on,
        false => words.read_receipts_off,
    })
}
