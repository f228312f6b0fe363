//! One request of a connection: who sent it, and the headers that concern the connection.

use crate::http::context::Caller;
use crate::net::client_ip::{Peer, TrustedProxies, is_https};
use crate::net::connection::Connections;
use crate::net::connection::context::ConnectionContext;
use crate::net::routing::RoutingSnapshot;
use crate::store::Store;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Request, Response, Version};
use std::future::pending;
use std::net::IpAddr;
use std::sync::Arc;

/// Returns the peer of a connection by the list of proxies in force, and the client of a request on it.
pub(super) fn client_of(
    trusted_proxies: &TrustedProxies,
    request: &Request<Incoming>,
    context: &ConnectionContext,
) -> (Peer, IpAddr) {
    let peer = trusted_proxies.peer_now(context.peer);
    (peer, trusted_proxies.client_ip(peer, request.headers()))
}

impl<S: Store> Connections<S> {
    /// Identifies the sender of a request, by one configuration. Warns if it is a proxy that is not listed.
    pub(super) fn identify_caller(
        &self,
        routing: &RoutingSnapshot,
        request: &Request<Incoming>,
        context: &ConnectionContext,
    ) -> Caller {
        let (trusted_proxies, headers) = (&*routing.trusted_proxies, request.headers());
        let (peer, ip) = client_of(trusted_proxies, request, context);
        let proxy_detector = &self.admission.routing.proxy_detector;
        if let Some(warning) = proxy_detector.observe(trusted_proxies, peer, headers, ip) {
            tracing::warn!("{warning}");
        }
        Caller {
            ip,
            is_https: is_https(peer, context.uses_tls, headers),
            may_set_request_id: trusted_proxies.may_set_request_id(peer),
            may_request_trace: peer.is_trusted,
            base_urls: Arc::clone(&routing.base_urls),
        }
    }

    /// Returns the response of one request.
    pub(super) async fn handle_request(
        &self,
        request: &mut Request<Incoming>,
        caller: Caller,
        context: &ConnectionContext,
    ) -> Response<Full<Bytes>> {
        let body_length = request.body().size_hint().lower();
        let _active = context.activity.start_request(body_length);
        let is_http2 = request.version() == Version::HTTP_2;
        let mut timeout = context.take_timeout(&self.clock);
        let hangup = async {
            // A closed stream of HTTP/2 is a request whose body has ended. A reset drops this future.
            if is_http2 {
                return pending().await;
            }
            context.activity.read_closed().await;
        };
        let respond = self.service.respond(request, caller, &mut timeout, hangup);
        let mut response = respond.await;
        context.keep_timeout(timeout);
        if is_http2 {
            // HTTP/2 has no such header (RFC 9113 §8.2.2). Its connections end with GOAWAY.
            response.headers_mut().remove(CONNECTION);
        } else if self.lifecycle.is_shutting_down() {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
