//! `--ipv4` and `--ipv6`: the addresses that the doctor uses.

use std::fmt;
use std::net::SocketAddr;

/// The address families that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressFamily {
    Any,
    Ipv4,
    Ipv6,
}

impl AddressFamily {
    /// Whether an address is one of these.
    pub(super) fn contains(self, address: &SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Ipv4 => address.is_ipv4(),
            Self::Ipv6 => address.is_ipv6(),
        }
    }
}

impl fmt::Display for AddressFamily {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Any => "IP",
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}
