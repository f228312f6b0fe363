//! See `src/json_body.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| parser_fuzzing::json_body::check(data));
