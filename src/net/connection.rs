//! Serves one connection: detects the HTTP version, runs its requests, and closes it without losing
//! a response.

mod context;
mod lifetime;
mod request;

use crate::clock::Clock;
use crate::config::Config;
use crate::config::http::HttpConfig;
use crate::http::service::Service;
use crate::lifecycle::Lifecycle;
use crate::limits::client_concurrency::ClientPermit;
use crate::net::admission::{AdmittedConnection, ConnectionAdmission};
use crate::net::http1;
use crate::net::http2::limited_stream::FrameLimitedStream;
use crate::net::http2::preface::begins_with_preface;
use crate::net::http2::response_body::ResponseBody;
use crate::net::http2::{self, StreamExecutor};
use crate::net::peer_stream::{PeerAddress, PeerStream};
use crate::net::routing::CurrentRouting;
use crate::net::timeout_stream::{SocketTimeouts, TimeoutStream};
use crate::net::tls_handshake::{self, TlsHandshaker};
use crate::store::Store;
use crate::telemetry::labels::ConnectionRefusal;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::rejection_log::RejectionLog;
use crate::tls::server::ServerTls;
use bytes::Bytes;
use context::ConnectionContext;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use request::client_of;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Maximum size of a request head and of hyper's read buffer: more than any proxy's headers need, and
/// small enough for ten thousand connections.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Serves connections. One value is shared by all of them.
#[derive(Debug)]
pub struct Connections<S> {
    service: Service<S>,
    /// `None` if connections are plain text.
    handshaker: Option<TlsHandshaker>,
    config: HttpConfig,
    /// Zero if no read is held.
    longest_hold: Duration,
    admission: ConnectionAdmission,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// A connection whose HTTP version is known.
struct OpenConnection {
    stream: TimeoutStream<PeerStream>,
    context: Arc<ConnectionContext>,
    is_http2: bool,
    /// Of its client.
    permit: Option<ClientPermit>,
}

impl<S: Store> Connections<S> {
    /// Creates the server of connections to `service`.
    #[must_use]
    pub fn new(
        config: &Config,
        service: Service<S>,
        routing: Arc<CurrentRouting>,
        lifecycle: Lifecycle,
        metrics: Arc<Metrics>,
        rejection_log: Arc<RejectionLog>,
        clock: Clock,
    ) -> Self {
        let admission = ConnectionAdmission::new(
            config,
            routing,
            lifecycle.clone(),
            Arc::clone(&metrics),
            rejection_log,
            clock.clone(),
        );
        Self {
            service,
            handshaker: None,
            admission,
            config: config.http.clone(),
            longest_hold: config
                .msc4108
                .long_poll
                .map_or(Duration::ZERO, |poll| poll.timeout),
            lifecycle,
            metrics,
            clock,
        }
    }

    /// Begins each connection with a TLS handshake, if there is a certificate.
    #[must_use]
    pub fn with_tls(self, tls: Option<&ServerTls>) -> Self {
        let handshaker = tls.map(|tls| {
            let (lifecycle, metrics) = (self.lifecycle.clone(), Arc::clone(&self.metrics));
            let timeout = self.config.timeouts.header;
            TlsHandshaker::new(tls, timeout, lifecycle, metrics, self.clock.clone())
        });
        Self { handshaker, ..self }
    }

