//! `sori-relay cluster-secret`.

use std::io::{self, Write};

use sori_relay::{ClusterSecret, KeyError};
use zeroize::Zeroizing;

use super::{ClusterSecretArguments, Failure, secrets};

/// Makes the secret of a cluster. It is not printed.
///
/// # Errors
/// [`Failure::ClusterSecret`] if the file cannot be made.
pub(crate) fn make(arguments: &ClusterSecretArguments) -> Result<(), Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut()).map_err(|_| Failure::NewKey(KeyError::Randomness))?;
    let secret = ClusterSecret::from_bytes(*bytes);
    secrets::make_cluster_secret(&arguments.file, &secret)?;
    let mut stdout = io::stdout().lock();
    writeln!(
        stdout,
        "Wrote the secret of a new cluster to {}. Copy it to every relay of the cluster, readable for \
         nobody else, and give it as --cluster-secret.",
        arguments.file.display()
    )
    .map_err(Failure::Output)
}
