//! Responses of a homeserver to `GET /_matrix/client/v3/account/whoami`.

use crate::verifier_body::{object, response};
use matrix_rendezvous::model::User;
use matrix_rendezvous::policy::auth::fuzzing::{Outcome, whoami};
use serde_json::{Value, json};

/// Checks that only the user that an object names is accepted.
///
/// # Panics
/// If another is, or if a valid name is not.
pub fn check(data: &[u8]) {
    let (status, body) = response(data);
    let outcome = whoami(status, body);
    let object = object(body, &outcome);
    match (&outcome, status) {
        (Outcome::Accepted { user, expires }, 200) => {
            assert_eq!(*expires, None);
            if let Some(object) = object {
                assert_eq!(object["user_id"], **user);
                let is_guest = object.get("is_guest").unwrap_or(&Value::Bool(false));
                assert_eq!(*is_guest, Value::Bool(false));
            }
        }
        (Outcome::Rejected { errcode, .. }, 401) => {
            assert_ne!(errcode, "M_MISSING_TOKEN");
            if let Some(object) = object {
                assert_eq!(object["errcode"], **errcode);
            }
        }
        (Outcome::Forbidden, 200) => {
            if let Some(object) = object {
                assert_eq!(object["is_guest"], Value::Bool(true));
            }
        }
        (Outcome::Forbidden, 403) | (Outcome::Error(_), _) => {}
        (outcome, status) => panic!("{status}: {outcome:?}"),
    }

    let name = String::from_utf8_lossy(body);
    let valid = json!({ "user_id": name, "device_id": "D" }).to_string();
    match whoami(200, valid.as_bytes()) {
        Outcome::Accepted { user, .. } => assert_eq!(user, name),
        Outcome::Error(_) => assert_eq!(User::parse(&name), None),
        outcome => panic!("{name:?}: {outcome:?}"),
    }
}