    /// Serves one connection until it ends.
    pub async fn serve(
        self: Arc<Self>,
        stream: PeerStream,
        peer: PeerAddress,
        _permit: OwnedSemaphorePermit,
    ) {
        // On the heap, as is everything that few connections need, or none for long: thousands of
        // connections wait for their next request, and keep the space of this future.
        let ended = match Box::pin(self.open(stream, peer)).await {
            Ok(None) => Ok(()),
            Err(error) => Err(error),
            Ok(Some(OpenConnection {
                stream,
                context,
                is_http2,
                permit: _client_permit,
            })) => {
                if is_http2 {
                    Box::pin(self.serve_http2(stream, context)).await
                } else {
                    self.serve_http1(stream, context).await
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection failed");
        }
    }

    /// Admits a connection, opens its TLS and detects its HTTP version. Returns `None` if it ends before
    /// that.
    async fn open(
        &self,
        mut stream: PeerStream,
        peer: PeerAddress,
    ) -> io::Result<Option<OpenConnection>> {
        // A response is one small write, and the client waits for it.
        stream.set_nodelay()?;
        let Some(connection) = self.admission.admit(&mut stream, peer).await else {
            return Ok(None);
        };
        let AdmittedConnection {
            peer,
            mut buffered,
            permit,
        } = connection;
        let mut alpn = None;
        if let Some(handshaker) = &self.handshaker {
            let handshake = handshaker.run(stream, std::mem::take(&mut buffered));
            let connection = Box::pin(handshake).await.inspect_err(|error| {
                if let Some(reason) = tls_handshake::refusal(error) {
                    self.admission.record_refusal(reason, peer);
                }
            });
            let Some(connection) = connection? else {
                return Ok(None);
            };
            stream = connection.stream;
            alpn = Some(connection.is_http2);
        }
        let timeouts = SocketTimeouts {
            header: Some(self.config.timeouts.header),
            idle: self.config.timeouts.idle,
            send: self.config.timeouts.request,
        };
        let context = Arc::new(ConnectionContext::new(peer, alpn.is_some()));
        let activity = Arc::clone(&context.activity);
        let metrics = Arc::clone(&self.metrics);
        let mut stream = TimeoutStream::new(stream, timeouts, activity, metrics, &self.clock);
        stream.push_back(buffered);
        let mut is_http2 = alpn.unwrap_or(false);
        if self.config.h2c && alpn.is_none() {
            let preface = pin!(begins_with_preface(&mut stream));
            let Some(detected) = self.lifecycle.before_first_request(preface).await else {
                return Ok(None);
            };
            is_http2 = detected?;
        }
        if is_http2 {
            stream.disable_header_timeout();
        }
        Ok(Some(OpenConnection {
            stream,
            context,
            is_http2,
            permit,
        }))
    }

    async fn serve_http1(
        self: &Arc<Self>,
        stream: TimeoutStream<PeerStream>,
        context: Arc<ConnectionContext>,
    ) -> io::Result<()> {
        let service = service_fn(|mut request| {
            let (connections, context) = (Arc::clone(self), Arc::clone(&context));
            let caller = self.identify_caller(&self.admission.routing.load(), &request, &context);
            // On the heap, and freed with the response: hyper keeps the space of this future for as
            // long as the connection lasts, and the state of a request has kilobytes.
            Box::pin(async move {
                let response = connections.handle_request(&mut request, caller, &context);
                Ok::<_, Infallible>(response.await)
            })
        });
        let builder = http1::builder(MAX_HEAD_BYTES);
        let connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let graceful_shutdown = hyper::server::conn::http1::Connection::graceful_shutdown;
        let is_unused = || context.activity.is_unused();
        let is_finished = || context.activity.is_write_closed();
        let ended = self
            .run_to_completion(connection, graceful_shutdown, is_unused, is_finished)
            .await;
        let rejected_head = |error| http1::rejected_head(error, context.activity.is_tls());
        if let Some(reason) = ended.as_ref().err().and_then(rejected_head) {
            self.admission.record_refusal(reason, context.peer);
        }
        ended
    }

    async fn serve_http2(
        self: &Arc<Self>,
        stream: TimeoutStream<PeerStream>,
        context: Arc<ConnectionContext>,
    ) -> io::Result<()> {
        let service = service_fn(|mut request| {
            let (connections, context) = (Arc::clone(self), Arc::clone(&context));
            let routing = self.admission.routing.load();
            let (_, ip) = client_of(&routing.trusted_proxies, &request, &context);
            // Before the state of a request is allocated: a refused stream costs next to nothing.
            let permit = self.admission.admit_stream(&routing.trusted_proxies, ip);
            // On the heap, and freed with the response: a stream that waits for its client does not
            // keep the kilobytes of a request's state.
            let serving = permit.map(|permit| {
                let caller = self.identify_caller(&routing, &request, &context);
                Box::pin(async move {
                    let response = connections.handle_request(&mut request, caller, &context);
                    let to_body = |body: Full<Bytes>| {
                        ResponseBody::new(body.into_inner().unwrap_or_default(), permit)
                    };
                    response.await.map(to_body)
                })
            });
            async move {
                // The client may send the request again (RFC 9113 §8.7).
                let serving = serving.ok_or(h2::Reason::REFUSED_STREAM)?;
                Ok::<_, h2::Error>(serving.await)
            }
        });
        let peer = context.peer;
        let request_timeout = self.config.timeouts.request;
        let metrics = Arc::clone(&self.metrics);
        let streams = StreamExecutor::new(request_timeout, self.longest_hold, metrics);
        let is_trusted = context.peer.is_trusted;
        let stream = TokioIo::new(FrameLimitedStream::new(stream, is_trusted));
        let builder = http2::builder(streams, MAX_HEAD_BYTES, is_trusted);
        let connection = pin!(builder.serve_connection(stream, service));
        // hyper sends GOAWAY with a PING, and waits for a response that a vanished client never
        // sends.
        let is_finished = || context.activity.is_idle();
        let graceful_shutdown = hyper::server::conn::http2::Connection::graceful_shutdown;
        let ended = self
            .run_to_completion(connection, graceful_shutdown, || false, is_finished)
            .await;
        if ended.as_ref().is_err_and(http2::is_flood_error) {
            self.admission
                .record_refusal(ConnectionRefusal::Http2Flood, peer);
        }
        ended
    }
}
