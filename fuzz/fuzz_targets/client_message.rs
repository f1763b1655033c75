#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sori_wire::outside::client_message(bytes));
