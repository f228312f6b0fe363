//! Admission of connections, before any HTTP: finds the client's address and enforces its limit.
//!
//! For `connection`. A rejected connection gets no response: it has no request yet, and a response
//! that must be written and awaited is work that a stranger could cause.

use crate::clock::Clock;
use crate::clock::lazy_timeout::LazyTimeout;
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::limits::client_concurrency::{ClientConcurrencyLimiter, ClientPermit};
use crate::limits::http2_streams::{StreamLimiter, StreamPermit};
use crate::net::client_ip::{Peer, TrustedProxies};
use crate::net::peer_stream::PeerAddress;
use crate::net::proxy_protocol::{self, ProxyHeaderError};
use crate::net::routing::CurrentRouting;
use crate::telemetry::labels::{ConnectionRefusal, TimeoutKind};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::rejection_log::RejectionLog;
use bytes::Bytes;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncRead;

/// Upper bound of an IPv6 /48's connections, in multiples of one client's: the same ratio as in the
/// other limits.
const CLIENTS_PER_NETWORK: usize = 10;

/// Admits or rejects new connections.
#[derive(Debug)]
pub struct ConnectionAdmission {
    /// The proxies that may name the client of a request, and the base URLs.
    pub routing: Arc<CurrentRouting>,
    /// Time limit for the PROXY protocol's header. `None` if connections begin with HTTP.
    proxy_header_timeout: Option<Duration>,
    /// The limit per client. `None` if `limits.enabled` is false.
    per_client: Option<Arc<ClientConcurrencyLimiter>>,
    streams: StreamLimiter,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
    rejection_log: Arc<RejectionLog>,
    clock: Clock,
}

/// An admitted connection.
#[derive(Debug)]
pub struct AdmittedConnection {
    /// The other end of the connection.
    pub peer: Peer,
    /// Bytes that were read after the PROXY protocol's header.
    pub buffered: Bytes,
    /// The client's permit, held while the connection is open. A trusted proxy's connections need
    /// none, since they carry many clients.
    pub permit: Option<ClientPermit>,
}

impl ConnectionAdmission {
    /// Creates the admission for this configuration.
    #[must_use]
    pub fn new(
        config: &Config,
        routing: Arc<CurrentRouting>,
        lifecycle: Lifecycle,
        metrics: Arc<Metrics>,
        rejection_log: Arc<RejectionLog>,
        clock: Clock,
    ) -> Self {
        let http = &config.http;
        let per_client = || {
            let max_per_client = http.max_connections_per_client;
            ClientConcurrencyLimiter::new(
                max_per_client,
                max_per_client.saturating_mul(CLIENTS_PER_NETWORK),
            )
        };
        let limits_clients = config.limits.rates.is_some();
        Self {
            routing,
            proxy_header_timeout: http.proxy_protocol.then_some(http.timeouts.header),
            per_client: limits_clients.then(per_client),
            streams: StreamLimiter::new(http.max_connections, limits_clients.then(per_client)),
            lifecycle,
            metrics,
            rejection_log,
            clock,
        }
    }

    /// Admits the connection `stream` from `address`. Returns `None` if it must be closed.
    pub async fn admit(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        address: PeerAddress,
    ) -> Option<AdmittedConnection> {
        let peer = self.peer(address);
        let (peer, buffered) = match self.proxy_header_timeout {
            Some(timeout) => self.read_proxy_header(stream, peer, timeout).await?,
            None => (peer, Bytes::new()),
        };
        let permit = match &self.per_client {
            Some(connections) if !peer.is_proxy => {
                let Some(permit) = connections.try_acquire(peer.ip.into()) else {
                    return self.refuse(ConnectionRefusal::PerClient, peer);
                };
                Some(permit)
            }
            _ => None,
        };
        Some(AdmittedConnection {
            peer,
            buffered,
            permit,
        })
    }

    /// Admits an HTTP/2 stream of the client `ip`. Returns `None` if it must be refused.
    #[must_use]
    pub fn admit_stream(
        &self,
        trusted_proxies: &TrustedProxies,
        ip: IpAddr,
    ) -> Option<StreamPermit> {
        let permit = self.streams.try_acquire(ip.into());
        permit.or_else(|| {
            let client = trusted_proxies.peer(PeerAddress::Ip(ip));
            self.refuse(ConnectionRefusal::Http2Streams, client)
        })
    }

    /// Reads the PROXY protocol's header within `timeout` of the accept: a proxy sends it at once.
    ///
    /// Only a trusted proxy may send one, since its sender can claim any address.
    async fn read_proxy_header(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        proxy: Peer,
        timeout: Duration,
    ) -> Option<(Peer, Bytes)> {
        if !proxy.is_proxy {
            return self.refuse(ConnectionRefusal::UntrustedPeer, proxy);
        }
        let mut deadline = LazyTimeout::new(self.clock.clone());
        let reading = pin!(proxy_protocol::read(stream));
        let bounded = pin!(deadline.timeout(timeout, reading));
        match self.lifecycle.before_first_request(bounded).await? {
            Some(Ok(header)) => {
                let unnamed = Peer::without_announced_client(proxy);
                let announced = header.client.map(PeerAddress::Ip);
                let peer = announced.map_or(unnamed, |client| self.peer(client));
                Some((peer, header.buffered))
            }
            Some(Err(ProxyHeaderError::Malformed)) => {
                self.refuse(ConnectionRefusal::ProxyHeader, proxy)
            }
            // Neither a probe of the port nor a broken connection is counted.
            Some(Err(ProxyHeaderError::Empty | ProxyHeaderError::Io(_))) => None,
            None => {
                self.metrics.timeouts.inc(TimeoutKind::ProxyHeader);
                None
            }
        }
    }

    /// The peer with this address, by the proxies of now.
    fn peer(&self, address: PeerAddress) -> Peer {
        self.routing.load().trusted_proxies.peer(address)
    }

    /// Records that a connection was closed, or a stream refused, because of what its client did.
    pub fn record_refusal(&self, reason: ConnectionRefusal, peer: Peer) {
        self.metrics.connections_refused.inc(reason);
        let proxy = peer.is_proxy.then_some(peer.ip);
        self.rejection_log
            .record_connection(reason, peer.ip.into(), proxy);
    }

    fn refuse<T>(&self, reason: ConnectionRefusal, peer: Peer) -> Option<T> {
        self.record_refusal(reason, peer);
        None
    }
}
