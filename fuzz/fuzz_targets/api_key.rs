#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| nexo_fuzz::api_key(input));
