//! `X-Rendezvous-Probe`: a diagnostic client tells this server's responses from those of a proxy or a
//! homeserver (R0.38).

use hyper::header::{ACCESS_CONTROL_EXPOSE_HEADERS, HeaderMap, HeaderName, HeaderValue};

/// The name of the header field.
pub const X_RENDEZVOUS_PROBE: HeaderName = HeaderName::from_static("x-rendezvous-probe");

/// The longest value that is repeated, in bytes.
const MAX_LEN: usize = 32;

/// Repeats the request's probe in the response, if it is one word of 1 to 32 characters
/// `[A-Za-z0-9]`, and lets scripts read it.
pub(super) fn repeat(request: &HeaderMap, response: &mut HeaderMap) {
    let Some(probe) = request.get(X_RENDEZVOUS_PROBE) else {
        return;
    };
    if !is_valid(probe.as_bytes()) {
        return;
    }
    response.insert(X_RENDEZVOUS_PROBE, probe.clone());
    // Responses of the ETag dialect name it always (R2.16).
    response
        .entry(ACCESS_CONTROL_EXPOSE_HEADERS)
        .or_insert(HeaderValue::from_static("X-Rendezvous-Probe"));
}

fn is_valid(text: &[u8]) -> bool {
    (1..=MAX_LEN).contains(&text.len()) && text.iter().all(u8::is_ascii_alphanumeric)
}
