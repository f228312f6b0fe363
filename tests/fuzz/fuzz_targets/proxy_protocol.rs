//! See `src/proxy_protocol.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| parser_fuzzing::proxy_protocol::check(data));
