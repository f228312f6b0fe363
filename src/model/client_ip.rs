//! Where a request comes from, as limits count it.

use std::net::{IpAddr, Ipv6Addr};

/// A client, as limits count it: an IPv4 address, or an IPv6 /64, since one household has 2^64
/// addresses and would otherwise have as many shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientIp(Ipv6Addr);

impl From<IpAddr> for ClientIp {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            // Kept in the mapped form, so that one type of key serves both.
            IpAddr::V4(v4) => Self(v4.to_ipv6_mapped()),
            IpAddr::V6(v6) => Self(leading(v6, 64)),
        }
    }
}

impl ClientIp {
    /// The network that an IPv6 client's provider gave to one customer: a /48 at most (RFC 6177), so that
    /// whoever has 65,536 of /64 has not as many shares. An IPv4 client has none.
    #[must_use]
    pub fn network(self) -> Option<Self> {
        let is_v4 = self.0.to_ipv4_mapped().is_some();
        (!is_v4).then(|| Self(leading(self.0, 48)))
    }

    /// The address, the first of its network; an IPv4 one in its mapped form (RFC 4291 §2.5.5.2).
    #[must_use]
    pub fn octets(self) -> [u8; 16] {
        self.0.octets()
    }
}

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
    fn v4_counts_by_address_and_v6_by_its_64() {
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
        assert_eq!(client("192.0.2.1"), client("::ffff:192.0.2.1"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:0:0:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
    }

    #[test]
    fn a_v6_client_is_of_a_48_and_a_v4_one_of_none() {
        let network = |text| client(text).network();
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:ffff::1"));
        assert_ne!(network("2001:db8:1::1"), network("2001:db8:2::1"));
        assert_eq!(network("2001:db8:1::1"), Some(client("2001:db8:1::")));
        assert_eq!(network("192.0.2.1"), None);
    }
}
