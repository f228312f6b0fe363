//! Why a token could not be checked, in a text for operators.
//!
//! The text names the host that was tried. If there was a response, it has the status, the content
//! type, and what was expected instead: usually another program responds at the configured URL.

use crate::policy::auth::outcome::AuthError;
use crate::policy::auth::verifier_response::VerifierResponse;
use hyper::Uri;
use hyper::header::HeaderValue;
use std::fmt::Write;

/// Upper bound of the content type in a text, in characters. The types that exist are shorter.
const MAX_CONTENT_TYPE: usize = 60;

/// A check without a result: the error, and the text about it.
#[derive(Debug)]
pub(super) struct VerifierFailure {
    pub(super) error: AuthError,
    pub(super) text: String,
}

impl VerifierFailure {
    /// The failure of a request to `url` that got no complete response.
    pub(super) fn without_response(url: &Uri, error: AuthError) -> Self {
        let host = host(url);
        let text = match &error {
            // The causes begin with the host.
            AuthError::Unreachable(_) | AuthError::Busy | AuthError::CircuitOpen(_) => {
                error.to_string()
            }
            AuthError::Timeout => format!("{host} did not answer within 3 s"),
            AuthError::Unavailable(status) => format!("{host} answered {status}"),
            AuthError::BadReply => {
                format!("the response of {host} broke off, or has more than 64 KiB")
            }
        };
        Self { error, text }
    }

    /// The failure of a request to `url` with a response that says nothing about the token.
    pub(super) fn with_response(
        url: &Uri,
        error: AuthError,
        response: &VerifierResponse,
        expected: &str,
    ) -> Self {
        let mut text = format!("{} answered {}", host(url), response.status);
        let content_type = response.content_type.as_ref().map(HeaderValue::to_str);
        // A `String` accepts everything.
        let _written = match content_type {
            Some(Ok(name)) => {
                let name: String = name.chars().take(MAX_CONTENT_TYPE).collect();
                write!(text, " with the content type {name}")
            }
            Some(Err(_)) | None => write!(text, " without a content type"),
        };
        text.push_str("; expected ");
        text.push_str(expected);
        Self { error, text }
    }
}

/// The host of a URL, with its port if the URL has one.
fn host(url: &Uri) -> &str {
    url.authority()
        .map_or("", hyper::http::uri::Authority::as_str)
}
