//! Whose token it is, by an OAuth 2.0 server: token introspection (RFC 7662), as a homeserver with the Matrix
//! Authentication Service asks it.

use crate::config::auth::Credentials;
use crate::model::User;
use crate::policy::auth::upstream::Answer;
use crate::policy::auth::{AuthError, Errcode, Found};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, InvalidHeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use serde::Deserialize;
use url::form_urlencoded::byte_serialize;

/// The scope of the client-server API (MSC2967), as it is and as it was spelled before it was accepted.
const API: [&str; 2] = [
    "urn:matrix:client:api:*",
    "urn:matrix:org.matrix.msc2967.client:api:*",
];

/// The header by which we say who we are.
///
/// # Errors
/// A secret that no header can hold.
pub(super) fn authorization(credentials: &Credentials) -> Result<HeaderValue, InvalidHeaderValue> {
    let text = match credentials {
        Credentials::Basic { id, secret } => {
            // RFC 6749 §2.3.1: each is form-encoded before they are joined.
            let pair = format!("{}:{}", encode(id), encode(secret.expose()));
            format!("Basic {}", STANDARD.encode(pair))
        }
        Credentials::Bearer(secret) => format!("Bearer {}", secret.expose()),
    };
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}

pub(super) fn request(
    endpoint: &Uri,
    authorization: &HeaderValue,
    token: &str,
) -> Request<Full<Bytes>> {
    let body = format!("token={}&token_type_hint=access_token", encode(token));
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

fn encode(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// RFC 7662 §2.2: the one member that is always there. What stands beside it matters only where it is true.
#[derive(Deserialize)]
struct Activity {
    active: bool,
}

/// The others, as far as we ask.
#[derive(Deserialize)]
struct Introspection {
    scope: Option<String>,
    /// Seconds since 1970, a JSON number of any form (RFC 7519 §2, `NumericDate`).
    exp: Option<f64>,
    username: Option<String>,
    sub: Option<String>,
}

/// RFC 6749 §5.2.
#[derive(Deserialize)]
struct Problem {
    error: String,
}

/// What an answer says. A 400 may be about the token: oidc-provider refuses so whatever looks like a JWT, with the
/// error that RFC 7009 §2.2.1 names. A 401 is about our own credentials, not about the token, and so no answer.
pub(super) fn found(answer: &Answer) -> Result<Found, AuthError> {
    match answer.status {
        StatusCode::OK => {}
        StatusCode::BAD_REQUEST => {
            let Problem { error } = answer.json()?;
            return if error == "unsupported_token_type" {
                Ok(nobodys())
            } else {
                Err(AuthError::BadReply)
            };
        }
        _ => return Err(answer.error()),
    }
    let Activity { active } = answer.json()?;
    if !active {
        return Ok(nobodys());
    }
    let told: Introspection = answer.json()?;
    let scopes = told.scope.unwrap_or_default();
    if !scopes.split(' ').any(|scope| API.contains(&scope)) {
        return Ok(Found::Forbidden);
    }
    // A client's own token (RFC 6749 §4.4) has no user behind it.
    let mut names = [told.username, told.sub].into_iter().flatten();
    let Some(user) = names.find(|name| !name.is_empty()) else {
        return Ok(Found::Forbidden);
    };
    Ok(Found::User {
        user: User::parse(&user).ok_or(AuthError::BadReply)?,
        expires: told.exp.map(whole_seconds),
    })
}

/// Rounded down: a token is believed for less than it lasts, not for more.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such a cast saturates: before 1970 is 1970, and too late is as late as can be"
)]
const fn whole_seconds(numeric_date: f64) -> u64 {
    numeric_date as u64
}

fn nobodys() -> Found {
    Found::Refused {
        errcode: Errcode::unknown_token(),
        soft_logout: false,
    }
}

#[cfg(test)]
mod tests {
    use super::{found, nobodys};
    use crate::model::User;
    use crate::policy::auth::upstream::Answer;
    use crate::policy::auth::{AuthError, Found};
    use hyper::StatusCode;

    fn told(status: u16, body: &'static str) -> Result<Found, AuthError> {
        found(&Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            body: body.into(),
        })
    }

    fn unavailable(status: u16) -> AuthError {
        AuthError::Unavailable(StatusCode::from_u16(status).expect("a status"))
    }

    #[test]
    fn a_token_is_whose_the_answer_says_however_it_is_written() {
        let theirs = |name, expires| {
            Ok(Found::User {
                user: User::parse(name).expect("a name"),
                expires,
            })
        };
        for (body, expected) in [
            (r#"{"active":false,"scope":null,"exp":"x"}"#, Ok(nobodys())),
            (r#"{"active":true,"scope":null}"#, Ok(Found::Forbidden)),
            (
                r#"{"active":true,"scope":"a urn:matrix:client:api:*","exp":7.9,"username":"anna"}"#,
                theirs("anna", Some(7)),
            ),
            (
                r#"{"active":true,"scope":"urn:matrix:client:api:*","exp":-1,"username":"","sub":"01"}"#,
                theirs("01", Some(0)),
            ),
            (
                r#"{"active":true,"scope":"urn:matrix:client:api:*","exp":1e300,"sub":"01"}"#,
                theirs("01", Some(u64::MAX)),
            ),
            (
                r#"{"active":true,"scope":"urn:matrix:client:api:*","username":"","sub":""}"#,
                Ok(Found::Forbidden),
            ),
            (r#"{"scope":"x"}"#, Err(AuthError::BadReply)),
            (r#"{"active":true,"scope":["x"]}"#, Err(AuthError::BadReply)),
        ] {
            assert_eq!(told(200, body), expected, "{body}");
        }
    }

    #[test]
    fn an_error_about_the_token_refuses_it_and_one_about_us_says_nothing_of_it() {
        assert_eq!(told(200, r#"{"active":false}"#), Ok(nobodys()));
        let unsupported = r#"{"error":"unsupported_token_type","error_description":"a JWT"}"#;
        assert_eq!(told(400, unsupported), Ok(nobodys()));
        for (status, body, expected) in [
            (400, r#"{"error":"invalid_request"}"#, AuthError::BadReply),
            (400, "unsupported_token_type", AuthError::BadReply),
            (401, unsupported, AuthError::BadReply),
            (401, r#"{"error":"invalid_client"}"#, AuthError::BadReply),
            (429, "", unavailable(429)),
            (500, "", AuthError::BadReply),
            (502, "", unavailable(502)),
            (503, "", unavailable(503)),
        ] {
            assert_eq!(told(status, body), Err(expected), "{status} {body}");
        }
    }
}
