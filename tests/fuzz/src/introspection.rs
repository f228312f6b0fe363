//! Responses of an OAuth 2.0 server to an introspection (RFC 7662).

use crate::verifier_body::{object, response};
use matrix_rendezvous::model::User;
use matrix_rendezvous::policy::auth::fuzzing::{Outcome, introspection};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The time since 1970, in January 2027.
const NOW: Duration = Duration::from_secs(1_800_000_000);

/// How far the verifier's clock may differ, in seconds.
const CLOCK_LEEWAY: u64 = 60;

/// Checks that only the user of an active token with the right scope is accepted.
///
/// # Panics
/// If another is, or if a valid name is not.
pub fn check(data: &[u8]) {
    let (status, body) = response(data);
    let outcome = introspection(status, body, NOW);
    let object = object(body, &outcome);
    match (&outcome, status) {
        (Outcome::Accepted { user, expires }, 200) => {
            if let Some(object) = object {
                check_accepted(&object, user, *expires);
            }
        }
        (Outcome::Rejected { soft_logout, .. }, 200 | 400) => {
            assert!(!soft_logout, "introspection has no such answer");
        }
        (Outcome::Forbidden, 200) => {
            if let Some(object) = object {
                assert_eq!(object["active"], Value::Bool(true));
            }
        }
        (Outcome::Error(_), _) => {}
        (outcome, status) => panic!("{status}: {outcome:?}"),
    }

    let name = String::from_utf8_lossy(body);
    let valid = json!({
        "active": true, "scope": "openid urn:matrix:client:api:*", "username": name,
    });
    match introspection(200, valid.to_string().as_bytes(), NOW) {
        Outcome::Accepted { user, expires } => assert_eq!((user, expires), (name.into(), None)),
        Outcome::Forbidden => assert_eq!(name, ""),
        Outcome::Error(_) => assert_eq!(User::parse(&name), None),
        outcome @ Outcome::Rejected { .. } => panic!("{name:?}: {outcome:?}"),
    }
}

fn check_accepted(object: &Map<String, Value>, user: &str, expires: Option<u64>) {
    assert_eq!(object["active"], Value::Bool(true));
    let scope = object["scope"].as_str().expect("a text");
    assert!(scope.contains("client:api:*"), "{scope}");
    assert_ne!(
        object.get("token_type"),
        Some(&Value::from("refresh_token"))
    );
    if let Some(nbf) = object.get("nbf").and_then(Value::as_u64) {
        assert!(nbf <= NOW.as_secs() + CLOCK_LEEWAY, "{nbf}");
    }
    assert!(expires.is_none_or(|exp| exp.saturating_add(CLOCK_LEEWAY) > NOW.as_secs()));
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("");
    let name = match text("username") {
        "" => text("sub"),
        username => username,
    };
    assert_eq!(name, user);
    match object.get("exp") {
        None | Some(Value::Null) => assert_eq!(expires, None),
        Some(exp) => assert!(exp.is_number() && expires.is_some(), "{exp}"),
    }
}
