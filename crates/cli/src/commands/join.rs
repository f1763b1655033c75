//! `sori join`: follow an invite until it is answered.

use std::time::Duration;

use serde_json::json;
use sori_client::broadcast::error::RecvError;
use sori_client::{Client, Event, JoinState, JoinView, Trouble};

use crate::commands::joins;
use crate::failure::Failure;
use crate::screen::Screen;
use crate::show;

/// Knocks, shows the code, and waits until the other side has answered.
pub(crate) async fn run(
    screen: Screen,
    client: &Client,
    url: &str,
    timeout: Option<u64>,
) -> Result<(), Failure> {
    let mut events = client.events();
    let id = client.invite_accept(url).await?;
    let mut told = Told::default();
    let answered = async {
        let mut join = joins::find(client, &id).await;
        loop {
            if let Some(join) = &join
                && let Some(outcome) = told.tell(screen, join)
            {
                return outcome;
            }
            join = match events.recv().await {
                Ok(Event::JoinChanged { join } | Event::JoinRequested { join })
                    if join.id == id =>
                {
                    Some(join)
                }
                Ok(Event::ConnectionChanged { connection }) => {
                    told.say_trouble(screen, connection.trouble)?;
                    None
                }
                Ok(_) => None,
                Err(RecvError::Lagged(_)) => joins::find(client, &id).await,
                Err(RecvError::Closed) => return Err(super::stopped(screen, client)),
            };
        }
    };
    let limit = async {
        match timeout {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let not_yet = || Failure::Failed(screen.words().join_waiting_ended.to_owned());
    tokio::select! {
        outcome = answered => outcome,
        () = limit => Err(not_yet()),
        () = sori_client::asked_to_end() => Err(not_yet()),
    }
}

/// What the person has been told so far.
#[derive(Default)]
struct Told {
    state: Option<JoinState>,
    code: String,
    trouble: Option<Trouble>,
}

impl Told {
    /// Says what is new about a join; gives the outcome when it is over.
    fn tell(&mut self, screen: Screen, join: &JoinView) -> Option<Result<(), Failure>> {
        let is_new = self.state.replace(join.state) != Some(join.state);
        let is_new_code = !join.code.is_empty() && self.code != join.code;
        if !is_new && !is_new_code {
            return None;
        }
        let said = screen
            .report(&json!({ "join": join }))
            .and_then(|()| self.say(screen, join, is_new));
        if let Err(failure) = said {
            return Some(Err(failure));
        }
        let words = screen.words();
        match join.state {
            JoinState::Approved | JoinState::Knocking | JoinState::Waiting => None,
            JoinState::Denied => Some(Err(Failure::Failed(words.join_denied.to_owned()))),
            JoinState::Done => Some(Ok(())),
            JoinState::Expired => Some(Err(Failure::Failed(words.join_expired.to_owned()))),
        }
    }

    /// Says once why the relay cannot be reached.
    fn say_trouble(&mut self, screen: Screen, trouble: Option<Trouble>) -> Result<(), Failure> {
        let is_new = std::mem::replace(&mut self.trouble, trouble) != trouble;
        match trouble {
            Some(trouble) if is_new => screen.say_with(
                screen.words().join_offline,
                &[&screen.language.trouble(trouble)],
            ),
            Some(_) | None => Ok(()),
        }
    }

    fn say(&mut self, screen: Screen, join: &JoinView, is_new: bool) -> Result<(), Failure> {
        let words = screen.words();
        if !join.code.is_empty() && self.code != join.code {
            self.code.clone_from(&join.code);
            screen.say_with(
                words.join_code,
                &[&join.code, &show::name(words, &join.name)],
            )?;
        }
        match join.state {
            JoinState::Knocking if is_new => screen.say(words.join_knocking),
            JoinState::Approved if is_new => screen.say(words.join_approved),
            JoinState::Done => screen.say(words.join_done),
            JoinState::Approved
            | JoinState::Denied
            | JoinState::Expired
            | JoinState::Knocking
            | JoinState::Waiting => Ok(()),
        }
    }
}
