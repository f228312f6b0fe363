//! Payloads as devices send them: base64 of ciphertext, which no compressor and no cache can
//! shrink.
//!
//! For the load generator and the measurement of Redis's memory. They are not random: each run
//! sends the same.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Size of a typical message of a sign-in, in characters: a login protocol offer, device keys, and
/// the tag.
pub const TYPICAL: usize = 800;

/// Size of the largest payload that the protocol allows, in characters.
pub const LARGEST: usize = 4096;

/// Different payloads that a connection sends in turn, so that each write changes something.
const VARIETY: u64 = 8;

/// The payloads that connections send in turn.
pub fn typical() -> Vec<String> {
    (1..=VARIETY).map(|seed| payload(TYPICAL, seed)).collect()
}

/// One payload of `length` characters, a multiple of four.
pub fn payload(length: usize, seed: u64) -> String {
    // xorshift64 is enough to defeat compression.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    })
    .take(length / 4 * 3)
    .collect();
    STANDARD.encode(bytes)
}
