//! Parses introspection responses (RFC 7662).

use crate::json::JsonValue;
use crate::model::User;
use crate::policy::auth::outcome::{AuthError, Errcode, TokenStatus};
use crate::policy::auth::verifier_response::{VerifierResponse, required_text};
use hyper::StatusCode;
use std::time::Duration;

/// The scope of the client-server API (MSC2967): its accepted spelling, and the one before MSC2967
/// was accepted.
const API_SCOPES: [&str; 2] = [
    "urn:matrix:client:api:*",
    "urn:matrix:org.matrix.msc2967.client:api:*",
];

/// How far the verifier's clock may differ from this server's. Hosts without NTP drift by seconds a
/// day; RFC 7519 §4.1.4 suggests at most a few minutes.
const CLOCK_LEEWAY: Duration = Duration::from_mins(1);

/// What a response should be, for the text about any other.
pub(super) const EXPECTED: &str = "200 with JSON in which \"active\" is true or false (RFC 7662); a 401 is about \
    introspection.client_id and introspection.client_secret";

/// Parses a response. `now` is the time since 1970.
///
/// An active token past its `exp`, or before its `nbf`, contradicts RFC 7662 §2.2 by more than
/// [`CLOCK_LEEWAY`]: one of the two clocks is wrong. That says nothing about the token, and a 401
/// would sign its user out, so it is an invalid response.
///
/// A refresh token creates no session. RFC 7662 §2.2 takes the values of `token_type` from RFC 6749
/// §5.1, such as `Bearer`. The Matrix Authentication Service sends the hints of RFC 7009 §2.1 instead:
/// `access_token` or `refresh_token`. Every other value, and none, is accepted.
///
/// A 400 may be about the token: oidc-provider rejects everything that looks like a JWT with it,
/// and with the error of RFC 7009 §2.2.1. A 401 is about this server's credentials, not about the
/// token.
///
/// # Errors
/// [`AuthError::BadReply`] or [`AuthError::Unavailable`] if the response says nothing about the
/// token.
pub(super) fn parse_response(
    response: &VerifierResponse,
    now: Duration,
) -> Result<TokenStatus, AuthError> {
    match response.status {
        StatusCode::OK => {}
        StatusCode::BAD_REQUEST => {
            // An error response (RFC 6749 §5.2).
            let [error] = response.members(["error"])?;
            return if required_text(&error)? == "unsupported_token_type" {
                Ok(inactive_token())
            } else {
                Err(AuthError::BadReply)
            };
        }
        _ => return Err(response.error()),
    }
    let [active, token_type, scope, exp, nbf, username, sub] = response.members([
        "active",
        "token_type",
        "scope",
        "exp",
        "nbf",
        "username",
        "sub",
    ])?;
    // The one required member (RFC 7662 §2.2). The others matter only if it is true.
    match active {
        JsonValue::Bool(true) => {}
        JsonValue::Bool(false) => return Ok(inactive_token()),
        JsonValue::Missing
        | JsonValue::Null
        | JsonValue::Number(_)
        | JsonValue::Text(_)
        | JsonValue::Other => return Err(AuthError::BadReply),
    }
    if optional_text(&token_type)?.eq_ignore_ascii_case("refresh_token") {
        return Ok(inactive_token());
    }
    let (expires, not_before) = (optional_time(&exp)?, optional_time(&nbf)?);
    let has_expired =
        expires.is_some_and(|exp| Duration::from_secs(exp).saturating_add(CLOCK_LEEWAY) <= now);
    let is_early =
        not_before.is_some_and(|nbf| Duration::from_secs(nbf) > now.saturating_add(CLOCK_LEEWAY));
    if has_expired || is_early {
        return Err(AuthError::BadReply);
    }
    let mut scopes = optional_text(&scope)?.split(' ');
    let names = [optional_text(&username)?, optional_text(&sub)?];
    if !scopes.any(|scope| API_SCOPES.contains(&scope)) {
        return Ok(TokenStatus::Forbidden);
    }
    // A client's own token (RFC 6749 §4.4) belongs to no user.
    let Some(user) = names.into_iter().find(|name| !name.is_empty()) else {
        return Ok(TokenStatus::Forbidden);
    };
    Ok(TokenStatus::Accepted {
        user: User::parse(user).ok_or(AuthError::BadReply)?,
        expires,
    })
}

