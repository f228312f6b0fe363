//! One connection: which HTTP it speaks, its requests, and an end that loses no reply.

use crate::clock::Clock;
use crate::clock::lazy_timeout::LazyTimeout;
use crate::config::Config;
use crate::config::http::HttpConfig;
use crate::http::context::Caller;
use crate::http::service::Service;
use crate::lifecycle::Lifecycle;
use crate::net::admission::{AdmittedConnection, ConnectionAdmission};
use crate::net::client_ip::{Peer, came_by_https};
use crate::net::http2::{self, StreamExecutor};
use crate::net::proxy_detector::UnconfiguredProxyDetector;
use crate::net::timeout_stream::{RequestActivity, SocketTimeouts, TimeoutStream};
use crate::store::Store;
use crate::telemetry::labels::ConnectionRefusal;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::rejection_log::RejectionLog;
use bytes::{Bytes, BytesMut};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// What a client that speaks HTTP/2 without TLS sends first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest head, in bytes, and so hyper's read buffer: above what any proxy's headers need, and
/// below what ten thousand connections could hurt with.
const MAX_HEAD: usize = 16 * 1024;

/// How long a client has for its part of an end, once it has all that it asked for.
const FAREWELL: Duration = Duration::from_secs(3);

/// What every connection shares.
#[derive(Debug)]
pub struct Connections<S> {
    service: Service<S>,
    config: HttpConfig,
    arrivals: ConnectionAdmission,
    one_client: UnconfiguredProxyDetector,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// What the requests of one connection share.
struct Client {
    peer: Peer,
    activity: Arc<RequestActivity>,
    /// The deadline of the last request, for the next one. HTTP/2 has several at a time; then all but
    /// one make their own.
    spare: Mutex<Option<LazyTimeout>>,
}

impl Client {
    /// A panic under the lock would leave a deadline or none, and both are good.
    fn spare(&self) -> MutexGuard<'_, Option<LazyTimeout>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store> Connections<S> {
    /// Connections to that pipeline.
    #[must_use]
    pub fn new(
        config: &Config,
        service: Service<S>,
        lifecycle: Lifecycle,
        metrics: Arc<Metrics>,
        refusals: Arc<RejectionLog>,
        clock: Clock,
    ) -> Self {
        let (leaving, counted, time) = (lifecycle.clone(), Arc::clone(&metrics), clock.clone());
        Self {
            service,
            arrivals: ConnectionAdmission::new(config, leaving, counted, refusals, time),
            one_client: UnconfiguredProxyDetector::default(),
            config: config.http.clone(),
            lifecycle,
            metrics,
            clock,
        }
    }

    /// Serves one connection to its end.
    pub async fn serve(self: Arc<Self>, stream: TcpStream, peer: IpAddr) {
        if let Err(error) = self.speak(stream, peer).await {
            tracing::debug!(%error, "a connection ended badly");
        }
    }

    async fn speak(self: &Arc<Self>, mut stream: TcpStream, ip: IpAddr) -> io::Result<()> {
        // A reply is one small write, and the client waits for it.
        stream.set_nodelay(true)?;
        let Some(arrived) = self.arrivals.admit(&mut stream, ip).await else {
            return Ok(());
        };
        // The place is given back when the connection has ended.
        let AdmittedConnection {
            peer,
            rest,
            place: _place,
        } = arrived;
        let timeouts = SocketTimeouts {
            header: Some(self.config.timeouts.header),
            idle: self.config.timeouts.idle,
            send: self.config.timeouts.request,
        };
        let client = Arc::new(Client {
            peer,
            activity: Arc::default(),
            spare: Mutex::default(),
        });
        let activity = Arc::clone(&client.activity);
        let (metrics, clock) = (Arc::clone(&self.metrics), &self.clock);
        let mut guard = TimeoutStream::new(stream, timeouts, activity, metrics, clock);
        guard.unread(rest);
        if self.config.h2c {
            // Nothing was asked yet, so a connection that is still silent may end when we leave.
            let begun = {
                let begun = pin!(begins_with_preface(&mut guard));
                self.lifecycle.until_draining(begun).await
            };
            let Some(is_http2) = begun else {
                return Ok(());
            };
            if is_http2? {
                guard.without_header_timeout();
                return self.http2(guard, client).await;
            }
        }
        self.http1(guard, client).await
    }

