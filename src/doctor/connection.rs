//! Opens the connection of one request: address, TCP, TLS.
//!
//! Each request has a connection of its own, so that a load balancer may send each to another
//! replica, and nothing is answered from an earlier connection's state.

use crate::doctor::address_family::AddressFamily;
use crate::doctor::address_override::AddressOverride;
use crate::doctor::connect_error::ProbeConnectError;
use crate::doctor::listener_override::ListenerOverride;
use crate::doctor::peer_certificate::PeerCertificate;
use crate::doctor::tls_failure::TlsFailure;
use crate::tls;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
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

/// Opens connections.
pub(super) struct Connector {
    family: AddressFamily,
    overrides: Vec<AddressOverride>,
    listener: Option<ListenerOverride>,
    tls: TlsConnector,
    /// Each host and port to which there was a request.
    requested: BTreeSet<(String, u16)>,
    /// The address of each host and port that accepted a connection, so that a silent one is waited
    /// for once.
    accepted: BTreeMap<(String, u16), SocketAddr>,
    /// The connections that could not be opened, although another address of the host accepted one.
    refused: Vec<ProbeConnectError>,
    /// What each host showed when a TLS connection was opened.
    certificates: BTreeMap<String, PeerCertificate>,
}

impl Connector {
    /// Creates a connector that trusts the platform's certificate authorities and `extra_roots`. It
    /// connects to `listener` instead of the host that this replaces.
    ///
    /// # Errors
    /// [`rustls::Error`] if rustls rejects the TLS settings.
    pub(super) fn new(
        family: AddressFamily,
        overrides: Vec<AddressOverride>,
        listener: Option<ListenerOverride>,
        extra_roots: &RootCertStore,
    ) -> Result<Self, rustls::Error> {
        let mut config: ClientConfig = tls::client_config(extra_roots, None)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            family,
            overrides,
            listener,
            tls: TlsConnector::from(Arc::new(config)),
            requested: BTreeSet::new(),
            accepted: BTreeMap::new(),
            refused: Vec::new(),
            certificates: BTreeMap::new(),
        })
    }

    /// Opens a connection to the host of `url`: at `address`, or at the first of its addresses that
    /// accepts one.
    ///
    /// # Errors
    /// [`ProbeConnectError`] of the last address that was tried.
    pub(super) async fn connect(
        &mut self,
        url: &Url,
        address: Option<SocketAddr>,
    ) -> Result<ProbeConnection, ProbeConnectError> {
        let via = self.listener_for(url).map(|listener| listener.via.clone());
        let address = address.filter(|_| via.is_none());
        let url = via.as_ref().unwrap_or(url);
        let (host, port) = host_and_port(url);
        let (tcp, peer) = match address {
            Some(address) => (connect_to(&host, address).await?, address),
            None => self.connect_tcp(&host, port).await?,
        };
        let stream: Box<dyn Stream> = if url.scheme() == "https" {
            let failed = |error| ProbeConnectError::Tls {
                host: host.clone(),
                address: peer,
                failure: TlsFailure::new(&error),
            };
            let name = ServerName::try_from(host.clone())
                .map_err(|error| failed(io::Error::other(error)))?;
            let stream = self.tls.connect(name, tcp).await.map_err(failed)?;
            let (_, connection) = stream.get_ref();
            let certificate = PeerCertificate::of(connection);
            // Of several, the one that ends first: another address may have a newer one.
            let known = self.certificates.entry(host).or_insert(certificate.clone());
            if certificate.not_after < known.not_after {
                *known = certificate;
            }
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

    /// Each host and port to which there was a request.
    pub(super) fn requested(&self) -> &BTreeSet<(String, u16)> {
        &self.requested
    }

    async fn connect_tcp(
        &mut self,
        host: &str,
        port: u16,
    ) -> Result<(TcpStream, SocketAddr), ProbeConnectError> {
        let key = (host.to_owned(), port);
        self.requested.insert(key.clone());
        let addresses = match self.accepted.get(&key) {
            Some(accepted) => vec![*accepted],
            None => self.addresses(host, port).await?,
        };
        let mut errors = Vec::new();
        for address in addresses {
            match connect_to(host, address).await {
                Ok(stream) => {
                    self.accepted.insert(key, address);
                    self.refused.append(&mut errors);
                    return Ok((stream, address));
                }
                Err(error) => errors.push(error),
            }
        }
        Err(errors
            .pop()
            .unwrap_or_else(|| ProbeConnectError::NoAddress {
                host: host.to_owned(),
                family: self.family,
            }))
    }

    /// The listener that a request to `url` is sent to, with `--via`.
    pub(super) fn listener_for(&self, url: &Url) -> Option<&ListenerOverride> {
        self.listener
            .as_ref()
            .filter(|listener| listener.replaces(url))
    }

    /// Whether `--resolve` has an address for the host of `url`.
    pub(super) fn is_overridden(&self, url: &Url) -> bool {
        let (host, port) = host_and_port(url);
        let mut overrides = self.overrides.iter();
        overrides.any(|entry| entry.address_of(&host, port).is_some())
    }

    /// Returns the addresses of the host of `url`, as far as they are used.
    ///
    /// # Errors
    /// [`ProbeConnectError::Resolve`] if the name has none.
    pub(super) async fn addresses_of(
        &self,
        url: &Url,
    ) -> Result<Vec<SocketAddr>, ProbeConnectError> {
        let (host, port) = host_and_port(url);
        self.addresses(&host, port).await
    }

    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ProbeConnectError> {
        let overrides = self.overrides.iter();
        let overridden = overrides.filter_map(|entry| entry.address_of(host, port));
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

async fn connect_to(host: &str, address: SocketAddr) -> Result<TcpStream, ProbeConnectError> {
    let attempt = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
    let attempt = attempt.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let stream = attempt.map_err(|error| ProbeConnectError::Tcp {
        host: host.to_owned(),
        address,
        error,
    })?;
    // Best effort: without it a request may be a little slower.
    let _set = stream.set_nodelay(true);
    Ok(stream)
}

/// Returns the host of a URL, in lower case and without the brackets of an IPv6 address, and the port.
fn host_and_port(url: &Url) -> (String, u16) {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or(443);
    (host.to_owned(), port)
}
