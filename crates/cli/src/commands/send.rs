//! `sori send`: one message, and the truth about who has it.

use std::io::Read;
use std::time::Duration;

use sori_client::broadcast::error::RecvError;
use sori_client::{Client, Event, MessageView};

use crate::args::SendArgs;
use crate::failure::Failure;
use crate::find;
use crate::screen::Screen;

/// Sends, waits a little for others to take it, and says how many have.
pub(crate) async fn run(screen: Screen, client: &Client, args: SendArgs) -> Result<(), Failure> {
    let text = args
        .text
        .as_deref()
        .map(text)
        .transpose()?
        .unwrap_or_default();
    let group = find::group(screen, client, &args.group).await?;
    let mut events = client.events();
    let id = match &args.file {
        Some(file) => client.message_send_file(&group.group, file, &text).await?,
        None => client.message_send(&group.group, &text, None).await?,
    };
    let stays = args.file.is_some();
    let mut message = read(client, &group.group, &id).await?;
    let wait = async {
        while (message.state == "waiting" || stays) && message.members > 1 {
            match events.recv().await {
                Ok(Event::MessageChanged {
                    group: of,
                    message: now,
                }) if of == group.group && now.id == id => {
                    message = now;
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => message = read(client, &group.group, &id).await?,
                Err(RecvError::Closed) => return Err(super::stopped(screen, client)),
            }
        }
        Ok(())
    };
    if let Ok(outcome) = tokio::time::timeout(Duration::from_secs(args.wait), wait).await {
        outcome?;
    }
    screen.report(&message)?;
    say(screen, &message)
}

/// Waits a moment until nothing of ours in the group is only on this device.
pub(crate) async fn let_out(client: &Client, group: &str) -> Result<(), Failure> {
    let mut events = client.events();
    let out = async {
        while client
            .sync_status(group)
            .await
            .is_ok_and(|sync| sync.unsent > 0)
        {
            if matches!(events.recv().await, Err(RecvError::Closed)) {
                return;
            }
        }
    };
    // Late is no failure: the log keeps it and gives it out the next time.
    let _late = tokio::time::timeout(LET_OUT_WAIT, out).await;
    Ok(())
}

fn text(typed: &str) -> Result<String, Failure> {
    if typed != "-" {
        return Ok(typed.to_owned());
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(TEXT_READ_MAX)
        .read_to_string(&mut text)?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

async fn read(client: &Client, group: &str, id: &str) -> Result<MessageView, Failure> {
    let messages = client.message_list(group, None, 50).await?;
    let found = messages.into_iter().find(|message| message.id == id);
    found.ok_or(Failure::Client(sori_client::Error::Engine(
        sori_client::EngineError::NotFound("message"),
    )))
}

fn say(screen: Screen, message: &MessageView) -> Result<(), Failure> {
    let words = screen.words();
    let others = message.members.saturating_sub(1);
    let copies = message.copies.saturating_sub(1).min(others);
    let (others_text, copies_text) = (others.to_string(), copies.to_string());
    match (others, copies) {
        (0, _) => screen.say(words.sent_alone),
        (_, 0) => screen.say(words.sent_to_none),
        (1, 1) => screen.say(words.sent_to_the_other),
        (all, copies) if all == copies => screen.say_with(words.sent_to_all, &[&others_text]),
        _ => screen.say_with(words.sent_to_some, &[&copies_text, &others_text]),
    }
}

/// How long a change waits for somebody to take it.
const LET_OUT_WAIT: Duration = Duration::from_secs(5);

/// Bytes read from standard input for a message; the messenger itself takes fewer.
const TEXT_READ_MAX: u64 = 1024 * 1024;
