//! The IP addresses that attackers send their requests from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use uuid::Uuid;

/// The addresses of an attacker. No honest device has one of them, nor is it in a network of one.
#[derive(Debug, Clone, Copy)]
pub enum SourceIps {
    /// One IPv4 address.
    One,
    /// This many IPv4 addresses, in turn. Each is in another /16, as those of a botnet.
    Many(u32),
    /// This many IPv4 addresses of one /16, in turn.
    One16(u32),
    /// One IPv6 /64; each request has a random address in it.
    One64,
    /// One IPv6 /48; each request has a random address in the next /64.
    One48,
    /// One IPv6 /32; each request has a random address in the next /48.
    One32,
}

impl SourceIps {
    /// The address of request `n`.
    pub fn nth(self, n: u64) -> IpAddr {
        // From 11.0.0.0 on there are 62,000 of /16, up to the end of IPv4.
        let v4 = |n: u32| Ipv4Addr::from_bits(Ipv4Addr::new(11, 0, 0, 1).to_bits() + n);
        let nth_of = |count: u32| u32::try_from(n % u64::from(count)).unwrap_or(0);
        let v6 = |number: u64, leading_bits: u32| {
            let site = u128::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0));
            let host = Uuid::new_v4().as_u128() & u128::from(u64::MAX);
            Ipv6Addr::from(site | u128::from(number) << (128 - leading_bits) | host)
        };
        match self {
            Self::One => v4(0).into(),
            Self::Many(count) => v4(nth_of(count) << 16).into(),
            Self::One16(count) => v4(nth_of(count)).into(),
            Self::One64 => v6(0, 64).into(),
            Self::One48 => v6(n % (1 << 16), 64).into(),
            Self::One32 => v6(n % (1 << 16), 48).into(),
        }
    }
}
