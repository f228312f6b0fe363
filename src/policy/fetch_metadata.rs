//! Keeps browsers from loading a session as a document (MSC4388, "Unsafe content";
//! docs/protocol.md, R0.26).
//!
//! Any stranger can write a payload. With Fetch Metadata (W3C) a browser sends the purpose of a
//! request; only a script's fetch may receive a payload. Clients other than browsers do not send
//! these headers.

use hyper::HeaderMap;

/// Whether the request's `Sec-Fetch-*` headers allow a response with a payload.
pub(super) fn allows(headers: &HeaderMap) -> bool {
    // One pass: a poll has only a few headers, while four look-ups would hash four names.
    headers.iter().all(|(name, value)| match name.as_str() {
        "sec-fetch-dest" => value == "empty",
        "sec-fetch-mode" => value != "navigate",
        "sec-fetch-user" => value != "?1",
        "sec-fetch-site" => value != "none",
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::allows;
    use hyper::HeaderMap;
    use hyper::header::{HeaderName, HeaderValue};

    fn with(name: &'static str, value: &'static str) -> bool {
        let headers = [(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )]
        .into_iter();
        allows(&headers.collect::<HeaderMap>())
    }

    // R0.26
    #[test]
    fn only_fetches_and_requests_without_headers_pass() {
        assert!(allows(&HeaderMap::new()));
        assert!(with("sec-fetch-dest", "empty"));
        assert!(with("sec-fetch-mode", "cors"));
        assert!(with("sec-fetch-site", "cross-site"));
        assert!(!with("sec-fetch-dest", "document"));
        assert!(!with("sec-fetch-dest", ""));
        assert!(!with("sec-fetch-mode", "navigate"));
        assert!(!with("sec-fetch-user", "?1"));
        assert!(!with("sec-fetch-site", "none"));
    }
}
