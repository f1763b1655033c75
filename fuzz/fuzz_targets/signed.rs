#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sori_mls::outside::signed(bytes));
