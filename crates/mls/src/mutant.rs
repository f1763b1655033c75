//! Builds that are broken on purpose, so that the tests can show that they notice it. Compiled with
//! `--cfg sori_mutants` alone, which no release is: see `cargo xtask mutants`.

#[cfg(sori_mutants)]
use std::cell::Cell;
#[cfg(sori_mutants)]
use std::sync::OnceLock;

#[cfg(sori_mutants)]
thread_local! {
    static BROKEN: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Breaks what runs on this thread in one way, or in none.
#[cfg(sori_mutants)]
pub fn set(name: Option<&'static str>) {
    BROKEN.with(|broken| broken.set(name));
}

/// Whether it is broken in this way: as [`set`] says on this thread or, where it says nothing, `SORI_MUTANT` for the whole
/// process. Never inlined: names stay whole in the program, where the judge looks for them.
#[cfg(sori_mutants)]
#[must_use]
#[inline(never)]
pub fn is(name: &str) -> bool {
    static OF_PROCESS: OnceLock<Option<String>> = OnceLock::new();
    let of_process = || std::env::var("SORI_MUTANT").ok();
    match BROKEN.with(Cell::get) {
        Some(broken) => broken == name,
        None => OF_PROCESS.get_or_init(of_process).as_deref() == Some(name),
    }
}

/// Whether this build is broken on purpose in the way of this name. `false` at compile time in every other build,
/// which does not even hold the name.
#[macro_export]
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
