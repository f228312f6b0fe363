//! A session must not be shown by a browser as a page (MSC4388, "Unsafe content").
//!
//! A payload is whatever a stranger wrote. With Fetch Metadata (W3C) the browser says what it wants
//! the reply for, and only script that fetches may have it. Clients that are no browsers send none.

use hyper::HeaderMap;

/// Whether the request's `Sec-Fetch-*` headers allow a reply with a payload.
pub(super) fn allows(headers: &HeaderMap) -> bool {
    // One pass: a poll has a handful of headers, and four look-ups would hash as many names.
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
    fn only_script_and_clients_without_the_headers_may_read() {
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
