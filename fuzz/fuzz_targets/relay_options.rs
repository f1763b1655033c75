//! The relay's file of options. Its reader is part of a program and of no library, so its files are read here.
#![no_main]
#![allow(dead_code, reason = "a part of a program")]

#[path = "../../relay/src/cli"]
mod cli {
    mod level;
    pub(crate) mod options;
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cli::options::outside(bytes));
