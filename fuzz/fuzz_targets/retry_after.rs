#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| reliable_r2_fuzz::retry_after::check(data));