/// Returns an optional string. An absent one, `null` and the empty string are the same.
fn optional_text<'a>(value: &'a JsonValue<'_>) -> Result<&'a str, AuthError> {
    match value {
        JsonValue::Missing | JsonValue::Null => Ok(""),
        JsonValue::Text(text) => Ok(text),
        JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::Other => Err(AuthError::BadReply),
    }
}

/// Returns an optional time in seconds since 1970: a JSON number of any form (RFC 7519 §2,
/// `NumericDate`).
fn optional_time(value: &JsonValue<'_>) -> Result<Option<u64>, AuthError> {
    match value {
        JsonValue::Missing | JsonValue::Null => Ok(None),
        JsonValue::Number(time) => Ok(Some(truncate_to_seconds(*time))),
        JsonValue::Bool(_) | JsonValue::Text(_) | JsonValue::Other => Err(AuthError::BadReply),
    }
}

/// Rounds down, so that a token is cached for less than its lifetime, never for more.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates: times before 1970 become 1970, and huge ones the largest"
)]
const fn truncate_to_seconds(numeric_date: f64) -> u64 {
    numeric_date as u64
}

/// The status of a token that is unknown or no longer valid.
fn inactive_token() -> TokenStatus {
    TokenStatus::Rejected {
        errcode: Errcode::unknown_token(),
        soft_logout: false,
    }
}

#[cfg(test)]
mod tests {
    use super::{inactive_token, parse_response};
    use crate::model::User;
    use crate::policy::auth::outcome::{AuthError, TokenStatus};
    use crate::policy::auth::verifier_response::VerifierResponse;
    use hyper::StatusCode;
    use std::time::Duration;

    /// Parses a response in the tenth minute of 1970.
    fn parsed(status: u16, body: &str) -> Result<TokenStatus, AuthError> {
        let response = VerifierResponse {
            status: StatusCode::from_u16(status).expect("a status"),
            content_type: None,
            body: body.to_owned().into(),
        };
        parse_response(&response, Duration::from_mins(10))
    }

    fn unavailable(status: u16) -> AuthError {
        AuthError::Unavailable(StatusCode::from_u16(status).expect("a status"))
    }

