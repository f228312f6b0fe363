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

/// RFC 7662 §2.2, as far as we ask.
#[derive(Deserialize)]
struct Introspection {
    active: bool,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    exp: Option<u64>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
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
    let told: Introspection = answer.json()?;
    if !told.active {
        return Ok(nobodys());
    }
    if !told.scope.split(' ').any(|scope| API.contains(&scope)) {
        return Ok(Found::Forbidden);
    }
    // A client's own token (RFC 6749 §4.4) has no user behind it.
    let Some(user) = told.username.or(told.sub) else {
        return Ok(Found::Forbidden);
    };
    Ok(Found::User {
        user: User::parse(&user).ok_or(AuthError::BadReply)?,
        expires: told.exp,
    })
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
    use crate::policy::auth::upstream::Answer;
    use crate::policy::auth::{AuthError, Found};
    use hyper::StatusCode;

    fn told(status: u16, body: &'static str) -> Result<Found, AuthError> {
        found(&Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            body: body.into(),
        })
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
            (429, "", AuthError::Unavailable),
            (500, "", AuthError::BadReply),
            (502, "", AuthError::Unavailable),
            (503, "", AuthError::Unavailable),
        ] {
            assert_eq!(told(status, body), Err(expected), "{status} {body}");
        }
    }
}
