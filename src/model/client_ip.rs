//! The key by which limits count a client.

use std::net::{IpAddr, Ipv6Addr};

/// A client: an IPv4 address or an IPv6 /64.
///
/// Limits count an IPv6 client by its /64, because one household has all 2^64 addresses of it and
/// would otherwise have as many allowances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientIp(Ipv6Addr);

impl From<IpAddr> for ClientIp {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            // Stored in the mapped form, so that one type of key serves IPv4 and IPv6.
            IpAddr::V4(v4) => Self(v4.to_ipv6_mapped()),
            IpAddr::V6(v6) => Self(leading(v6, 64)),
        }
    }
}

impl ClientIp {
    /// Returns the /48 of an IPv6 client, or `None` for an IPv4 client.
    ///
    /// A provider gives at most a /48 to one customer (RFC 6177). Limits per network keep a
    /// customer with 65,536 of /64 from having as many allowances.
    #[must_use]
    pub fn network(self) -> Option<Self> {
        let is_v4 = self.0.to_ipv4_mapped().is_some();
        (!is_v4).then(|| Self(leading(self.0, 48)))
    }

    /// Returns the first address of the /64, or an IPv4 address in its mapped form (RFC 4291
    /// §2.5.5.2).
    #[must_use]
    pub fn octets(self) -> [u8; 16] {
        self.0.octets()
    }
}

/// Returns `address` with all but its first `bits` bits set to 0.
fn leading(address: Ipv6Addr, bits: u32) -> Ipv6Addr {
    let rest = 128 - bits;
    Ipv6Addr::from_bits(address.to_bits() >> rest << rest)
}

#[cfg(test)]
mod tests {
    use super::ClientIp;
    use std::net::IpAddr;

    fn client(text: &str) -> ClientIp {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn v4_client_is_an_address_and_v6_client_a_64() {
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
        assert_eq!(client("192.0.2.1"), client("::ffff:192.0.2.1"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:0:0:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
    }

    #[test]
    fn v6_client_has_a_48_and_v4_client_no_network() {
        let network = |text| client(text).network();
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:ffff::1"));
        assert_ne!(network("2001:db8:1::1"), network("2001:db8:2::1"));
        assert_eq!(network("2001:db8:1::1"), Some(client("2001:db8:1::")));
        assert_eq!(network("192.0.2.1"), None);
    }
}
