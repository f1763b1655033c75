//! The program `sori-audit`.

use std::process::ExitCode;

fn main() -> ExitCode {
    sori_audit::main()
}
