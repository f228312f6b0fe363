//! The key by which limits count a client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The well-known prefix of translators between IPv6 and IPv4 (RFC 6052 §2.1), a /96.
const TRANSLATED: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);

/// A client: an IPv4 address or an IPv6 /64.
///
/// Limits count an IPv6 client by its /64, because one household has all 2^64 addresses of it and
/// would otherwise have as many allowances. An IPv4 address in an IPv6 form ([`embedded_ipv4`]) is the
/// IPv4 client, because all IPv4 clients behind a translator share one /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientIp(Ipv6Addr);

/// A network of many customers that limits also count as a whole, by its prefix length.
///
/// One party can hold all of it: a registry allocates an IPv6 /32 to each of its members, and sells
/// or leases IPv4 by the /24.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WideNetwork {
    /// An IPv4 /24: the smallest network that is routed on the Internet.
    Ipv4Slash24,
    /// An IPv4 /16.
    Ipv4Slash16,
    /// An IPv6 /40: 256 of /48.
    Ipv6Slash40,
    /// An IPv6 /32: the smallest allocation to a provider, 65,536 of /48.
    Ipv6Slash32,
}

impl WideNetwork {
    /// The prefix length in the 128 bits of [`ClientIp`]. An IPv4 address there is in its mapped form.
    const fn leading_bits(self) -> u32 {
        match self {
            Self::Ipv4Slash24 => 96 + 24,
            Self::Ipv4Slash16 => 96 + 16,
            Self::Ipv6Slash40 => 40,
            Self::Ipv6Slash32 => 32,
        }
    }
}

impl From<IpAddr> for ClientIp {
    fn from(address: IpAddr) -> Self {
        // Stored in the mapped form, so that one type of key serves IPv4 and IPv6.
        let mapped = |v4: Ipv4Addr| Self(v4.to_ipv6_mapped());
        match address {
            IpAddr::V4(v4) => mapped(v4),
            IpAddr::V6(v6) => embedded_ipv4(v6).map_or_else(|| Self(leading(v6, 64)), mapped),
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

    /// Returns the two wide networks of a client, the smaller one first: the /24 and the /16 of an
    /// IPv4 client, the /40 and the /32 of an IPv6 client.
    #[must_use]
    pub fn wide_networks(self) -> [(WideNetwork, Self); 2] {
        use WideNetwork::{Ipv4Slash16, Ipv4Slash24, Ipv6Slash32, Ipv6Slash40};
        let sizes = match self.0.to_ipv4_mapped() {
            Some(_) => [Ipv4Slash24, Ipv4Slash16],
            None => [Ipv6Slash40, Ipv6Slash32],
        };
        sizes.map(|size| (size, Self(leading(self.0, size.leading_bits()))))
    }

    /// Returns the first address of the /64, or an IPv4 address in its mapped form (RFC 4291
    /// §2.5.5.2).
    #[must_use]
    pub fn octets(self) -> [u8; 16] {
        self.0.octets()
    }
}

/// Returns the IPv4 address in an IPv4-mapped address (RFC 4291 §2.5.5.2) or in one of a
/// translator, `64:ff9b::/96` (RFC 6052 §2.1); otherwise `None`.
///
/// Limits and deny lists use it. `http.trusted_proxies` does not: a translated address is a trusted
/// proxy only if it is listed in that form.
#[must_use]
pub fn embedded_ipv4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let embedded = || {
        let [.., a, b, c, d] = address.octets();
        (leading(address, 96) == TRANSLATED).then_some(Ipv4Addr::new(a, b, c, d))
    };
    address.to_ipv4_mapped().or_else(embedded)
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
    fn translated_address_is_the_ipv4_client() {
        for translated in ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"] {
            assert_eq!(client(translated), client("192.0.2.1"));
            assert_eq!(client(translated).network(), None);
        }
        assert_ne!(client("64:ff9b::192.0.2.1"), client("64:ff9b::192.0.2.2"));
        // RFC 8215 reserves 64:ff9b:1::/48 for translators with prefixes of their own choice.
        for other in ["64:ff9b:0:0:0:1:c000:201", "64:ff9b:1::c000:201"] {
            assert_ne!(client(other), client("192.0.2.1"), "{other}");
            assert!(client(other).network().is_some(), "{other}");
        }
    }

    #[test]
    fn wide_networks_end_at_their_prefix() {
        let networks = |text| client(text).wide_networks().map(|(_, network)| network);
        let shared = |one, other| {
            let [[small, wide], others] = [networks(one), networks(other)];
            (small == others[0], wide == others[1])
        };
        for (one, other, expected) in [
            ("192.0.2.1", "192.0.2.255", (true, true)),
            ("192.0.2.1", "192.0.3.1", (false, true)),
            ("192.0.2.1", "192.1.2.1", (false, false)),
            ("2001:db8:0100::", "2001:db8:01ff::", (true, true)),
            ("2001:db8:0100::", "2001:db8:0200::", (false, true)),
            ("2001:db8:0100::", "2001:db9:0100::", (false, false)),
            ("192.0.2.1", "2001:db8::", (false, false)),
            ("192.0.2.1", "::", (false, false)),
        ] {
            assert_eq!(shared(one, other), expected, "{one} and {other}");
        }
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
