//! `sori chat`: a conversation in a plain terminal. Lines in, lines out; the terminal itself does
//! the editing, so every input method works, Hangul too.

use std::collections::BTreeSet;
use std::time::Duration;

use sori_client::broadcast::Receiver;
use sori_client::broadcast::error::RecvError;
use sori_client::{Client, Event, GroupView, InviteOptions, MessageView};
use tokio::time::Instant;

use crate::commands::invite;
use crate::failure::Failure;
use crate::screen::{Lines, Screen};
use crate::{find, show};

/// Talks until the person ends it.
pub(crate) async fn run(screen: Screen, client: &Client, typed: &str) -> Result<(), Failure> {
    let group = find::group(screen, client, typed).await?;
    let events = client.events();
    let mut chat = Chat {
        screen,
        client,
        group,
        events,
        unheard: BTreeSet::new(),
        shown: BTreeSet::new(),
        remind_at: None,
    };
    chat.begin().await?;
    let mut lines = Lines::open();
    let mut ended = std::pin::pin!(sori_client::asked_to_end());
    loop {
        let remind_at = chat.remind_at;
        tokio::select! {
            event = chat.events.recv() => match event {
                Ok(event) => chat.event(event).await?,
                Err(RecvError::Lagged(_)) => screen.say(screen.words().chat_events_lost)?,
                Err(RecvError::Closed) => return Err(super::stopped(screen, client)),
            },
            line = lines.next() => match line {
                Some(line) => if chat.line(&line).await? == Then::End { break },
                None => break,
            },
            () = at(remind_at) => chat.remind()?,
            () = &mut ended => break,
        }
    }
    crate::commands::send::let_out(client, &chat.group.group).await
}

/// One conversation.
struct Chat<'a> {
    screen: Screen,
    client: &'a Client,
    group: GroupView,
    events: Receiver<Event>,
    /// Own messages of this session that nobody else has yet.
    unheard: BTreeSet<String>,
    /// Ids of messages printed, so that none is printed twice.
    shown: BTreeSet<String>,
    /// When to say that nobody has them.
    remind_at: Option<Instant>,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Then {
    End,
    GoOn,
}

