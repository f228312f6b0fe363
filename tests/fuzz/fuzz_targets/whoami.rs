//! See `src/whoami.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| parser_fuzzing::whoami::check(data));
