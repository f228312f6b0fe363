//! Opens the connection of one request: address, TCP, TLS.
//!
//! Each request has a connection of its own, so that a load balancer may send each to another
//! replica, and nothing is answered from an earlier connection's state.

use crate::doctor::peer_certificate::PeerCertificate;
use crate::tls;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

/// Time limit of an attempt to connect to one address, so that a name with a silent address is
/// reached at its next one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Upper bound of the addresses of a name that are tried.
const MAX_ADDRESSES: usize = 8;

/// A byte stream: TCP, or TLS over TCP.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// An open connection, and the address of its peer.
pub(super) struct ProbeConnection {
    pub(super) stream: Box<dyn Stream>,
    pub(super) peer: SocketAddr,
}

/// Why a connection could not be opened. The text names the host or the address that was tried.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeConnectError {
    #[error("the name {host} cannot be resolved: {error}")]
    Resolve { host: String, error: io::Error },
    #[error("the name {host} has no {family} address")]
    NoAddress { host: String, family: AddressFamily },
    #[error("no connection to {address} ({host}): {error}")]
    Tcp {
        host: String,
        address: SocketAddr,
        error: io::Error,
    },
    #[error("no TLS connection to {address} ({host}): {error}")]
    Tls {
        host: String,
        address: SocketAddr,
        error: io::Error,
    },
}

/// The address families that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressFamily {
    Any,
    Ipv4,
    Ipv6,
}

impl AddressFamily {
    fn contains(self, address: &SocketAddr) -> bool {
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

/// An address to connect to instead of that of a name: `HOST:PORT:ADDRESS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressOverride {
    host: String,
    port: u16,
    address: SocketAddr,
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

/// Opens connections.
pub(super) struct Connector {
    family: AddressFamily,
    overrides: Vec<AddressOverride>,
    tls: TlsConnector,
    /// The address of each host and port that accepted a connection, so that a silent one is waited
    /// for once.
    accepted: BTreeMap<(String, u16), SocketAddr>,
    /// The connections that could not be opened, although another address of the host accepted one.
    refused: Vec<ProbeConnectError>,
    /// What each host showed when a TLS connection was opened.
    certificates: BTreeMap<String, PeerCertificate>,
}

impl Connector {
    /// Creates a connector that trusts the platform's certificate authorities and `extra_roots`.
    ///
    /// # Errors
    /// [`rustls::Error`] if rustls rejects the TLS settings.
    pub(super) fn new(
        family: AddressFamily,
        overrides: Vec<AddressOverride>,
        extra_roots: &RootCertStore,
    ) -> Result<Self, rustls::Error> {
        let mut config: ClientConfig = tls::client_config(extra_roots, None)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            family,
            overrides,
            tls: TlsConnector::from(Arc::new(config)),
            accepted: BTreeMap::new(),
            refused: Vec::new(),
            certificates: BTreeMap::new(),
        })
    }

    /// Opens a connection to the host of `url`, to the first of its addresses that accepts one.
    ///
    /// # Errors
    /// [`ProbeConnectError`] of the last address that was tried.
    pub(super) async fn connect(
        &mut self,
        url: &Url,
    ) -> Result<ProbeConnection, ProbeConnectError> {
        let host = host_of(url);
        let port = url.port_or_known_default().unwrap_or(443);
        let (tcp, peer) = self.connect_tcp(&host, port).await?;
        let stream: Box<dyn Stream> = if url.scheme() == "https" {
            let failed = |error| ProbeConnectError::Tls {
                host: host.clone(),
                address: peer,
                error,
            };
            let name = ServerName::try_from(host.clone())
                .map_err(|error| failed(io::Error::other(error)))?;
            let stream = self.tls.connect(name, tcp).await.map_err(failed)?;
            let (_, connection) = stream.get_ref();
            let certificate = PeerCertificate::of(connection);
            self.certificates.insert(host, certificate);
            Box::new(stream)
        } else {
            Box::new(tcp)
        };
        Ok(ProbeConnection { stream, peer })
    }

    /// The connections that could not be opened, although another address of the host accepted one.
    pub(super) fn refused(&self) -> &[ProbeConnectError] {
        &self.refused
    }

    /// What each host showed when a TLS connection was opened.
    pub(super) fn certificates(&self) -> impl Iterator<Item = (&str, &PeerCertificate)> {
        let certificates = self.certificates.iter();
        certificates.map(|(host, certificate)| (host.as_str(), certificate))
    }

    async fn connect_tcp(
        &mut self,
        host: &str,
        port: u16,
    ) -> Result<(TcpStream, SocketAddr), ProbeConnectError> {
        let key = (host.to_owned(), port);
        let addresses = match self.accepted.get(&key) {
            Some(accepted) => vec![*accepted],
            None => self.addresses(host, port).await?,
        };
        let mut errors = Vec::new();
        for address in addresses {
            let attempt = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
            match attempt.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => {
                    // Best effort: without it a request may be a little slower.
                    let _set = stream.set_nodelay(true);
                    self.accepted.insert(key, address);
                    self.refused.append(&mut errors);
                    return Ok((stream, address));
                }
                Err(error) => {
                    errors.push(ProbeConnectError::Tcp {
                        host: host.to_owned(),
                        address,
                        error,
                    });
                }
            }
        }
        Err(errors
            .pop()
            .unwrap_or_else(|| ProbeConnectError::NoAddress {
                host: host.to_owned(),
                family: self.family,
            }))
    }

    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ProbeConnectError> {
        let overridden = self
            .overrides
            .iter()
            .filter(|entry| entry.host == host && entry.port == port)
            .map(|entry| entry.address);
        let mut addresses: Vec<_> = overridden.collect();
        if addresses.is_empty() {
            let found = lookup_host((host, port)).await;
            let found = found.map_err(|error| ProbeConnectError::Resolve {
                host: host.to_owned(),
                error,
            })?;
            addresses.extend(found);
        }
        addresses.retain(|address| self.family.contains(address));
        addresses.truncate(MAX_ADDRESSES);
        Ok(addresses)
    }
}

/// Returns the host of a URL, in lower case and without the brackets of an IPv6 address.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned()
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
            assert_eq!(parsed.host, "a.example");
            assert_eq!(parsed.address.to_string(), address, "{text}");
        }
        for invalid in ["", "a.example", "a.example:443", "a.example:443:b.example"] {
            parse(invalid).expect_err(invalid);
        }
    }
}