impl Chat<'_> {
    async fn begin(&mut self) -> Result<(), Failure> {
        let words = self.screen.words();
        self.screen
            .say_with(words.chat_hello, &[&show::name(words, &self.group.name)])?;
        let messages = self
            .client
            .message_list(&self.group.group, None, HISTORY_LEN)
            .await?;
        for message in messages.iter().rev() {
            self.print(message)?;
        }
        self.client.mark_read(&self.group.group).await?;
        Ok(())
    }

    fn print(&mut self, message: &MessageView) -> Result<(), Failure> {
        self.shown.insert(message.id.clone());
        self.screen.report(message)?;
        self.screen
            .say(&show::message(self.screen.words(), message))
    }

    async fn event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::MessageNew { group, message } if group == self.group.group => {
                // What the person typed stands on the screen already.
                let typed_here = message.mine && message.notice.is_none();
                if !typed_here && !self.shown.contains(&message.id) {
                    self.print(&message)?;
                }
                self.client.mark_read(&self.group.group).await?;
                Ok(())
            }
            Event::MessageChanged { group, message } if group == self.group.group => {
                if message.state != "waiting" {
                    self.unheard.remove(&message.id);
                }
                if message.edited && !message.mine || message.state == "held" {
                    self.print(&message)?;
                }
                Ok(())
            }
            Event::JoinRequested { join } => {
                let words = self.screen.words();
                self.screen
                    .say_with(words.asks, &[&show::name(words, &join.name), &join.code])?;
                self.screen
                    .say(&format!("/approve {}   /deny {}", join.id, join.id))
            }
            _ => Ok(()),
        }
    }

    async fn line(&mut self, line: &str) -> Result<Then, Failure> {
        let text = line.trim_end();
        if text.trim().is_empty() {
            return Ok(Then::GoOn);
        }
        if let Some(command) = text.strip_prefix('/').filter(|rest| !rest.starts_with('/')) {
            return self.command(command.trim()).await;
        }
        let text = if text.starts_with("//") {
            text.strip_prefix('/').unwrap_or(text)
        } else {
            text
        };
        match self
            .client
            .message_send(&self.group.group, text, None)
            .await
        {
            Ok(id) => {
                self.unheard.insert(id);
                self.remind_at
                    .get_or_insert_with(|| Instant::now() + REMIND_AFTER);
            }
            // A refusal ends no conversation; a failure does, with the next event.
            Err(error) => self.screen.warn(&self.screen.language.error(&error)),
        }
        Ok(Then::GoOn)
    }

    async fn command(&self, command: &str) -> Result<Then, Failure> {
        let words = self.screen.words();
        match command.split_once(' ').unwrap_or((command, "")) {
            ("quit" | "exit" | "q", _) => return Ok(Then::End),
            ("help" | "h" | "?", _) => self.screen.say(words.chat_help)?,
            ("members", _) => {
                for member in &self.client.group_info(&self.group.group).await?.members {
                    self.screen
                        .say(&format!("  {}", show::member(words, member)))?;
                }
            }
            ("who", _) => self.who().await?,
            ("invite", _) => {
                let options = InviteOptions {
                    group: Some(self.group.group.clone()),
                    uses: Some(1),
                    expires_s: Some(86_400),
                };
                match self.client.invite_create(options).await {
                    Ok(url) => invite::print(self.screen, &url)?,
                    Err(error) => self.screen.warn(&self.screen.language.error(&error)),
                }
            }
            ("approve", id) => self.tell(self.client.join_approve(id.trim()).await),
            ("deny", id) => self.tell(self.client.join_deny(id.trim()).await),
            ("resend", start) => {
                let id = self.held(start.trim()).await?;
                self.tell(self.client.message_resend(&self.group.group, &id).await);
            }
            ("drop", start) => {
                let id = self.held(start.trim()).await?;
                self.tell(self.client.message_drop(&self.group.group, &id).await);
            }
            _ => self.screen.say(words.chat_unknown)?,
        }
        Ok(Then::GoOn)
    }

    /// The id of the message that waits for a decision and begins so.
    async fn held(&self, start: &str) -> Result<String, Failure> {
        let group = &self.group.group;
        let messages = self.client.message_list(group, None, HELD_AMONG).await?;
        let mut held = messages.into_iter().filter(|m| m.state == "held");
        let found = held.find(|message| !start.is_empty() && message.id.starts_with(start));
        Ok(found.map_or_else(|| start.to_owned(), |message| message.id))
    }

    fn tell(&self, outcome: Result<(), sori_client::Error>) {
        if let Err(error) = outcome {
            self.screen.warn(&self.screen.language.error(&error));
        }
    }

    async fn who(&self) -> Result<(), Failure> {
        let words = self.screen.words();
        let sync = self.client.sync_status(&self.group.group).await?;
        if !sync.attached {
            self.screen.say(words.chat_not_attached)?;
        }
        self.screen.say_with(
            words.chat_who,
            &[&sync.peers.to_string(), &sync.unsent.to_string()],
        )
    }

    /// Says, once for a run of messages, that nobody has them yet.
    fn remind(&mut self) -> Result<(), Failure> {
        self.remind_at = None;
        let is_alone = self.group.members < 2;
        if self.unheard.is_empty() || is_alone {
            return Ok(());
        }
        self.unheard.clear();
        self.screen.say(self.screen.words().chat_alone)
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Latest messages among which one that waits for a decision is looked for.
const HELD_AMONG: u32 = 1000;

/// Messages shown at the beginning.
const HISTORY_LEN: u32 = 20;

/// How long a message may be unheard before the person is told.
const REMIND_AFTER: Duration = Duration::from_secs(5);
