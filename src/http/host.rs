//! The host that a request names.

use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Request, Version};

/// Whether the request violates RFC 9112, 3.2: an HTTP/1.1 request needs exactly one `Host`
/// (R0.36).
///
/// HTTP/1.0 has no such rule, and HTTP/2 sends `:authority` instead.
pub(super) fn violates_host_rule<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11 && request.headers().get_all(HOST).iter().count() != 1
}

/// Returns host and port as the client names them: from the target on HTTP/2 (RFC 9113, 8.3.1),
/// from the `Host` header on HTTP/1.1 (RFC 9110, 7.2). Returns `None` if there is no valid host.
pub(super) fn authority<B>(request: &Request<B>) -> Option<Authority> {
    let target = request.uri().authority().map(Authority::as_str);
    let mut headers = request.headers().get_all(HOST).iter();
    // With two Host headers, a proxy in front may have used the other one.
    let header = headers.next().filter(|_| headers.next().is_none());
    let authority_text =
        target.or_else(|| header.and_then(|host| HeaderValue::to_str(host).ok()))?;
    let authority = authority_text.parse::<Authority>().ok()?;
    let port = authority_text.strip_prefix(authority.host())?;
    let is_port = matches!(port, "" | ":") || authority.port_u16().is_some();
    (is_port && !authority_text.contains('@')).then_some(authority)
}

/// Returns the host alone, in lower case, without the trailing dot of a fully qualified name (RFC
/// 3986, 3.2.2).
pub(super) fn normalized_host<B>(request: &Request<B>) -> Option<String> {
    let authority = authority(request)?;
    let host = authority.host();
    Some(host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{authority, normalized_host, violates_host_rule};
    use hyper::header::HOST;
    use hyper::{Request, Version};

    fn request(version: Version, target: &str, hosts: &[&str]) -> Request<()> {
        let builder = Request::builder().version(version).uri(target);
        let builder = hosts
            .iter()
            .fold(builder, |builder, host| builder.header(HOST, *host));
        builder.body(()).expect("a request")
    }

    /// Returns the authority of an HTTP/1.1 request with this `Host`.
    fn of_header(host: &str) -> Option<String> {
        let authority = authority(&request(Version::HTTP_11, "/", &[host]));
        authority.map(|authority| authority.to_string())
    }

    #[test]
    fn only_http_1_1_needs_exactly_one_host() {
        let two = ["a.example", "b.example"];
        for (version, hosts, expected) in [
            (Version::HTTP_11, &two[..0], true),
            (Version::HTTP_11, &two[..1], false),
            (Version::HTTP_11, &two[..2], true),
            (Version::HTTP_10, &two[..0], false),
            (Version::HTTP_10, &two[..2], false),
            (Version::HTTP_2, &two[..0], false),
        ] {
            let request = request(version, "/", hosts);
            assert_eq!(
                violates_host_rule(&request),
                expected,
                "{version:?} {hosts:?}"
            );
        }
    }

    /// HTTP/1.0 allows two headers. A proxy in front may have used either.
    #[test]
    fn two_host_headers_name_no_host() {
        let two = ["a.example", "b.example"];
        for version in [Version::HTTP_10, Version::HTTP_2] {
            assert_eq!(authority(&request(version, "/", &two)), None);
        }
        let both = request(Version::HTTP_2, "http://c.example/", &two);
        assert_eq!(normalized_host(&both).as_deref(), Some("c.example"));
    }

    #[test]
    fn host_with_port_is_accepted_and_user_is_rejected() {
        for host in [
            "a.example",
            "a.example:",
            "a.example:80",
            "[::1]",
            "[::1]:80",
        ] {
            assert_eq!(of_header(host).as_deref(), Some(host));
        }
        for host in [
            "", "a b", "user@a", "a@a", "a@a:80", "a:b@a:80", "a:x", "a:65536",
        ] {
            assert_eq!(of_header(host), None, "{host}");
        }
    }

    #[test]
    fn normalized_host_has_neither_case_nor_trailing_dot_nor_port() {
        for host in [
            "a.example",
            "A.Example",
            "a.example.",
            "a.example.:80",
            "a.example:",
        ] {
            let request = request(Version::HTTP_11, "/", &[host]);
            assert_eq!(
                normalized_host(&request).as_deref(),
                Some("a.example"),
                "{host}"
            );
        }
    }
}
