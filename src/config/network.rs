//! A range of addresses, as configuration names one.

use ipnet::IpNet;
use serde::Serialize;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses in CIDR notation (RFC 4632, RFC 4291 §2.3); a single address is a range of one.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub struct Network(pub IpNet);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<IpAddr>()
            .map(IpNet::from)
            .or_else(|_| text.parse::<IpNet>())
            .map(|network| Self(network.trunc()))
            .map_err(|_| NetworkError)
    }
}

/// The text is neither an address nor a CIDR range.
#[derive(Debug)]
pub struct NetworkError;

impl fmt::Display for NetworkError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("expected an address or a CIDR range such as 10.0.0.0/8")
    }
}
