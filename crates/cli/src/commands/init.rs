//! `sori init`: a profile, an account, perhaps a relay.

use std::path::PathBuf;

use sori_client::{Client, EngineError, Error, ProfileState, UnlockChoice, UnlockMethod};

use crate::args::InitArgs;
use crate::failure::Failure;
use crate::profile;
use crate::screen::Screen;
use crate::words::fill;

/// Makes the profile; carries on with one that has no account yet, such as one whose making was
/// interrupted.
pub(crate) async fn run(screen: Screen, dir: PathBuf, args: InitArgs) -> Result<(), Failure> {
    check(&args)?;
    let folder = dir.display().to_string();
    let client = match Client::profile(&dir) {
        ProfileState::Absent if args.keychain => {
            Client::create(dir, UnlockChoice::Keychain).await?
        }
        ProfileState::Absent => {
            let passphrase = profile::new_passphrase(screen)?;
            Client::create(dir, UnlockChoice::Passphrase(passphrase)).await?
        }
        ProfileState::Locked(
            UnlockMethod::Both | UnlockMethod::Keychain | UnlockMethod::Passphrase,
        ) => profile::open(screen, dir).await?,
    };
    let outcome = account(screen, &client, &args, &folder).await;
    client.shutdown().await;
    outcome
}

/// What can be found wrong before anything is made.
fn check(args: &InitArgs) -> Result<(), Failure> {
    if args.name.trim().is_empty() {
        return Err(Failure::Usage(
            "the name is empty; use the one that others know you by".to_owned(),
        ));
    }
    let relay = args.relay.as_deref().map(str::trim);
    if relay.is_some_and(|url| url.parse::<sori_client::RelayUrl>().is_err()) {
        return Err(Error::Engine(EngineError::InvalidRelay).into());
    }
    Ok(())
}

async fn account(
    screen: Screen,
    client: &Client,
    args: &InitArgs,
    folder: &str,
) -> Result<(), Failure> {
    let words = screen.words();
    if client.account_info().await.is_ok() {
        return Err(Failure::Failed(fill(words.profile_there, &[folder])));
    }
    client.account_create(&args.name).await?;
    if let Some(url) = &args.relay {
        client.relay_set(url).await?;
    }
    let account = client.account_info().await?;
    screen.report(&account)?;
    screen.say_with(words.made, &[&crate::show::harmless(&account.name), folder])?;
    if account.relay.is_none() {
        screen.say(words.made_no_relay)?;
    }
    screen.say(words.made_next)
}
