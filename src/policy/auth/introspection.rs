//! Checks tokens at an OAuth 2.0 server by introspection (RFC 7662), as a homeserver with the
//! Matrix Authentication Service does.

use crate::config::verifier::Credentials;
use crate::json::JsonValue;
use crate::model::User;
use crate::policy::auth::outcome::{AuthError, Errcode, TokenStatus};
use crate::policy::auth::verifier_response::{VerifierResponse, required_text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, InvalidHeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use url::form_urlencoded::byte_serialize;

/// The scope of the client-server API (MSC2967): its accepted spelling, and the one before MSC2967
/// was accepted.
const API_SCOPES: [&str; 2] = [
    "urn:matrix:client:api:*",
    "urn:matrix:org.matrix.msc2967.client:api:*",
];

/// The `Authorization` header with this server's own credentials.
///
/// # Errors
/// [`InvalidHeaderValue`] if the secret has a character that no header can carry.
pub(super) fn authorization_header(
    credentials: &Credentials,
) -> Result<HeaderValue, InvalidHeaderValue> {
    let text = match credentials {
        Credentials::Basic { id, secret } => {
            // RFC 6749 §2.3.1: the id and the secret are form-encoded before they are joined.
            let pair = format!("{}:{}", form_encode(id), form_encode(secret.expose()));
            format!("Basic {}", STANDARD.encode(pair))
        }
        Credentials::Bearer(secret) => format!("Bearer {}", secret.expose()),
    };
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}

pub(super) fn build_request(
    endpoint: &Uri,
    authorization: &HeaderValue,
    token: &str,
) -> Request<Full<Bytes>> {
    let body = format!("token={}&token_type_hint=access_token", form_encode(token));
    let mut request = Request::new(Full::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint.clone();
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, authorization.clone());
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(CONTENT_TYPE, form);
    request
}

fn form_encode(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// Parses a response.
///
/// A 400 may be about the token: oidc-provider rejects everything that looks like a JWT with it,
/// and with the error of RFC 7009 §2.2.1. A 401 is about this server's credentials, not about the
/// token.
///
/// # Errors
/// [`AuthError::BadReply`] or [`AuthError::Unavailable`] if the response says nothing about the
/// token.
pub(super) fn parse_response(response: &VerifierResponse) -> Result<TokenStatus, AuthError> {
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
    let [active, scope, exp, username, sub] =
        response.members(["active", "scope", "exp", "username", "sub"])?;
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
    let expires = optional_time(&exp)?;
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

    fn parsed(status: u16, body: &'static str) -> Result<TokenStatus, AuthError> {
        parse_response(&VerifierResponse {
            status: StatusCode::from_u16(status).expect("a status"),
            body: body.into(),
        })
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
                r#"{"active":true,"scope":"a urn:matrix:client:api:*","exp":7.9,"username":"anna"}"#,
                accepted("anna", Some(7)),
            ),
            (
                r#"{"active":true,"scope":"urn:matrix:client:api:*","exp":-1,"username":"","sub":"01"}"#,
                accepted("01", Some(0)),
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
