//! `--resolve HOST:PORT:ADDRESS`: an address to connect to instead of that of a name.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// An address to connect to instead of that of a name: `HOST:PORT:ADDRESS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressOverride {
    host: String,
    port: u16,
    address: SocketAddr,
}

impl AddressOverride {
    /// Returns the address if it is that of this host, in lower case, and port.
    pub(super) fn address_of(&self, host: &str, port: u16) -> Option<SocketAddr> {
        (self.host == host && self.port == port).then_some(self.address)
    }
}

impl FromStr for AddressOverride {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "expected HOST:PORT:ADDRESS, such as matrix.example.org:443:192.0.2.7";
        let (host, rest) = text.split_once(':').ok_or(EXPECTED)?;
        let (port, address) = rest.split_once(':').ok_or(EXPECTED)?;
        let port = port.parse().map_err(|_| EXPECTED)?;
        let ip = address.trim_start_matches('[').trim_end_matches(']');
        let address = match ip.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, port),
            Err(_) => address.parse().map_err(|_| EXPECTED)?,
        };
        let host = host.to_ascii_lowercase();
        Ok(Self {
            host,
            port,
            address,
        })
    }
}

impl fmt::Display for AddressOverride {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            port,
            address,
        } = self;
        write!(out, "{host}:{port}:{address}")
    }
}

#[cfg(test)]
mod tests {
    use super::AddressOverride;

    #[test]
    fn address_override_is_parsed_with_and_without_port() {
        let parse = |text: &str| text.parse::<AddressOverride>();
        for (text, address) in [
            ("A.example:443:192.0.2.7", "192.0.2.7:443"),
            ("a.example:443:192.0.2.7:8443", "192.0.2.7:8443"),
            ("a.example:443:2001:db8::1", "[2001:db8::1]:443"),
            ("a.example:443:[2001:db8::1]", "[2001:db8::1]:443"),
            ("a.example:443:[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ] {
            let parsed = parse(text).expect(text);
            assert_eq!(parsed.to_string(), format!("a.example:443:{address}"));
            let found = parsed.address_of("a.example", 443).expect("the host");
            assert_eq!(found.to_string(), address, "{text}");
            assert_eq!(parsed.address_of("a.example", 80), None);
            assert_eq!(parsed.address_of("b.example", 443), None);
        }
        for invalid in ["", "a.example", "a.example:443", "a.example:443:b.example"] {
            parse(invalid).expect_err(invalid);
        }
    }
}
