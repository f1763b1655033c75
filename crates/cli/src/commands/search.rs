//! `sori search`: messages by their text, newest first.

use sori_client::{Client, HitView};

use crate::args::SearchArgs;
use crate::failure::Failure;
use crate::screen::Screen;
use crate::{find, show};

/// Prints what is found as it is found.
pub(crate) async fn run(screen: Screen, client: &Client, args: SearchArgs) -> Result<(), Failure> {
    let group = match &args.group {
        Some(typed) => Some(find::group(screen, client, typed).await?.group),
        None => None,
    };
    let groups = client.group_list().await?;
    let name = |hit: &HitView| {
        let group = groups.iter().find(|group| group.group == hit.group);
        group.map_or("", |group| group.name.as_str())
    };
    let mut left = args.limit;
    let mut answer = client
        .message_search(&args.text, group.as_deref(), left)
        .await?;
    loop {
        for hit in &answer.hits {
            screen.report(hit)?;
            let message = show::message(screen.words(), &hit.message);
            screen.say(&format!(
                "{}  {message}",
                show::name(screen.words(), name(hit))
            ))?;
            left = left.saturating_sub(1);
        }
        match &answer.more {
            Some(search) if left > 0 => answer = client.message_search_more(search, left).await?,
            _ => break,
        }
    }
    if left == args.limit {
        return screen.say(screen.words().search_none);
    }
    Ok(())
}
