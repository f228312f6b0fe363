//! Whose request is it, and how did they come: the peer, or what a trusted proxy says.

use crate::model::ClientIp;
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use ipnet::IpNet;
use std::net::IpAddr;

/// The header that proxies append to.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The scheme of the request that a proxy got.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The client of a request that came from `peer`.
///
/// The header is read from right to left, and only while the address so far is a trusted proxy: what
/// stands further left was written by someone whom nobody trusts. Garbage ends the walk.
#[must_use]
pub fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> ClientIp {
    if !is_trusted(peer, trusted) {
        return peer.into();
    }
    let mut client = peer;
    // Repeated headers are one list, in their order (RFC 9110 §5.3).
    let mut hops = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .rev()
        .flat_map(|value| value.to_str().unwrap_or("").rsplit(',').map(str::trim));
    while is_trusted(client, trusted) {
        match hops.next().map(parse_hop) {
            Some(Some(address)) => client = address,
            Some(None) | None => break,
        }
    }
    client.into()
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// Whether a trusted proxy says that its client came by HTTPS.
#[must_use]
pub fn came_by_https(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    // The first of a list is the hop nearest to the client.
    let scheme =
        |value: &HeaderValue| value.to_str().unwrap_or("").split(',').next() == Some("https");
    headers.get(FORWARDED_PROTO).is_some_and(scheme) && is_trusted(peer, trusted)
}

/// An address, perhaps in brackets, perhaps with a port (some load balancers add it).
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(hop);
    bare.parse().ok().or_else(|| {
        hop.parse::<std::net::SocketAddr>()
            .ok()
            .map(|address| address.ip())
    })
}

#[cfg(test)]
mod tests {
    use super::client_ip;
    use crate::model::ClientIp;
    use hyper::HeaderMap;
    use hyper::header::{HeaderName, HeaderValue};
    use ipnet::IpNet;
    use std::net::IpAddr;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn client(peer: &str, headers: &[&'static str]) -> ClientIp {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a network")];
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(
                HeaderName::from_static("x-forwarded-for"),
                HeaderValue::from_static(value),
            );
        }
        client_ip(ip(peer), &map, &trusted)
    }

    #[test]
    fn only_trusted_peers_are_believed_and_from_right_to_left() {
        assert_eq!(
            client("192.0.2.1", &["198.51.100.7"]),
            ip("192.0.2.1").into()
        );
        assert_eq!(
            client("10.0.0.1", &["198.51.100.7"]),
            ip("198.51.100.7").into()
        );
        assert_eq!(
            client("10.0.0.1", &["1.1.1.1, 198.51.100.7"]),
            ip("198.51.100.7").into()
        );
        assert_eq!(
            client("10.0.0.1", &["198.51.100.7, 10.0.0.2"]),
            ip("198.51.100.7").into()
        );
        assert_eq!(
            client("10.0.0.1", &["1.1.1.1", "198.51.100.7"]),
            ip("198.51.100.7").into()
        );
        assert_eq!(
            client("::ffff:10.0.0.1", &["198.51.100.7"]),
            ip("198.51.100.7").into()
        );
        assert_eq!(
            client("10.0.0.1", &["198.51.100.7:4711"]),
            ip("198.51.100.7").into()
        );
        assert_eq!(
            client("10.0.0.1", &["[2001:db8::1]"]),
            ip("2001:db8::1").into()
        );
    }

    #[test]
    fn garbage_ends_the_walk() {
        assert_eq!(
            client("10.0.0.1", &["198.51.100.7, unknown"]),
            ip("10.0.0.1").into()
        );
        assert_eq!(client("10.0.0.1", &[""]), ip("10.0.0.1").into());
        assert_eq!(client("10.0.0.1", &[]), ip("10.0.0.1").into());
    }
}
