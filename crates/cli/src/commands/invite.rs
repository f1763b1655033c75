//! `sori invite`: a link and a QR code, and then the people who come.

use std::time::Duration;

use serde_json::json;
use sori_client::broadcast::error::RecvError;
use sori_client::{Client, Direction, Event, InviteOptions, JoinState, JoinView, QrMatrix};

use crate::args::InviteArgs;
use crate::commands::joins;
use crate::failure::Failure;
use crate::screen::{Format, Lines, Screen};
use crate::{find, show};

/// Makes an invite and, unless told not to, waits for people and asks about each.
pub(crate) async fn run(screen: Screen, client: &Client, args: InviteArgs) -> Result<(), Failure> {
    if screen.format == Format::Programs && !args.no_wait && !args.approve_all {
        return Err(Failure::Usage(
            screen.words().json_needs_no_questions.to_owned(),
        ));
    }
    let group = match &args.group {
        Some(typed) => Some(find::group(screen, client, typed).await?.group),
        None => None,
    };
    let uses = args.uses.or_else(|| group.is_none().then_some(1));
    let events = client.events();
    let options = InviteOptions {
        group,
        uses,
        expires_s: Some(args.expires),
    };
    let url = client.invite_create(options).await?;
    print(screen, &url)?;
    if args.no_wait {
        return screen.say(screen.words().invite_no_wait);
    }
    if args.approve_all {
        screen.warn(screen.words().approve_all_warning);
    }
    screen.say(screen.words().invite_waiting)?;
    let mut door = Door {
        screen,
        client,
        events,
        approve_all: args.approve_all,
        answers: None,
    };
    let waiting = door.wait(uses);
    tokio::select! {
        outcome = tokio::time::timeout(Duration::from_secs(args.expires), waiting) => match outcome {
            Ok(outcome) => outcome,
            Err(_expired) => Ok(()),
        },
        () = sori_client::asked_to_end() => Ok(()),
    }
}

/// The QR code if a person looks at it, and below it, where it stays in sight, the link.
pub(crate) fn print(screen: Screen, url: &str) -> Result<(), Failure> {
    screen.report(&json!({ "url": url }))?;
    // A link too long for a code still works as a link.
    if let (true, Ok(matrix)) = (crate::screen::is_interactive(), QrMatrix::new(url)) {
        screen.say(&show::qr(&matrix))?;
    }
    screen.say(screen.words().invite_link)?;
    screen.say(&format!("\n{url}\n"))
}

/// Where people come in.
struct Door<'a> {
    screen: Screen,
    client: &'a Client,
    events: sori_client::broadcast::Receiver<Event>,
    approve_all: bool,
    answers: Option<Lines>,
}

impl Door<'_> {
    /// Answers people until `uses` of them are in.
    async fn wait(&mut self, uses: Option<u32>) -> Result<(), Failure> {
        let mut left = uses;
        let mut seen = std::collections::BTreeSet::new();
        while left != Some(0) {
            for join in self.next().await? {
                if seen.insert(join.id.clone()) && self.answer(&join).await? {
                    left = left.map(|left| left.saturating_sub(1));
                }
            }
        }
        Ok(())
    }

    /// Those who ask now: whoever an event tells of, or all if events were lost.
    async fn next(&mut self) -> Result<Vec<JoinView>, Failure> {
        loop {
            match self.events.recv().await {
                Ok(Event::JoinRequested { join }) => return Ok(vec![join]),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    let mut joins = self.client.join_list().await?;
                    joins.retain(|join| {
                        join.direction == Direction::Incoming && join.state == JoinState::Waiting
                    });
                    return Ok(joins);
                }
                Err(RecvError::Closed) => return Err(super::stopped(self.screen, self.client)),
            }
        }
    }

    /// Whether this one was let in.
    async fn answer(&mut self, join: &JoinView) -> Result<bool, Failure> {
        let words = self.screen.words();
        let name = show::name(words, &join.name);
        self.screen.say_with(words.asks, &[&name, &join.code])?;
        if !self.approve_all {
            let question = crate::words::fill(words.asks_question, &[&name]);
            let answers = self.answers.get_or_insert_with(Lines::open);
            if !self.screen.ask(&question, answers).await? {
                self.client.join_deny(&join.id).await?;
                self.screen.say_with(words.denied, &[&name])?;
                return Ok(false);
            }
        }
        joins::approve(self.screen, self.client, &join.id).await?;
        Ok(true)
    }
}
