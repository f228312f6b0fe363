//! On a runtime whose time is paused: it moves by itself to the next timer when nothing else can run.

use super::{RequestActivity, SocketTimeouts, TimeoutStream};
use crate::clock::Clock;
use crate::telemetry::labels::Wait;
use crate::telemetry::metrics::Metrics;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const TIMEOUTS: SocketTimeouts = SocketTimeouts {
    header: Some(Duration::from_secs(10)),
    idle: Duration::from_secs(90),
    send: Duration::from_secs(30),
};

struct Rig {
    metrics: Arc<Metrics>,
    clock: Clock,
    activity: Arc<RequestActivity>,
    guard: TimeoutStream<DuplexStream>,
    client: DuplexStream,
}

fn rig() -> Rig {
    let (client, server) = duplex(64);
    let clock = Clock::system();
    let activity = Arc::new(RequestActivity::default());
    let metrics = Arc::new(Metrics::new());
    let (counted, activity_too) = (Arc::clone(&metrics), Arc::clone(&activity));
    let guard = TimeoutStream::new(server, TIMEOUTS, activity_too, counted, &clock);
    Rig {
        metrics,
        clock,
        activity,
        guard,
        client,
    }
}

impl Rig {
    /// The client sends a byte every three seconds.
    fn drip(&mut self) {
        let mut drip = std::mem::replace(&mut self.client, duplex(1).0);
        tokio::spawn(async move {
            while drip.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
        });
    }

