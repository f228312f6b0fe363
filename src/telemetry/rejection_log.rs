//! The rejection log: a sample of the requests and connections that limits rejected.
//!
//! The metrics count every rejection. The log has at most one line a second for each reason, so
//! that a flood of rejections does not become a flood of lines. A line names the client by a
//! pseudonym.

use crate::clock::Clock;
use crate::model::ClientIp;
use crate::model::Rejection;
use crate::telemetry::labels::ConnectionRefusal;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::pseudonym::Pseudonyms;
use crate::telemetry::request_record::RequestRecord;
use crate::telemetry::unique_counter::UniqueCounter;
use std::net::IpAddr;
use std::time::Duration;

/// Samples rejections for the log and estimates the number of limited clients.
#[derive(Debug)]
pub struct RejectionLog {
    replica: String,
    pseudonyms: Pseudonyms,
    clock: Clock,
    /// One throttle per rejection reason.
    throttles: Vec<LogThrottle>,
    /// One throttle per reason to close a connection.
    connection_throttles: Vec<LogThrottle>,
    clients: UniqueCounter,
}

impl RejectionLog {
    /// Creates the rejection log of this `replica`.
    #[must_use]
    pub fn new(replica: String, pseudonyms: Pseudonyms, clock: Clock) -> Self {
        Self {
            replica,
            pseudonyms,
            clock,
            throttles: throttles(Rejection::ALL),
            connection_throttles: throttles(ConnectionRefusal::ALL),
            clients: UniqueCounter::default(),
        }
    }

    /// Records a request that was rejected for `reason`, and logs the first one of each second.
    pub fn record(&self, reason: Rejection, request: &RequestRecord<'_>) {
        let now = self.clock.now();
        self.clients.insert(request.client, now);
        if !self.throttles[reason.index()].try_acquire(now) {
            return;
        }
        let client = self.pseudonyms.client(request.client);
        let session = request.session.map(|id| self.pseudonyms.session(id));
        tracing::info!(
            target: "refused",
            reason = reason.label(),
            client,
            api = request.api.label(),
            route = request.route.label(),
            session,
            request_id = request.request_id,
            replica = self.replica,
            "request rejected by a limit (sampled: one line per second and reason)"
        );
    }

    /// Records a connection or stream that was closed for `reason`, and logs the first one of each
    /// second. If a trusted proxy opened the connection, `proxy` is its address, which is logged in clear.
    pub fn record_connection(
        &self,
        reason: ConnectionRefusal,
        client: ClientIp,
        proxy: Option<IpAddr>,
    ) {
        let now = self.clock.now();
        if is_limited(reason) {
            self.clients.insert(client, now);
        }
        if self.connection_throttles[reason.index()].try_acquire(now) {
            let client = self.pseudonyms.client(client);
            tracing::info!(
                target: "refused",
                reason = reason.label(),
                client,
                proxy = proxy.map(display),
                hint = hint(reason),
                "connection or stream closed (sampled: one line per second and reason)"
            );
        }
    }

    /// Estimates how many distinct clients were rejected in the current or in the previous minute,
    /// whichever is higher.
    #[must_use]
    pub fn limited_clients(&self) -> u64 {
        self.clients.estimate(self.clock.now())
    }
}

/// Whether a client is refused that would be served otherwise. A port scan speaks no HTTP.
const fn is_limited(reason: ConnectionRefusal) -> bool {
    match reason {
        ConnectionRefusal::PerClient
        | ConnectionRefusal::ProxyHeader
        | ConnectionRefusal::UntrustedPeer
        | ConnectionRefusal::Http2Flood
        | ConnectionRefusal::Http2Streams => true,
        ConnectionRefusal::Tls
        | ConnectionRefusal::NoTls
        | ConnectionRefusal::TlsHandshake
        | ConnectionRefusal::Http2Off
        | ConnectionRefusal::HeadTooLarge
        | ConnectionRefusal::MalformedHead => false,
    }
}

/// What an operator can do if a peer of the deployment itself causes the reason.
const fn hint(reason: ConnectionRefusal) -> Option<&'static str> {
    match reason {
        ConnectionRefusal::Tls => Some(
            "the peer speaks TLS and http.listen does not: let the proxy use http:// to it, send \
             clients to the proxy, or set http.tls_cert_file",
        ),
        ConnectionRefusal::NoTls => Some(
            "the peer does not speak TLS and http.tls_cert_file is set: let the proxy use https:// to it",
        ),
        ConnectionRefusal::TlsHandshake => Some(
            "let the proxy trust the authority of http.tls_cert_file, and use TLS 1.2 or 1.3 with h2 or http/1.1",
        ),
        ConnectionRefusal::Http2Off => {
            Some("the peer speaks HTTP/2 without TLS: set http.h2c = true, or let it use HTTP/1.1")
        }
        ConnectionRefusal::HeadTooLarge => {
            Some("a request head has at most 16 KiB and 100 header lines: look for large cookies")
        }
        ConnectionRefusal::MalformedHead
        | ConnectionRefusal::PerClient
        | ConnectionRefusal::ProxyHeader
        | ConnectionRefusal::UntrustedPeer
        | ConnectionRefusal::Http2Flood
        | ConnectionRefusal::Http2Streams => None,
    }
}

/// One throttle per reason, each with one line a second.
fn throttles<T>(reasons: &[T]) -> Vec<LogThrottle> {
    let throttle = |_| LogThrottle::every(Duration::from_secs(1));
    reasons.iter().map(throttle).collect()
}
