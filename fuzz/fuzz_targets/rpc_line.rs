//! Lines to `sori rpc`. Their reader is part of a program and of no library, so its files are read here.
#![no_main]
#![allow(dead_code, reason = "a part of a program")]

#[path = "../../crates/cli/src/rpc"]
mod rpc {
    mod call;
    mod lines;
    mod outside;
    mod protocol;

    pub(crate) fn read(bytes: &[u8]) {
        outside::lines(bytes);
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rpc::read(bytes));
