//! `sori history`: what was said, oldest first.

use std::time::Duration;

use sori_client::Client;

use crate::args::HistoryArgs;
use crate::failure::Failure;
use crate::screen::Screen;
use crate::{find, show};

/// Prints the latest messages of a group.
pub(crate) async fn run(screen: Screen, client: &Client, args: HistoryArgs) -> Result<(), Failure> {
    if args.sync > 0 {
        tokio::time::sleep(Duration::from_secs(args.sync)).await;
    }
    let group = find::group(screen, client, &args.group).await?;
    let messages = client
        .message_list(&group.group, args.before.as_deref(), args.limit)
        .await?;
    for message in messages.iter().rev() {
        screen.report(message)?;
        screen.say(&show::message(screen.words(), message))?;
    }
    client.mark_read(&group.group).await?;
    Ok(())
}