    #[test]
    fn responses_of_every_valid_form_are_parsed() {
        let accepted = |name, expires| {
            Ok(TokenStatus::Accepted {
                user: User::parse(name).expect("a name"),
                expires,
            })
        };
        for (body, expected) in [
            (
                r#"{"active":false,"scope":null,"exp":"x"}"#,
                Ok(inactive_token()),
            ),
            (
                r#"{"active":true,"scope":null}"#,
                Ok(TokenStatus::Forbidden),
            ),
            (
                r#"{"active":true,"scope":"a urn:matrix:client:api:*","exp":700.9,"username":"anna"}"#,
                accepted("anna", Some(700)),
            ),
            (
                r#"{"active":true,"scope":"urn:matrix:client:api:*","exp":null,"username":"","sub":"01"}"#,
                accepted("01", None),
            ),
            (
                r#"{"active":true,"scope":"urn:matrix:client:api:*","exp":1e300,"sub":"01"}"#,
                accepted("01", Some(u64::MAX)),
            ),
            (
                r#"{"active":true,"scope":"urn:matrix:client:api:*","username":"","sub":""}"#,
                Ok(TokenStatus::Forbidden),
            ),
            (r#"{"scope":"x"}"#, Err(AuthError::BadReply)),
            (
                r#"[true,"urn:matrix:client:api:*",null,"anna"]"#,
                Err(AuthError::BadReply),
            ),
            ("[false]", Err(AuthError::BadReply)),
            (
                r#"{"active":false,"active":true}"#,
                Err(AuthError::BadReply),
            ),
            (r#"{"active":false} {}"#, Err(AuthError::BadReply)),
            (r#"{"active":true,"scope":["x"]}"#, Err(AuthError::BadReply)),
        ] {
            assert_eq!(parsed(200, body), expected, "{body}");
        }
    }

    #[test]
    fn active_token_outside_its_times_is_an_invalid_response() {
        let accepted = |expires| {
            Ok(TokenStatus::Accepted {
                user: User::parse("anna").expect("a name"),
                expires,
            })
        };
        let contradiction = || Err(AuthError::BadReply);
        // The clocks may differ by a minute, and it is the 600th second of 1970.
        for (times, expected) in [
            (r#""exp":541"#, accepted(Some(541))),
            (r#""exp":540"#, contradiction()),
            (r#""exp":540.9"#, contradiction()),
            (r#""exp":0"#, contradiction()),
            (r#""exp":-1e9"#, contradiction()),
            (r#""exp":"9999""#, contradiction()),
            (r#""exp":1e400"#, contradiction()),
            (r#""exp":true"#, contradiction()),
            (r#""nbf":660"#, accepted(None)),
            (r#""nbf":661"#, contradiction()),
            (r#""nbf":"1""#, contradiction()),
            (r#""nbf":600,"exp":900"#, accepted(Some(900))),
        ] {
            let body = format!(
                r#"{{"active":true,"scope":"urn:matrix:client:api:*","sub":"anna",{times}}}"#
            );
            assert_eq!(parsed(200, &body), expected, "{body}");
        }
        let inactive = r#"{"active":false,"exp":0,"nbf":9999}"#;
        assert_eq!(parsed(200, inactive), Ok(inactive_token()));
    }

    #[test]
    fn refresh_token_is_rejected_and_other_types_are_accepted() {
        let answer = |token_type: &str| {
            let body = format!(
                r#"{{"active":true,"scope":"urn:matrix:client:api:*","sub":"anna","token_type":{token_type}}}"#
            );
            parsed(200, &body)
        };
        for refused in [r#""refresh_token""#, r#""Refresh_Token""#] {
            assert_eq!(answer(refused), Ok(inactive_token()), "{refused}");
        }
        for accepted in [
            r#""access_token""#,
            r#""Bearer""#,
            r#""DPoP""#,
            r#""""#,
            "null",
        ] {
            let answer = answer(accepted);
            assert!(
                matches!(answer, Ok(TokenStatus::Accepted { .. })),
                "{accepted}"
            );
        }
        assert_eq!(answer("1"), Err(AuthError::BadReply));
    }

    #[test]
    fn only_errors_about_the_token_reject_it() {
        assert_eq!(parsed(200, r#"{"active":false}"#), Ok(inactive_token()));
        let unsupported = r#"{"error":"unsupported_token_type","error_description":"a JWT"}"#;
        assert_eq!(parsed(400, unsupported), Ok(inactive_token()));
        for (status, body, expected) in [
            (400, r#"{"error":"invalid_request"}"#, AuthError::BadReply),
            (400, "unsupported_token_type", AuthError::BadReply),
            (400, r#"["unsupported_token_type"]"#, AuthError::BadReply),
            (401, unsupported, AuthError::BadReply),
            (401, r#"{"error":"invalid_client"}"#, AuthError::BadReply),
            (429, "", unavailable(429)),
            (500, "", AuthError::BadReply),
            (502, "", unavailable(502)),
            (503, "", unavailable(503)),
        ] {
            assert_eq!(parsed(status, body), Err(expected), "{status} {body}");
        }
    }
}
