//! The client's address and scheme: the peer's, or those that a trusted proxy names.

use crate::config::http::HttpConfig;
use crate::net::forwarded::ForwardedHeader;
use crate::net::peer_stream::PeerAddress;
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};

/// The address of the peer of a Unix socket, which has none: a process on this host. It is the client of a
/// request that names no other.
const UNIX_PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The header in which a proxy names the scheme of the request that it received.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The proxies whose header names the client, and which header that is: `http.trusted_proxies` and
/// `http.forwarded_header` of one configuration.
#[derive(Debug)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ForwardedHeader,
    /// How many other lists came before in this process.
    changes: u64,
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The address.
    pub ip: IpAddr,
    /// Whether the peer's headers may name the client: it is a trusted proxy.
    pub is_trusted: bool,
    /// Whether the peer is a trusted proxy, so that its connection may carry many clients. Its headers are
    /// not trusted if the PROXY protocol announced no address: they are the unknown client's.
    pub is_proxy: bool,
    /// Whether that follows from the address. Not so at a Unix socket, and not without an announced address.
    is_by_address: bool,
}

impl Peer {
    /// The trusted proxy at `proxy` for which the PROXY protocol announced no client. It is not trusted: a
    /// proxy of layer 4 writes no headers, so the headers are the unknown client's.
    #[must_use]
    pub fn without_announced_client(proxy: Self) -> Self {
        Self {
            is_trusted: false,
            is_by_address: false,
            ..proxy
        }
    }
}

impl TrustedProxies {
    /// Reads the proxies and the header from the configuration.
    ///
    /// # Panics
    /// If `forwarded_header` is not a header name. The configuration rejects such a value.
    #[must_use]
    pub fn new(config: &HttpConfig) -> Self {
        let header = ForwardedHeader::new(config.forwarded_header.as_str());
        Self {
            networks: config.trusted_proxies.clone(),
            header: header.expect("the configuration has a header's name"),
            changes: 0,
        }
    }

    /// Reads the proxies and the header that replace these.
    ///
    /// # Panics
    /// As [`TrustedProxies::new`].
    #[must_use]
    pub fn successor(&self, config: &HttpConfig) -> Self {
        Self {
            changes: self.changes + 1,
            ..Self::new(config)
        }
    }

    /// Whether these are the proxies and the header of this configuration.
    #[must_use]
    pub fn are_those_of(&self, config: &HttpConfig) -> bool {
        let header = config.forwarded_header.as_str();
        self.networks == config.trusted_proxies
            && self.header.name.as_str().eq_ignore_ascii_case(header)
    }

    /// How many other lists came before in this process.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }

    /// Returns the peer of an open connection as these proxies have it. A connection keeps its limits.
    #[must_use]
    pub fn peer_now(&self, peer: Peer) -> Peer {
        if peer.is_by_address {
            self.peer(PeerAddress::Ip(peer.ip))
        } else {
            peer
        }
    }

    /// Whether a request has the header in which proxies name the client.
    #[must_use]
    pub fn has_header(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(&self.header.name)
    }

    /// The name of the header in which proxies name the client, in lower case.
    #[must_use]
    pub fn header_name(&self) -> String {
        self.header.name.as_str().to_owned()
    }

    /// Returns the proxies and one more, as `http.trusted_proxies` lists them.
    #[must_use]
    pub fn list_with(&self, proxy: IpAddr) -> Vec<String> {
        let text = |network: &IpNet| {
            if network.prefix_len() == network.max_prefix_len() {
                network.addr().to_string()
            } else {
                network.to_string()
            }
        };
        let listed = self.networks.iter().map(text);
        listed.chain([proxy.to_string()]).collect()
    }

    /// Whether the client's `X-Request-Id` may be used: a trusted proxy set it, or no trusted
    /// proxies are configured (R0.37).
    #[must_use]
    pub fn may_set_request_id(&self, peer: Peer) -> bool {
        peer.is_trusted || self.networks.is_empty()
    }

