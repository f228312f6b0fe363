//! Requests that check tokens at an OAuth 2.0 server by introspection (RFC 7662), as a homeserver
//! with the Matrix Authentication Service does. `introspection_response` parses the responses.

use crate::config::verifier::Credentials;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, InvalidHeaderValue};
use hyper::{Method, Request, Uri};
use url::form_urlencoded::byte_serialize;

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

/// Builds the request about a token. Without one, a server answers 400 `invalid_request`.
pub(super) fn build_request(
    endpoint: &Uri,
    authorization: &HeaderValue,
    token: Option<&str>,
) -> Request<Full<Bytes>> {
    let body = token.map_or_else(String::new, |token| {
        format!("token={}&token_type_hint=access_token", form_encode(token))
    });
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