    /// The client reads so many bytes at once, and then so many each second.
    fn sip(&mut self, first: usize, bytes: usize) {
        let mut sip = std::mem::replace(&mut self.client, duplex(1).0);
        tokio::spawn(async move {
            sip.read_exact(&mut vec![0; first]).await.expect("bytes");
            while sip.read_exact(&mut vec![0; bytes]).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }

    /// What was counted.
    fn timed_out(&self) -> Vec<(&'static str, u64)> {
        let count = |wait: &Wait| {
            let labels = [wait.label()];
            (
                wait.label(),
                self.metrics.timeouts.with_label_values(&labels).get(),
            )
        };
        Wait::ALL
            .iter()
            .map(count)
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

/// Reads until the guard gives up, and says how long that took.
async fn time_to_give_up(rig: &mut Rig) -> Duration {
    let begun = rig.clock.now();
    loop {
        match rig.guard.read_u8().await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                return rig.clock.now().saturating_sub(begun);
            }
        }
    }
}

fn about(expected: u64, measured: Duration) {
    // The runtime's timers count in milliseconds.
    let expected = Duration::from_secs(expected);
    assert!(
        measured.abs_diff(expected) < Duration::from_millis(5),
        "{measured:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_has_the_idle_timeout() {
    let mut rig = rig();
    about(90, time_to_give_up(&mut rig).await);
    assert_eq!(rig.timed_out(), [("idle", 1)]);
}

/// Where heads cannot be told apart, whatever comes and is no request (a PING of HTTP/2, half a frame) leaves
/// the connection as idle as it was.
#[tokio::test(start_paused = true)]
async fn without_heads_what_drips_does_not_put_the_idle_timeout_off() {
    let mut rig = rig();
    rig.guard.without_header_timeout();
    rig.drip();
    about(90, time_to_give_up(&mut rig).await);
    assert_eq!(rig.timed_out(), [("idle", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_head_has_ten_seconds_from_its_first_byte() {
    let mut rig = rig();
    tokio::time::advance(Duration::from_mins(1)).await;
    rig.client.write_all(b"G").await.expect("room");
    about(10, time_to_give_up(&mut rig).await);
}

#[tokio::test(start_paused = true)]
async fn a_dripping_head_gains_nothing() {
    let mut rig = rig();
    rig.drip();
    about(10, time_to_give_up(&mut rig).await);
    assert_eq!(rig.timed_out(), [("header", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_stops_the_clock_and_its_end_starts_the_idle_one() {
    let mut rig = rig();
    rig.client.write_all(b"G").await.expect("room");
    rig.guard.read_u8().await.expect("a byte");
    let activity = Arc::clone(&rig.activity);
    let busy = activity.begin();
    let waited = tokio::time::timeout(Duration::from_mins(10), rig.guard.read_u8()).await;
    assert!(
        waited.is_err(),
        "no deadline of the socket counts during a request"
    );
    drop(busy);
    about(90, time_to_give_up(&mut rig).await);
}

/// With hyper above, which looks for the next request only once the socket has something.
#[tokio::test(start_paused = true)]
async fn after_a_reply_a_connection_is_idle_for_as_long_as_it_may_be() {
    for header in [10, 200] {
        let timeouts = SocketTimeouts {
            header: Some(Duration::from_secs(header)),
            ..TIMEOUTS
        };
        let (mut client, server) = duplex(1024);
        let (clock, activity) = (Clock::system(), Arc::new(RequestActivity::default()));
        let metrics = Arc::new(Metrics::new());
        let guard = TimeoutStream::new(server, timeouts, Arc::clone(&activity), metrics, &clock);
        let service = service_fn(move |_: Request<Incoming>| {
            let activity = Arc::clone(&activity);
            async move {
                let _busy = activity.begin();
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
            }
        });
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(guard), service);
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
        about(90, clock.now().saturating_sub(begun));
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_head_has_its_own_ten_seconds() {
    let mut rig = rig();
    for _ in 0..2 {
        rig.client.write_all(b"G").await.expect("room");
        rig.guard.read_u8().await.expect("a byte");
        drop(Arc::clone(&rig.activity).begin());
        let idle = tokio::time::timeout(Duration::from_secs(50), rig.guard.read_u8()).await;
        assert!(idle.is_err(), "idle for 50 s is allowed");
    }
    rig.client.write_all(b"G").await.expect("room");
    about(10, time_to_give_up(&mut rig).await);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_given_up() {
    let mut rig = rig();
    let begun = rig.clock.now();
    let error = rig
        .guard
        .write_all(&[0; 1024])
        .await
        .expect_err("nobody reads");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    about(30, rig.clock.now().saturating_sub(begun));
    assert_eq!(rig.timed_out(), [("send", 1)]);
}

/// It takes a byte now and then, and would hold the connection for a day.
#[tokio::test(start_paused = true)]
async fn a_client_that_sips_is_given_up_too() {
    let mut rig = rig();
    // More than a share of it, so that another one has begun.
    rig.sip(20 * 1024, 1);
    let begun = rig.clock.now();
    let reply = vec![0; 28 * 1024];
    let error = rig.guard.write_all(&reply).await.expect_err("too slow");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    about(30, rig.clock.now().saturating_sub(begun));
    assert_eq!(rig.timed_out(), [("send", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_its_share_has_as_long_as_it_needs() {
    let mut rig = rig();
    rig.sip(0, 1024);
    rig.guard
        .write_all(&vec![0; 256 * 1024])
        .await
        .expect("taken in minutes");
    assert_eq!(rig.timed_out(), []);
}

#[tokio::test(start_paused = true)]
async fn each_reply_that_was_taken_whole_ends_its_wait() {
    let mut rig = rig();
    rig.sip(0, 64);
    for _ in 0..5 {
        rig.guard
            .write_all(&[0; 1024])
            .await
            .expect("taken in 16 s");
        rig.guard.flush().await.expect("flushed");
    }
    assert_eq!(rig.timed_out(), []);
}

#[tokio::test(start_paused = true)]
async fn bytes_given_back_are_read_first() {
    let mut rig = rig();
    rig.client.write_all(b"cd").await.expect("room");
    rig.guard.unread(Bytes::from_static(b"ab"));
    let mut text = [0; 4];
    rig.guard.read_exact(&mut text).await.expect("four bytes");
    assert_eq!(&text, b"abcd");
}

#[tokio::test(start_paused = true)]
async fn bytes_given_back_twice_are_read_in_their_order() {
    let mut rig = rig();
    rig.guard.unread(Bytes::from_static(b"abcd"));
    let mut text = [0; 2];
    rig.guard.read_exact(&mut text).await.expect("two bytes");
    rig.guard.unread(Bytes::copy_from_slice(&text));
    let mut text = [0; 4];
    rig.guard.read_exact(&mut text).await.expect("four bytes");
    assert_eq!(&text, b"abcd");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_began_in_bytes_given_back_has_ten_seconds_too() {
    let mut rig = rig();
    rig.guard.unread(Bytes::from_static(b"G"));
    about(10, time_to_give_up(&mut rig).await);
}
