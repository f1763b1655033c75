//! `sori relay`: show or set the profile's relay, and say whether it answers.

use std::time::Duration;

use sori_client::broadcast::error::RecvError;
use sori_client::{Client, ConnectionView, Event};

use crate::failure::Failure;
use crate::screen::Screen;

/// Sets the relay if one is given, then waits a moment for its answer.
pub(crate) async fn run(
    screen: Screen,
    client: &Client,
    url: Option<String>,
) -> Result<(), Failure> {
    if let Some(url) = &url {
        client.relay_set(url).await?;
    }
    let words = screen.words();
    let connection = answer(client).await?;
    screen.report(&connection)?;
    let Some(relay) = &connection.relay else {
        return screen.say(words.relay_none);
    };
    if connection.state == "connected" {
        return screen.say_with(words.relay_connected, &[relay]);
    }
    let trouble = connection.trouble;
    let why = trouble.map_or_else(
        || words.relay_no_answer.to_owned(),
        |trouble| screen.language.trouble(trouble),
    );
    screen.say_with(words.relay_offline, &[relay, &why])
}

/// The connection once it is settled, or as it is after [`ANSWER_WAIT`].
async fn answer(client: &Client) -> Result<ConnectionView, Failure> {
    let mut events = client.events();
    let settled = async {
        loop {
            let connection = client.connection().await?;
            let is_settled = matches!(connection.state.as_str(), "connected" | "none");
            if is_settled || connection.trouble.is_some() {
                return Ok(connection);
            }
            // Any event may be the one; the state is read again in any case.
            while !matches!(
                events.recv().await,
                Ok(Event::ConnectionChanged { .. }) | Err(RecvError::Closed)
            ) {}
        }
    };
    match tokio::time::timeout(ANSWER_WAIT, settled).await {
        Ok(connection) => connection,
        Err(_elapsed) => Ok(client.connection().await?),
    }
}

/// How long an answer may take before it is said that there is none yet.
const ANSWER_WAIT: Duration = Duration::from_secs(11);