    /// Returns the peer with this address. The peer of a Unix socket is a trusted proxy: the permissions
    /// of the socket file decide which processes may connect.
    #[must_use]
    pub fn peer(&self, address: PeerAddress) -> Peer {
        let (ip, is_trusted, is_by_address) = match address {
            PeerAddress::Ip(ip) => (ip, self.contains(ip), true),
            PeerAddress::Unix => (UNIX_PEER, true, false),
        };
        Peer {
            ip,
            is_trusted,
            is_proxy: is_trusted,
            is_by_address,
        }
    }

    /// Returns the client of a request that came from `peer`.
    ///
    /// The header is read from right to left, and only while the address so far is a trusted
    /// proxy's: everything further left was written by an untrusted party. Invalid text ends the
    /// walk.
    #[must_use]
    pub fn client_ip(&self, peer: Peer, headers: &HeaderMap) -> IpAddr {
        let (mut client, mut is_trusted) = (peer.ip, peer.is_trusted);
        if is_trusted {
            let mut addresses = self.header.addresses(headers);
            while is_trusted && let Some(Some(address)) = addresses.next() {
                client = address;
                is_trusted = self.contains(address);
            }
        }
        client.to_canonical()
    }
}

/// Whether the client used HTTPS: as a trusted proxy reports, or else as the connection itself does,
/// which `uses_tls` or not.
#[must_use]
pub fn is_https(peer: Peer, uses_tls: bool, headers: &HeaderMap) -> bool {
    // The first entry of a list is the hop nearest to the client.
    let is_https_value =
        |value: &HeaderValue| value.to_str().unwrap_or("").split(',').next() == Some("https");
    let reported = headers.get(FORWARDED_PROTO).filter(|_| peer.is_trusted);
    reported.map_or(uses_tls, is_https_value)
}

#[cfg(test)]
mod tests {
    use super::TrustedProxies;
    use crate::net::forwarded::ForwardedHeader;
    use crate::net::peer_stream::PeerAddress;
    use hyper::HeaderMap;
    use hyper::header::{HeaderName, HeaderValue};
    use std::net::IpAddr;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// Two networks, one of which is a single address.
    fn trusted_proxies() -> TrustedProxies {
        let networks = ["10.0.0.0/8", "192.0.2.53/32"];
        TrustedProxies {
            networks: networks.map(|text| text.parse().expect("a network")).into(),
            header: ForwardedHeader::new("X-Forwarded-For").expect("a name"),
            changes: 0,
        }
    }

    fn client(peer: &str, headers: &[&'static str]) -> IpAddr {
        let trusted_proxies = trusted_proxies();
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(
                HeaderName::from_static("x-forwarded-for"),
                HeaderValue::from_static(value),
            );
        }
        let peer = match peer {
            "unix" => PeerAddress::Unix,
            peer => PeerAddress::Ip(ip(peer)),
        };
        trusted_proxies.client_ip(trusted_proxies.peer(peer), &map)
    }

    #[test]
    fn header_of_trusted_peer_is_read_from_right_to_left() {
        for (peer, headers, expected) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["1.1.1.1, 192.0.2.53"], "1.1.1.1"),
            ("unix", &["198.51.100.7"], "198.51.100.7"),
            ("unix", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            ("unix", &["1.1.1.1, 10.0.0.2"], "1.1.1.1"),
            ("unix", &["1.1.1.1, 127.0.0.1"], "127.0.0.1"),
        ] {
            assert_eq!(client(peer, headers), ip(expected), "{peer} {headers:?}");
        }
    }

    #[test]
    fn invalid_entry_ends_the_walk() {
        for headers in [&["198.51.100.7, unknown"][..], &[""], &[]] {
            for (peer, address) in [("10.0.0.1", "10.0.0.1"), ("unix", "127.0.0.1")] {
                assert_eq!(client(peer, headers), ip(address), "{headers:?}");
            }
        }
    }

    #[test]
    fn proxies_are_listed_as_they_are_configured() {
        let listed = trusted_proxies().list_with(ip("2001:db8::1"));
        assert_eq!(listed, ["10.0.0.0/8", "192.0.2.53", "2001:db8::1"]);
    }
}
