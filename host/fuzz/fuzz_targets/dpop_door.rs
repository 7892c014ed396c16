#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ciba_host::doors::dpop_door(data));
