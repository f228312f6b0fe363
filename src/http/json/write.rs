//! Writes the one long string of a response.

/// Appends `text` as a JSON string.
///
/// # Panics
/// Never: every string has a JSON form, and a vector accepts every byte.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "a branch keeps the compiler from looking at sixteen bytes at once"
)]
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    // Scans to the end without a branch. `any` would stop early, and a branch per byte costs a poll
    // 7,000 instructions.
    let escapes = text.bytes().fold(false, |found, byte| {
        found | (byte < b' ') | (byte == b'"') | (byte == b'\\')
    });
    if escapes {
        serde_json::to_writer(out, text).expect("a string");
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::write_string;

    #[test]
    fn strings_are_written_as_serde_json_writes_them() {
        for text in [
            "", "abc+/=", "é", "a\"b", "a\\b", "\n", "\u{0}", "\u{1f}", "\u{7f}", "\u{2028}",
        ] {
            let mut ours = Vec::new();
            write_string(&mut ours, text);
            assert_eq!(
                ours,
                serde_json::to_vec(text).expect("a string"),
                "{text:?}"
            );
        }
    }
}
