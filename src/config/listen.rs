//! The addresses that a listener accepts connections on, as they are written in the configuration.

mod overlap;
mod unix_path;

pub use unix_path::UnixListenPath;

use crate::config::de::list;
use serde::de::Error as _;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Upper bound of the addresses of one listener: more than a host's interfaces, and few enough that each
/// accept can look at all of them.
pub const MAX_ADDRESSES: usize = 16;

/// Longest host name, in bytes (RFC 1035 §2.3.4).
const MAX_HOST_LEN: usize = 253;

/// The syntax of a path on a Unix socket.
const UNIX_SCHEME: &str = "unix:";

/// One address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and a port: `127.0.0.1:8080`, `[::1]:8080`.
    Ip(SocketAddr),
    /// A port on all IPv6 and IPv4 addresses of the host: `:8080`.
    AllIps(u16),
    /// A host name, which is resolved at the start, and a port: `localhost:8080`.
    Host(String, u16),
    /// A Unix socket: `unix:/run/rendezvous.sock?mode=0660`.
    Unix(UnixListenPath),
}

/// Why a text is not an address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListenAddressError {
    /// The text has none of the forms.
    #[error(
        "expected an address with a port such as 127.0.0.1:8080, [::1]:8080, localhost:8080, :8080 (all \
         IPv6 and IPv4 addresses), or a Unix socket such as unix:/run/matrix-rendezvous/http.sock"
    )]
    Form,
    /// The path of a Unix socket cannot be used.
    #[error(
        "expected an absolute path of at most 107 bytes, such as \
         unix:/run/matrix-rendezvous/http.sock?mode=0660"
    )]
    UnixPath,
    /// The query of a Unix socket is no mode.
    #[error(
        "expected the mode of the socket file as three or four octal digits, such as \
         unix:/run/matrix-rendezvous/http.sock?mode=0660"
    )]
    UnixMode,
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix(UNIX_SCHEME) {
            return path.parse().map(Self::Unix);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        let (host, port) = text.rsplit_once(':').ok_or(ListenAddressError::Form)?;
        // `u16::from_str` also accepts a sign.
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| is_number);
        let port = port.ok_or(ListenAddressError::Form)?;
        match host {
            "" => Ok(Self::AllIps(port)),
            host if is_host_name(host) => Ok(Self::Host(host.to_owned(), port)),
            _ => Err(ListenAddressError::Form),
        }
    }
}

/// Whether the text is a host name. A last label of digits belongs to a mistyped IPv4 address, which no
/// resolver knows.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !label.is_empty() && !label.starts_with('-') && label.bytes().all(is_allowed)
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let last = name.rsplit('.').next().unwrap_or_default();
    text.len() <= MAX_HOST_LEN
        && name.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(out, "{address}"),
            Self::AllIps(port) => write!(out, ":{port}"),
            Self::Host(host, port) => write!(out, "{host}:{port}"),
            Self::Unix(path) => write!(out, "{UNIX_SCHEME}{path}"),
        }
    }
}

impl ListenAddress {
    /// Whether the address is a Unix socket.
    #[must_use]
    pub fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// Returns the addresses at which a process on this host reaches the listener, if it has an IP
    /// address that needs no resolution. For a listener on all addresses they are those of loopback.
    #[must_use]
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        let v4 = |port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        let v6 = |port| SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port);
        match self {
            Self::Ip(address) => vec![match address.ip() {
                ip if !ip.is_unspecified() => *address,
                IpAddr::V4(_) => v4(address.port()),
                IpAddr::V6(_) => v6(address.port()),
            }],
            Self::AllIps(port) => vec![v4(*port), v6(*port)],
            Self::Host(..) | Self::Unix(_) => Vec::new(),
        }
    }
}

/// The addresses of one listener: at least one, and none that another one of them covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddresses(Vec<ListenAddress>);

impl ListenAddresses {
    /// Creates the list.
    ///
    /// # Errors
    /// A text for the operator, if there is no address, if there are more than 16, or if two of them
    /// overlap.
    pub fn new(addresses: Vec<ListenAddress>) -> Result<Self, String> {
        if addresses.is_empty() {
            return Err(format!("names no address: {}", ListenAddressError::Form));
        }
        if addresses.len() > MAX_ADDRESSES {
            return Err(format!("must have at most {MAX_ADDRESSES} addresses"));
        }
        let mut rest = addresses.as_slice();
        while let [first, others @ ..] = rest {
            if let Some(other) = others.iter().find(|other| first.overlaps(other)) {
                return Err(format!(
                    "{first} and {other} overlap: remove one; :PORT alone listens on all IPv6 and IPv4 addresses"
                ));
            }
            rest = others;
        }
        Ok(Self(addresses))
    }

    /// The addresses, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &ListenAddress> {
        self.0.iter()
    }

    /// The first address.
    #[must_use]
    pub fn first(&self) -> &ListenAddress {
        &self.0[0]
    }

    /// Returns an address of this list and one of `others` that cannot both be listened on.
    #[must_use]
    pub fn overlap<'a>(
        &'a self,
        others: &'a Self,
    ) -> Option<(&'a ListenAddress, &'a ListenAddress)> {
        let pairs = self
            .iter()
            .flat_map(|own| others.iter().map(move |other| (own, other)));
        let mut overlapping = pairs.filter(|(own, other)| own.overlaps(other));
        overlapping.next()
    }
}

/// Accepts a list, or text with its entries separated by commas.
impl<'de> Deserialize<'de> for ListenAddresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(list(deserializer)?).map_err(D::Error::custom)
    }
}

/// Writes a single address as text, as it is usually written.
impl Serialize for ListenAddresses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let [only] = self.0.as_slice() {
            return serializer.collect_str(only);
        }
        let mut entries = serializer.serialize_seq(Some(self.0.len()))?;
        for address in &self.0 {
            entries.serialize_element(&address.to_string())?;
        }
        entries.end()
    }
}

#[cfg(test)]
mod tests;
