#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sori_store::outside::backup_file(bytes));
