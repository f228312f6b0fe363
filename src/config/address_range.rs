//! An address range as it is written in the configuration.

use ipnet::IpNet;
use serde::Serialize;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address range in CIDR notation (RFC 4632, RFC 4291 §2.3). A single address is a range of one.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub struct Network(pub IpNet);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<IpAddr>()
            .map(IpNet::from)
            .or_else(|_| text.parse::<IpNet>())
            .map(|network| Self(unmapped(network).trunc()))
            .map_err(|_| NetworkError)
    }
}

/// Converts a range of IPv4-mapped IPv6 addresses (RFC 4291 §2.5.5.2) to a range of IPv4. Client
/// addresses are converted in the same way before they are compared.
fn unmapped(network: IpNet) -> IpNet {
    let mapped = |bits: u8| match network.addr().to_canonical() {
        IpAddr::V4(v4) => IpNet::new(v4.into(), bits.checked_sub(96)?).ok(),
        IpAddr::V6(_) => None,
    };
    match network {
        IpNet::V6(v6) => mapped(v6.prefix_len()).unwrap_or(network),
        IpNet::V4(_) => network,
    }
}

/// The error of a text that is neither an address nor a CIDR range.
#[derive(Debug)]
pub struct NetworkError;

impl fmt::Display for NetworkError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("expected an address or a CIDR range such as 10.0.0.0/8")
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn networks_are_normalized() {
        for (text, expected) in [
            ("192.0.2.9", "192.0.2.9/32"),
            ("192.0.2.9/24", "192.0.2.0/24"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("2001:db8:1::/48", "2001:db8:1::/48"),
            ("::ffff:192.0.2.9", "192.0.2.9/32"),
            ("::ffff:192.0.2.9/120", "192.0.2.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
        ] {
            let network: Network = text.parse().expect("a range");
            assert_eq!(network.0.to_string(), expected, "{text}");
        }
    }
}
