//! The input of the targets for token verifiers: a byte that selects the status, and a body.

use matrix_rendezvous::policy::auth::fuzzing::Outcome;
use serde_json::{Map, Value};

/// A status of each kind that is handled differently, and some that nothing handles.
const STATUSES: [u16; 9] = [200, 400, 401, 403, 429, 500, 502, 204, 302];

/// Returns the status and the body.
pub fn response(data: &[u8]) -> (u16, &[u8]) {
    let (selector, body) = data.split_first().unwrap_or((&0, &[]));
    (STATUSES[usize::from(*selector) % STATUSES.len()], body)
}

/// Returns the object that a body is, after the checks that hold for every verifier.
///
/// # Panics
/// If something else than an object decides about a token.
pub fn object(body: &[u8], outcome: &Outcome) -> Option<Map<String, Value>> {
    let is_decision = !matches!(outcome, Outcome::Error(_));
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => return Some(object),
        Ok(other) => assert!(!is_decision, "{other} is taken for an answer: {outcome:?}"),
        // `Value` rejects huge numbers and deep nesting, which JSON allows.
        Err(_) => {
            let text = body.trim_ascii();
            let is_braced = text.starts_with(b"{") && text.ends_with(b"}");
            assert!(!is_decision || is_braced, "{outcome:?}");
        }
    }
    None
}
