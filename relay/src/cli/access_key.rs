//! `sori-relay access-key`.

use std::io::{self, Write};

use sori_relay::KeyError;
use sori_wire::AccessKey;
use zeroize::Zeroizing;

use super::{AccessKeyArguments, Failure, secrets};

/// Makes an access key and adds it to a file. The key itself is not printed: `invite` does that.
///
/// # Errors
/// [`Failure::AccessKeys`] if the file cannot be written or is not one of access keys.
pub(crate) fn add(arguments: &AccessKeyArguments) -> Result<(), Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut()).map_err(|_| Failure::NewKey(KeyError::Randomness))?;
    secrets::add_access_key(&arguments.file, &AccessKey::from_bytes(*bytes))?;
    let mut stdout = io::stdout().lock();
    writeln!(
        stdout,
        "Added an access key to {}. A running relay takes it up at its next reload; \
         `sori-relay invite --with-access-key` then hands it out.",
        arguments.file.display()
    )
    .map_err(Failure::Output)
}
