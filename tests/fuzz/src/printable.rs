//! Text from outside in log lines and messages. The input is a text.

use matrix_rendezvous::telemetry::printable::Printable;

/// Checks that a text becomes one line of printable characters.
///
/// # Panics
/// If it does not.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let printed = Printable(&text).to_string();
    for c in printed.chars() {
        assert!(!c.is_control(), "{c:?} in {printed:?}");
        let is_whole = matches!(c, '\\' | '"' | '\'') || c.escape_debug().len() == 1;
        assert!(is_whole, "{c:?} in {printed:?}");
    }
    assert_eq!(Printable(&printed).to_string(), printed, "printed twice");
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    assert!(!is_plain || printed == text, "printable text changes");
    // A control character becomes `\u0001`.
    assert!(printed.len() <= 6 * text.len());
    // JSON stays JSON of the same meaning, because log lines may be JSON.
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text)
        && !text.contains(['\n', '\r', '\t'])
    {
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&printed).ok(),
            Some(value)
        );
    }
}
