//! `sori save`: the file of a message, where the person says.

use serde_json::json;
use sori_client::{Client, Event, FileState};

use crate::args::SaveArgs;
use crate::failure::Failure;
use crate::find;
use crate::screen::Screen;

/// Fetches the file if it is not here, and writes it.
pub(crate) async fn run(screen: Screen, client: &Client, args: SaveArgs) -> Result<(), Failure> {
    let group = find::group(screen, client, &args.group).await?;
    let mut events = client.events();
    client.file_fetch(&group.group, &args.message).await?;
    let wait = async {
        loop {
            match events.recv().await {
                Ok(Event::MessageChanged { message, .. }) if message.id == args.message => {
                    if message
                        .file
                        .is_some_and(|file| file.state == FileState::Here)
                    {
                        return Ok(());
                    }
                }
                Ok(_) => {}
                Err(_) => return Err(super::stopped(screen, client)),
            }
        }
    };
    if let Ok(outcome) = tokio::time::timeout(std::time::Duration::from_secs(args.wait), wait).await
    {
        outcome?;
    }
    let bytes = client
        .file_save(&group.group, &args.message, &args.file, args.force)
        .await?;
    let file = args.file.to_string_lossy();
    screen.report(&json!({ "file": file, "bytes": bytes }))?;
    screen.say_with(screen.words().saved, &[&file, &bytes.to_string()])?;
    Ok(())
}
