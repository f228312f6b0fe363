//! The IP addresses that attackers send their requests from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use uuid::Uuid;

/// The addresses of an attacker. No honest device has one of them.
#[derive(Debug, Clone, Copy)]
pub enum SourceIps {
    /// One IPv4 address.
    One,
    /// This many IPv4 addresses, in turn.
    Many(u32),
    /// One IPv6 /64; each request has a random address in it.
    One64,
    /// One IPv6 /48; each request has a random address in the next /64.
    One48,
}

impl SourceIps {
    /// The address of request `n`.
    pub fn nth(self, n: u64) -> IpAddr {
        // 100.64.0.0/10 has four million addresses.
        let v4 = |n| Ipv4Addr::from_bits(Ipv4Addr::new(100, 64, 0, 0).to_bits() + n);
        let v6 = |network: u64| {
            let site = u128::from(Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 0));
            let host = Uuid::new_v4().as_u128() & u128::from(u64::MAX);
            Ipv6Addr::from(site | u128::from(network) << 64 | host)
        };
        match self {
            Self::One => v4(0).into(),
            Self::Many(count) => v4(u32::try_from(n % u64::from(count)).unwrap_or(0)).into(),
            Self::One64 => v6(0).into(),
            Self::One48 => v6(n % (1 << 16)).into(),
        }
    }
}
