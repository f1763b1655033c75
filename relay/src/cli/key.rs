//! `sori-relay key`.

use std::io::{self, Write};

use sori_relay::RelaySecret;

use super::{Failure, KeyArguments};

/// Makes a key and says what it is known by.
///
/// # Errors
/// [`Failure::Key`] if the file is there already or cannot be written.
pub(crate) fn make(arguments: &KeyArguments) -> Result<(), Failure> {
    let secret = RelaySecret::generate().map_err(Failure::NewKey)?;
    secret
        .save(&arguments.file)
        .map_err(|source| Failure::Key {
            path: arguments.file.clone(),
            source,
        })?;
    let mut stdout = io::stdout().lock();
    writeln!(
        stdout,
        "Wrote {}. Keep it secret and keep a copy: clients know the relay by it.\nPublic key: {}",
        arguments.file.display(),
        secret.public()
    )
    .map_err(Failure::Output)
}
