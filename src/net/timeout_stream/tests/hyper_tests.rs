//! The idle timeout as hyper experiences it.

use super::super::{SocketTimeouts, TimeoutStream};
use super::{NO_BODY, TIMEOUTS, assert_about};
use crate::clock::Clock;
use crate::net::request_activity::RequestActivity;
use crate::telemetry::metrics::Metrics;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

/// With hyper, which polls for the next request only after the socket wakes it.
#[tokio::test(start_paused = true)]
async fn idle_timeout_begins_after_the_response() {
    for header in [10, 200] {
        let timeouts = SocketTimeouts {
            header: Some(Duration::from_secs(header)),
            ..TIMEOUTS
        };
        let (mut client, server) = duplex(1024);
        let (clock, activity) = (Clock::system(), Arc::new(RequestActivity::default()));
        let metrics = Arc::new(Metrics::new());
        let stream = TimeoutStream::new(server, timeouts, Arc::clone(&activity), metrics, &clock);
        let service = service_fn(move |_: Request<Incoming>| {
            let activity = Arc::clone(&activity);
            async move {
                let _active = activity.start_request(NO_BODY);
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
            }
        });
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
        for _ in 0..2 {
            client
                .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                .await
                .expect("room");
            let mut reply = Vec::new();
            while !reply.ends_with(b"hello") {
                client.read_buf(&mut reply).await.expect("a reply");
            }
        }
        let begun = clock.now();
        let ended = client.read(&mut [0; 1]).await;
        assert!(matches!(ended, Ok(0)), "{ended:?}");
        assert_about(90, clock.now().saturating_sub(begun));
    }
}
