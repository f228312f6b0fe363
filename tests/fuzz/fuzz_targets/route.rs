//! See `src/route.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| parser_fuzzing::route::check(data));
