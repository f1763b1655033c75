//! `sori joins`: who waits for an answer, and the answer.

use std::time::Duration;

use serde_json::json;
use sori_client::broadcast::error::RecvError;
use sori_client::{Client, Direction, Event, JoinState, JoinView};

use crate::args::JoinAnswer;
use crate::failure::Failure;
use crate::screen::Screen;
use crate::show;

/// Lists joins, or answers one.
pub(crate) async fn run(
    screen: Screen,
    client: &Client,
    answer: Option<JoinAnswer>,
) -> Result<(), Failure> {
    match answer {
        None => list(screen, client).await,
        Some(JoinAnswer::Approve { id }) => approve(screen, client, &id).await,
        Some(JoinAnswer::Deny { id }) => {
            let join = find(client, &id).await;
            client.join_deny(&id).await?;
            let name = show::name(
                screen.words(),
                &join.map(|join| join.name).unwrap_or_default(),
            );
            screen.say_with(screen.words().denied, &[&name])
        }
    }
}

/// Lets somebody in and waits a moment until they are.
pub(crate) async fn approve(screen: Screen, client: &Client, id: &str) -> Result<(), Failure> {
    let words = screen.words();
    let mut events = client.events();
    // A request that was answered is no longer listed, so its name is read before.
    let join = find(client, id).await;
    client.join_approve(id).await?;
    let name = show::name(words, &join.map(|join| join.name).unwrap_or_default());
    screen.say_with(words.approved, &[&name])?;
    let over = async {
        loop {
            match events.recv().await {
                Ok(Event::JoinChanged { join }) if join.id == id && is_over(join.state) => {
                    return Ok(join);
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err(super::stopped(screen, client)),
            }
        }
    };
    let Ok(outcome) = tokio::time::timeout(IN_WAIT, over).await else {
        return screen.say_with(words.not_in_yet, &[&name]);
    };
    let join = outcome?;
    screen.report(&json!({ "join": join }))?;
    let is_in = join.state == JoinState::Done;
    screen.say_with(if is_in { words.is_in } else { words.denied }, &[&name])
}

const fn is_over(state: JoinState) -> bool {
    matches!(
        state,
        JoinState::Denied | JoinState::Done | JoinState::Expired
    )
}

/// The join with this id, if it is still listed.
pub(crate) async fn find(client: &Client, id: &str) -> Option<JoinView> {
    let joins = client.join_list().await.ok()?;
    joins.into_iter().find(|join| join.id == id)
}

async fn list(screen: Screen, client: &Client) -> Result<(), Failure> {
    let words = screen.words();
    let joins = client.join_list().await?;
    screen.report(&json!({ "joins": joins }))?;
    if joins.is_empty() {
        return screen.say(words.joins_none);
    }
    for join in &joins {
        let way = match join.direction {
            Direction::Incoming => words.join_incoming,
            Direction::Outgoing => words.join_outgoing,
        };
        let name = show::name(words, &join.name);
        screen.say(&format!("{name}  ({way}, {})  {}", join.code, join.id))?;
    }
    Ok(())
}

/// How long to wait for somebody approved to come in.
const IN_WAIT: Duration = Duration::from_secs(20);
