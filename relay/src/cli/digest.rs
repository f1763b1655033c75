//! `sori-relay digest`.

use std::fs::File;
use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::Failure;

/// Prints the SHA-256 of the program file that runs here.
///
/// # Errors
/// [`Failure::Program`] if it cannot be read, [`Failure::Output`] if nobody reads.
pub(crate) fn print() -> Result<(), Failure> {
    let digest = own().map_err(Failure::Program)?;
    writeln!(io::stdout(), "{digest}").map_err(Failure::Output)
}

/// As sha256sum has it.
fn own() -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(std::env::current_exe()?)?, &mut hash)?;
    let bytes = hash.finalize();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_that_of_the_program_file() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let expected = format!("{:x}", Sha256::digest(program));
        assert_eq!(own().unwrap(), expected);
    }
}
