//! Finds addresses that cannot both be listened on.

use super::ListenAddress;
use std::net::IpAddr;

impl ListenAddress {
    /// Whether the two addresses cannot both be listened on: the same Unix socket or host name, or the
    /// same port of IP addresses of which one covers the other. With port 0 the system chooses a free
    /// port for each.
    ///
    /// `[::]` counts as all addresses: on Linux it accepts IPv4 too, unless `net.ipv6.bindv6only` is 1.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unix(one), Self::Unix(other)) => one.path() == other.path(),
            (Self::Unix(_), _) | (_, Self::Unix(_)) => false,
            _ if self.port() == Some(0) || self.port() != other.port() => false,
            (Self::Host(one, _), Self::Host(other, _)) => one.eq_ignore_ascii_case(other),
            _ => self.covers(other) || other.covers(self),
        }
    }

    fn port(&self) -> Option<u16> {
        match self {
            Self::Ip(address) => Some(address.port()),
            Self::AllIps(port) | Self::Host(_, port) => Some(*port),
            Self::Unix(_) => None,
        }
    }

    /// Whether this address accepts every connection to an address of the same port.
    fn covers(&self, other: &Self) -> bool {
        match self {
            Self::AllIps(_) => true,
            Self::Ip(own) => match (own.ip(), other) {
                (IpAddr::V6(own), _) if own.is_unspecified() => true,
                (IpAddr::V4(own), Self::Ip(other)) if own.is_unspecified() => other.is_ipv4(),
                (own, Self::Ip(other)) => own == other.ip(),
                (_, Self::AllIps(_) | Self::Host(..) | Self::Unix(_)) => false,
            },
            Self::Host(..) | Self::Unix(_) => false,
        }
    }
}
