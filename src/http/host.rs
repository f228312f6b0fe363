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
