#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sori_engine::outside::invite_link(bytes));