    async fn http1(
        self: &Arc<Self>,
        guard: TimeoutStream<TcpStream>,
        client: Arc<Client>,
    ) -> io::Result<()> {
        let service = service_fn(|mut request| {
            let (shared, client) = (Arc::clone(self), Arc::clone(&client));
            async move { shared.respond(&mut request, &client).await }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // The guard has both deadlines; hyper's own would end idle connections too early.
            .header_read_timeout(None)
            .max_buf_size(MAX_HEAD)
            // A head and a body of a few KiB: copied together they cost less than two buffers do.
            .writev(false)
            .serve_connection(TokioIo::new(guard), service);
        let over = || client.activity.has_ended();
        self.to_its_end(connection, http1::Connection::graceful_shutdown, over)
            .await
    }

    async fn http2(
        self: &Arc<Self>,
        guard: TimeoutStream<TcpStream>,
        client: Arc<Client>,
    ) -> io::Result<()> {
        let service = service_fn(|mut request| {
            let (shared, client) = (Arc::clone(self), Arc::clone(&client));
            async move { shared.respond(&mut request, &client).await }
        });
        let peer = client.peer.ip;
        let streams = StreamExecutor::new(self.config.timeouts.request, Arc::clone(&self.metrics));
        let max_head = u32::try_from(MAX_HEAD).unwrap_or(u32::MAX);
        let connection =
            http2::builder(streams, max_head).serve_connection(TokioIo::new(guard), service);
        // hyper says GOAWAY with a PING, and waits for an answer that a client long gone never gives.
        let over = || client.activity.is_idle();
        let leave = hyper::server::conn::http2::Connection::graceful_shutdown;
        let ended = self.to_its_end(connection, leave, over).await;
        if ended.as_ref().is_err_and(http2::was_flooded) {
            self.arrivals.refused(ConnectionRefusal::Http2Flood, peer);
        }
        ended
    }

    /// Runs a connection; from the soft token on lets it `leave`, idle at once, else after the requests
    /// under way; and cuts it at the hard token, which never comes before the soft one. One that is
    /// `over`, since the client has all that it asked for, is not cut but left, and not waited for long.
    async fn to_its_end<C>(
        &self,
        connection: C,
        leave: impl FnOnce(Pin<&mut C>),
        over: impl Fn() -> bool,
    ) -> io::Result<()>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let mut connection = pin!(connection);
        if let Some(ended) = self.lifecycle.until_draining(connection.as_mut()).await {
            return ended.map_err(io::Error::other);
        }
        leave(connection.as_mut());
        let forsaken = async {
            loop {
                tokio::time::sleep(FAREWELL).await;
                if over() {
                    return;
                }
            }
        };
        tokio::select! {
            ended = self.lifecycle.hard().run_until_cancelled(connection) => match ended {
                Some(ended) => ended.map_err(io::Error::other),
                None if over() => Ok(()),
                None => {
                    self.lifecycle.count_cut();
                    Ok(())
                }
            },
            () = forsaken => Ok(()),
        }
    }

    async fn respond(
        &self,
        request: &mut Request<Incoming>,
        client: &Client,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let _busy = client.activity.begin();
        let http2 = request.version() == Version::HTTP_2;
        let spare = client.spare().take();
        let mut deadline = spare.unwrap_or_else(|| LazyTimeout::new(self.clock.clone()));
        let ip = self.arrivals.trust.client(client.peer, request.headers());
        if let Some(only) = self.one_client.sees(ip) {
            tracing::warn!(
                client = %only,
                "every request so far came from this private address or a few others: if those are proxies, all \
                 clients share their limits until http.trusted_proxies names them and they say whose requests they pass on"
            );
        }
        let caller = Caller {
            address: ip,
            https: came_by_https(client.peer, request.headers()),
        };
        let mut response = self.service.respond(request, caller, &mut deadline).await;
        *client.spare() = Some(deadline);
        if http2 {
            // HTTP/2 has no such header (RFC 9113 §8.2.2); its connections end by GOAWAY.
            response.headers_mut().remove(CONNECTION);
        } else if self.lifecycle.is_leaving() {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

/// Whether the client speaks HTTP/2 at once. What was read stays to be read.
async fn begins_with_preface(guard: &mut TimeoutStream<TcpStream>) -> io::Result<bool> {
    let mut begun = BytesMut::with_capacity(PREFACE.len());
    while begun.len() < PREFACE.len() && PREFACE.starts_with(&begun) {
        let mut rest = (&mut *guard).take((PREFACE.len() - begun.len()) as u64);
        if rest.read_buf(&mut begun).await? == 0 {
            break;
        }
    }
    let is_http2 = *begun == *PREFACE;
    guard.unread(begun.freeze());
    Ok(is_http2)
}
