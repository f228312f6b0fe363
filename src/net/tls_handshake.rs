//! The TLS handshake of a connection, before any HTTP.
//!
//! For `connection`, after `admission`: the connection has its permits, as one that has not sent a
//! request yet. The whole handshake has one time limit from the accept, or from the end of the PROXY
//! protocol's header, which a proxy sends before it.

use crate::clock::Clock;
use crate::clock::lazy_timeout::LazyTimeout;
use crate::lifecycle::Lifecycle;
use crate::net::peer_stream::PeerStream;
use crate::net::tls_stream::ServerTlsStream;
use crate::telemetry::labels::{ConnectionRefusal, TimeoutKind};
use crate::telemetry::metrics::Metrics;
use crate::tls::server::{ALPN_HTTP2, ServerTls};
use bytes::Bytes;
use rustls::{InvalidMessage, ServerConfig, ServerConnection};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

/// Runs handshakes.
#[derive(Debug)]
pub struct TlsHandshaker {
    config: Arc<ServerConfig>,
    timeout: Duration,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct TlsConnection {
    /// The connection.
    pub stream: PeerStream,
    /// Whether ALPN chose HTTP/2. Without ALPN the version is HTTP/1.1.
    pub is_http2: bool,
}

impl TlsHandshaker {
    /// Creates the handshaker of a listener. A handshake takes at most `timeout`.
    #[must_use]
    pub fn new(
        tls: &ServerTls,
        timeout: Duration,
        lifecycle: Lifecycle,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        Self {
            config: tls.config(),
            timeout,
            lifecycle,
            metrics,
            clock,
        }
    }

    /// Runs the handshake. `buffered` was read from `stream` before. Returns `None` if the time limit
    /// or the shutdown ended it.
    ///
    /// # Errors
    /// That of the stream, or of rustls. [`refusal`] says which are the peer's doing.
    pub async fn run(
        &self,
        stream: PeerStream,
        buffered: Bytes,
    ) -> io::Result<Option<TlsConnection>> {
        let mut received = Ok(());
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
        let handshake = acceptor.accept_with(stream, |connection| {
            received = feed_buffered(connection, &buffered);
        });
        received?;
        let mut deadline = LazyTimeout::new(self.clock.clone());
        let handshake = pin!(handshake);
        let bounded = pin!(deadline.timeout(self.timeout, handshake));
        let Some(ended) = self.lifecycle.before_first_request(bounded).await else {
            return Ok(None);
        };
        let Some(stream) = ended.transpose()? else {
            self.metrics.timeouts.inc(TimeoutKind::TlsHandshake);
            return Ok(None);
        };
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2);
        let stream = PeerStream::Tls(Box::new(ServerTlsStream::new(stream)));
        Ok(Some(TlsConnection { stream, is_http2 }))
    }
}

/// Passes bytes to a connection that were read before it was created: what follows a PROXY protocol
/// header, which is far shorter than a record.
fn feed_buffered(connection: &mut ServerConnection, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        connection.read_tls(&mut bytes)?;
        let processed = connection.process_new_packets();
        processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    }
    Ok(())
}

/// Returns the reason if a handshake failed because of what the peer sent. `None` if the connection
/// ended: a probe of the port is not counted.
#[must_use]
pub fn refusal(error: &io::Error) -> Option<ConnectionRefusal> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        // The first byte is not that of a TLS record.
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Some(ConnectionRefusal::NoTls)
        }
        _ => Some(ConnectionRefusal::TlsHandshake),
    }
}
