//! Takes values from the front of an input. An input that is too short yields zeros, so that every
//! input is valid.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The part of an input that was not taken yet.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// Takes one byte.
    pub fn byte(&mut self) -> u8 {
        let [byte] = self.bytes();
        byte
    }

    /// Takes a fixed number of bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let taken = self.slice(N);
        bytes[..taken.len()].copy_from_slice(taken);
        bytes
    }

    /// Takes at most `length` bytes.
    pub fn slice(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Takes an address: IPv4 after an even byte, IPv6 after an odd one.
    pub fn address(&mut self) -> IpAddr {
        if self.byte() % 2 == 0 {
            Ipv4Addr::from(self.bytes()).into()
        } else {
            Ipv6Addr::from(self.bytes::<16>()).into()
        }
    }
}
