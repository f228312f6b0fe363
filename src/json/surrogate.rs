//! Escapes of lone surrogates, which `serde_json` accepts in ignored values.

/// Whether a JSON text contains a `\u` escape of a surrogate without its other half, which makes
/// the string invalid (R1.34). Keys and nested values count as well: `IgnoredAny` checks none of
/// them.
#[must_use]
pub fn has_lone_surrogate(json: &str) -> bool {
    // Backslashes occur only in strings, and most bodies have none, because their data is base64.
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let escape = &rest[at..];
        let length = match code_unit(escape) {
            None => 2,
            Some(0xD800..=0xDBFF) => match escape.get(6..).and_then(code_unit) {
                Some(0xDC00..=0xDFFF) => 12,
                _ => return true,
            },
            Some(0xDC00..=0xDFFF) => return true,
            Some(_) => 6,
        };
        // The character after a backslash is ASCII, so this is never the middle of a character.
        rest = escape.get(length..).unwrap_or_default();
    }
    false
}

/// Returns the number of `\u0041`, if the text begins with such an escape.
fn code_unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::has_lone_surrogate;

    #[test]
    fn only_lone_surrogates_are_found() {
        for whole in [
            r#"{"a":"b"}"#,
            r#""\ud83d\ude00""#,
            r#""\uD83D\uDE00\ud83d\ude00""#,
            r#""\\ud800""#,
            r#""\"\\\/\b\f\n\r\t\u0041é\ud7ff\ue000""#,
            r#""\u0000\uffff""#,
            r#""\udbff\udfff\ud800\udc00""#,
        ] {
            assert!(!has_lone_surrogate(whole), "{whole}");
        }
        for half in [
            r#""\ud800""#,
            r#""\uDFFF""#,
            r#""\udbff\udbff\udc00""#,
            r#""\\\ud800""#,
            r#""\ud83dx\ude00""#,
            r#""\ud83d\n""#,
            r#""\ud83d\u0041""#,
            r#""\ud83d\ude00\ude00""#,
            r#"{"\udc00":1}"#,
        ] {
            assert!(has_lone_surrogate(half), "{half}");
        }
    }
}
