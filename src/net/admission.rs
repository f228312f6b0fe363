//! Who comes: the address that counts for a connection, before any HTTP is spoken, and whether it may stay.
//!
//! For `connection`. What is not let in gets no reply: nothing was asked yet, and a reply that must be
//! written, and waited for until it is taken, is work that a stranger could order.

use crate::clock::Clock;
use crate::clock::lazy_timeout::LazyTimeout;
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::limits::client_concurrency::{ClientConcurrencyLimiter, ClientPermit};
use crate::net::client_ip::{Peer, TrustedProxies};
use crate::net::proxy_protocol::{self, ProxyHeaderError};
use crate::telemetry::labels::{ConnectionRefusal, TimeoutKind};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::rejection_log::RejectionLog;
use bytes::Bytes;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncRead;

/// So many clients' connections one IPv6 /48 may have: what the other limits give a network beside a client.
const CLIENTS_PER_NETWORK: usize = 10;

/// Looks at each new connection.
#[derive(Debug)]
pub struct ConnectionAdmission {
    /// Whose word counts for whose request it is.
    pub trusted_proxies: TrustedProxies,
    /// How long the PROXY protocol's header may take; `None` where connections begin with HTTP.
    proxy_header_timeout: Option<Duration>,
    /// `None` where clients have no limits.
    per_client: Option<Arc<ClientConcurrencyLimiter>>,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
    rejection_log: Arc<RejectionLog>,
    clock: Clock,
}

/// A connection that may stay.
#[derive(Debug)]
pub struct AdmittedConnection {
    /// Whose it is.
    pub peer: Peer,
    /// What was read beyond the PROXY protocol's header.
    pub buffered: Bytes,
    /// Among those of its client, for as long as it is open; a trusted proxy's connections are not counted,
    /// since they are many clients'.
    pub permit: Option<ClientPermit>,
}

impl ConnectionAdmission {
    /// By these rules.
    #[must_use]
    pub fn new(
        config: &Config,
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
        Self {
            trusted_proxies: TrustedProxies::new(http),
            proxy_header_timeout: http.proxy_protocol.then_some(http.timeouts.header),
            per_client: config.limits.rates.is_some().then(per_client),
            lifecycle,
            metrics,
            rejection_log,
            clock,
        }
    }

    /// Who is at the other end of `stream`, which came from `ip`; `None` where it is to be closed.
    pub async fn admit(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        ip: IpAddr,
    ) -> Option<AdmittedConnection> {
        let (peer, buffered) = match self.proxy_header_timeout {
            Some(timeout) => self.read_proxy_header(stream, ip, timeout).await?,
            None => (self.trusted_proxies.peer(ip), Bytes::new()),
        };
        let permit = match &self.per_client {
            Some(connections) if !self.trusted_proxies.contains(peer.ip) => {
                let Some(permit) = connections.try_acquire(peer.ip.into()) else {
                    return self.refuse(ConnectionRefusal::PerClient, peer.ip);
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

    /// Reads the PROXY protocol's header within `limit`, from the moment that the connection is there: a proxy
    /// sends it at once. Nobody but a trusted proxy may send one, for who may send one may be anyone.
    async fn read_proxy_header(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        ip: IpAddr,
        timeout: Duration,
    ) -> Option<(Peer, Bytes)> {
        if !self.trusted_proxies.contains(ip) {
            return self.refuse(ConnectionRefusal::UntrustedPeer, ip);
        }
        let mut deadline = LazyTimeout::new(self.clock.clone());
        let reading = pin!(proxy_protocol::read(stream));
        let bounded = pin!(deadline.timeout(timeout, reading));
        // Nothing was asked yet, so it may end when we leave.
        match self.lifecycle.until_draining(bounded).await? {
            Some(Ok(header)) => {
                // Where the proxy names nobody, it is the peer. It is not believed then: a proxy of layer 4
                // writes no headers, so they are the client's whom it did not name.
                let unnamed = Peer {
                    ip,
                    is_trusted: false,
                };
                let peer = header
                    .client
                    .map_or(unnamed, |ip| self.trusted_proxies.peer(ip));
                Some((peer, header.buffered))
            }
            Some(Err(ProxyHeaderError::Malformed)) => {
                self.refuse(ConnectionRefusal::ProxyHeader, ip)
            }
            // A probe of the port is nothing to count, and neither is a connection that broke.
            Some(Err(ProxyHeaderError::Empty | ProxyHeaderError::Io(_))) => None,
            None => {
                self.metrics.timeouts.inc(TimeoutKind::ProxyHeader);
                None
            }
        }
    }

    /// Notes that a connection was closed for what its client did.
    pub fn record_refusal(&self, reason: ConnectionRefusal, ip: IpAddr) {
        self.metrics.connections_refused.inc(reason);
        self.rejection_log.record_connection(reason, ip.into());
    }

    fn refuse<T>(&self, reason: ConnectionRefusal, ip: IpAddr) -> Option<T> {
        self.record_refusal(reason, ip);
        None
    }
}
