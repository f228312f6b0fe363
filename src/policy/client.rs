//! Whom a limit counts.

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
            IpAddr::V6(v6) => Self(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        }
    }
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
}
