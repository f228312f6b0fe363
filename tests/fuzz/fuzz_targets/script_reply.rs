//! See `src/script_reply.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| parser_fuzzing::script_reply::check(data));
