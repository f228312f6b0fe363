//! A session must not be shown by a browser as a page (MSC4388, "Unsafe content").
//!
//! A payload is whatever a stranger wrote. With Fetch Metadata (W3C) the browser says what it wants
//! the reply for, and only script that fetches may have it. Clients that are no browsers send none.

use hyper::HeaderMap;

/// Whether the request's `Sec-Fetch-*` headers allow a reply with a payload.
pub(super) fn allows(headers: &HeaderMap) -> bool {
    let any = |name: &str, test: fn(&[u8]) -> bool| {
        headers
            .get_all(name)
            .iter()
            .any(|value| test(value.as_bytes()))
    };
    !(any("sec-fetch-dest", |dest| dest != b"empty")
        || any("sec-fetch-mode", |mode| mode == b"navigate")
        || any("sec-fetch-user", |user| user == b"?1")
        || any("sec-fetch-site", |site| site == b"none"))
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
