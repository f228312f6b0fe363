//! See `src/entity_tags.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| parser_fuzzing::entity_tags::check(data));
