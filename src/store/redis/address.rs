//! The address of one Redis server, and the TCP address to use if a name has several.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;

/// Head start of each address of a name before the next one is tried as well (RFC 8305, 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Maximum number of addresses of a name to try.
const MAX_ADDRESSES: usize = 16;

/// The address of one Redis server, sentinel or Cluster node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// A host name or IP address, and a port.
    Tcp(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Parses `host:port`, where an IPv6 host may stand without brackets, as in redirections.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (!host.is_empty()).then_some(Self::Tcp(host.to_owned(), port.parse().ok()?))
    }

    /// Returns the same port on another host, for a redirection without a host.
    pub(super) fn on_host_of(port: u16, other: &Self) -> Option<Self> {
        match other {
            Self::Tcp(host, _) => Some(Self::Tcp(host.clone(), port)),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(out, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(out, "{host}:{port}"),
            Self::Unix(path) => write!(out, "{}", path.display()),
        }
    }
}

/// Returns the host to connect to: `host` itself if it has one address, else the first of its
/// addresses that accepts a connection.
///
/// Each address gets a head start of 250 ms before the next is tried beside it, so a silent address
/// costs that long and no more. The caller bounds the whole.
///
/// # Errors
/// The operating system's reason if the name cannot be resolved, or if no address accepts.
pub(super) async fn reachable_host(host: &str, port: u16) -> std::io::Result<String> {
    let addresses: Vec<SocketAddr> = lookup_host((host, port))
        .await?
        .take(MAX_ADDRESSES)
        .collect();
    if addresses.len() < 2 {
        return Ok(host.to_owned());
    }
    let mut attempts = JoinSet::new();
    let mut last_error = std::io::Error::from(std::io::ErrorKind::NotFound);
    let mut remaining = addresses.into_iter();
    loop {
        let next = remaining.next();
        let is_last = next.is_none();
        if let Some(address) = next {
            attempts.spawn(async move {
                let connected = TcpStream::connect(address).await;
                connected.map(|_stream| address.ip())
            });
        } else if attempts.is_empty() {
            return Err(last_error);
        }
        let joined = tokio::select! {
            joined = attempts.join_next() => joined,
            () = tokio::time::sleep(HEAD_START), if !is_last => None,
        };
        match joined {
            Some(Ok(Ok(ip))) => return Ok(ip.to_string()),
            Some(Ok(Err(error))) => last_error = error,
            Some(Err(_)) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_of_redirections_are_parsed() {
        let tcp = |host: &str, port| Some(Address::Tcp(host.to_owned(), port));
        assert_eq!(Address::parse("127.0.0.1:6379"), tcp("127.0.0.1", 6379));
        assert_eq!(Address::parse("::1:6379"), tcp("::1", 6379));
        assert_eq!(Address::parse("[::1]:6379"), tcp("::1", 6379));
        assert_eq!(Address::parse("redis-0.redis:1"), tcp("redis-0.redis", 1));
        for invalid in ["", ":6379", "host", "host:", "host:99999"] {
            assert_eq!(Address::parse(invalid), None, "{invalid}");
        }
    }
}
