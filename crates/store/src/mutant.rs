//! Faults on purpose, to show that the searches of `tests/crash` and the audit suite find them. Compiled with
//! `--cfg sori_mutants` alone, which no release is: see `cargo xtask judge`.

#[cfg(sori_mutants)]
use std::sync::OnceLock;

/// Whether this process has the fault of this name: `SORI_MUTANT` chooses it.
#[cfg(sori_mutants)]
#[inline(never)]
pub(crate) fn is(name: &str) -> bool {
    static CHOSEN: OnceLock<String> = OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("SORI_MUTANT").unwrap_or_default()) == name
}

/// Whether this build is broken on purpose in the way of this name. `false` at compile time in every other build,
/// which does not even hold the name.
macro_rules! broken {
    ($name:literal) => {{
        #[cfg(sori_mutants)]
        {
            $crate::mutant::is($name)
        }
        #[cfg(not(sori_mutants))]
        {
            false
        }
    }};
}

pub(crate) use broken;
