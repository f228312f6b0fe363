//! Tests on a runtime with paused time, which advances to the next timer when no task can run.

mod full_socket;
mod hyper_tests;

use super::{SocketTimeouts, TimeoutStream};
use crate::clock::Clock;
use crate::net::peer_end::{PeerEnd, PollEnd};
use crate::net::request_activity::RequestActivity;
use crate::telemetry::labels::TimeoutKind;
use crate::telemetry::metrics::Metrics;
use bytes::Bytes;
use std::io::ErrorKind;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const TIMEOUTS: SocketTimeouts = SocketTimeouts {
    header: Some(Duration::from_secs(10)),
    idle: Duration::from_secs(90),
    send: Duration::from_secs(30),
};

impl PollEnd for DuplexStream {
    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<PeerEnd> {
        Poll::Pending
    }
}

const NO_BODY: u64 = 0;

struct Fixture {
    metrics: Arc<Metrics>,
    clock: Clock,
    activity: Arc<RequestActivity>,
    stream: TimeoutStream<DuplexStream>,
    client: DuplexStream,
}

fn fixture() -> Fixture {
    let (client, server) = duplex(64);
    let clock = Clock::system();
    let activity = Arc::new(RequestActivity::default());
    let metrics = Arc::new(Metrics::new());
    let stream = TimeoutStream::new(
        server,
        TIMEOUTS,
        Arc::clone(&activity),
        Arc::clone(&metrics),
        &clock,
    );
    Fixture {
        metrics,
        clock,
        activity,
        stream,
        client,
    }
}

impl Fixture {
    /// The server reads a whole head.
    async fn receive_head(&mut self) {
        let mut head = *b"GET / HTTP/1.1\r\n\r\n";
        self.client.write_all(&head).await.expect("room");
        self.stream.read_exact(&mut head).await.expect("a head");
    }

    /// The client sends a byte every three seconds.
    fn send_byte_every_3s(&mut self) {
        let mut client = std::mem::replace(&mut self.client, duplex(1).0);
        tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
        });
    }

    /// The client reads `first` bytes at once, and then `bytes` each second.
    fn read_slowly(&mut self, first: usize, bytes: usize) {
        let mut client = std::mem::replace(&mut self.client, duplex(1).0);
        tokio::spawn(async move {
            client.read_exact(&mut vec![0; first]).await.expect("bytes");
            while client.read_exact(&mut vec![0; bytes]).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }

    /// Returns the timeouts that were counted.
    fn timed_out(&self) -> Vec<(&'static str, u64)> {
        let count = |kind: &TimeoutKind| (kind.label(), self.metrics.timeouts.value(*kind));
        TimeoutKind::ALL
            .iter()
            .map(count)
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

/// Reads until a timeout, and returns how long that took.
async fn time_to_timeout(fixture: &mut Fixture) -> Duration {
    let begun = fixture.clock.now();
    loop {
        match fixture.stream.read_u8().await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                return fixture.clock.now().saturating_sub(begun);
            }
        }
    }
}

fn assert_about(expected: u64, measured: Duration) {
    // The runtime's timers count in milliseconds.
    let expected = Duration::from_secs(expected);
    assert!(
        measured.abs_diff(expected) < Duration::from_millis(5),
        "{measured:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn idle_connection_times_out_after_90s() {
    let mut fixture = fixture();
    assert_about(90, time_to_timeout(&mut fixture).await);
    assert_eq!(fixture.timed_out(), [("idle", 1)]);
}

/// Without heads, bytes that are not a request (a PING of HTTP/2, half a frame) leave the
/// connection idle.
#[tokio::test(start_paused = true)]
async fn slow_bytes_do_not_extend_the_idle_timeout_without_heads() {
    let mut fixture = fixture();
    fixture.stream.disable_header_timeout();
    fixture.send_byte_every_3s();
    assert_about(90, time_to_timeout(&mut fixture).await);
    assert_eq!(fixture.timed_out(), [("idle", 1)]);
}

#[tokio::test(start_paused = true)]
async fn head_times_out_10s_after_its_first_byte() {
    let mut fixture = fixture();
    tokio::time::advance(Duration::from_mins(1)).await;
    fixture.client.write_all(b"G").await.expect("room");
    assert_about(10, time_to_timeout(&mut fixture).await);
}

#[tokio::test(start_paused = true)]
async fn slow_head_does_not_extend_its_timeout() {
    let mut fixture = fixture();
    fixture.send_byte_every_3s();
    assert_about(10, time_to_timeout(&mut fixture).await);
    assert_eq!(fixture.timed_out(), [("header", 1)]);
}

#[tokio::test(start_paused = true)]
async fn request_in_flight_suspends_the_read_timeout() {
    let mut fixture = fixture();
    fixture.receive_head().await;
    let activity = Arc::clone(&fixture.activity);
    let active = activity.start_request(NO_BODY);
    let waited = tokio::time::timeout(Duration::from_mins(10), fixture.stream.read_u8()).await;
    assert!(
        waited.is_err(),
        "no deadline of the socket counts during a request"
    );
    drop(active);
    assert_about(90, time_to_timeout(&mut fixture).await);
}

#[tokio::test(start_paused = true)]
async fn second_head_has_its_own_timeout() {
    let mut fixture = fixture();
    for _ in 0..2 {
        fixture.receive_head().await;
        drop(Arc::clone(&fixture.activity).start_request(NO_BODY));
        let idle = tokio::time::timeout(Duration::from_secs(50), fixture.stream.read_u8()).await;
        assert!(idle.is_err(), "idle for 50 s is allowed");
    }
    fixture.client.write_all(b"G").await.expect("room");
    assert_about(10, time_to_timeout(&mut fixture).await);
}

#[tokio::test(start_paused = true)]
async fn client_that_does_not_read_times_out() {
    let mut fixture = fixture();
    let begun = fixture.clock.now();
    let error = fixture
        .stream
        .write_all(&[0; 1024])
        .await
        .expect_err("no read");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_about(30, fixture.clock.now().saturating_sub(begun));
    assert_eq!(fixture.timed_out(), [("send", 1)]);
}

/// The client reads a byte now and then, and could hold the connection for a day.
#[tokio::test(start_paused = true)]
async fn client_that_reads_too_slowly_times_out() {
    let mut fixture = fixture();
    // More than one quota, so that a second one has begun.
    fixture.read_slowly(20 * 1024, 1);
    let begun = fixture.clock.now();
    let reply = vec![0; 28 * 1024];
    let error = fixture
        .stream
        .write_all(&reply)
        .await
        .expect_err("too slow");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_about(30, fixture.clock.now().saturating_sub(begun));
    assert_eq!(fixture.timed_out(), [("send", 1)]);
}

#[tokio::test(start_paused = true)]
async fn client_that_reads_its_quota_does_not_time_out() {
    let mut fixture = fixture();
    fixture.read_slowly(0, 1024);
    fixture
        .stream
        .write_all(&vec![0; 256 * 1024])
        .await
        .expect("taken in minutes");
    assert_eq!(fixture.timed_out(), []);
}

#[tokio::test(start_paused = true)]
async fn each_flushed_response_resets_the_write_timeout() {
    let mut fixture = fixture();
    fixture.read_slowly(0, 64);
    for _ in 0..5 {
        fixture
            .stream
            .write_all(&[0; 1024])
            .await
            .expect("taken in 16 s");
        fixture.stream.flush().await.expect("flushed");
    }
    assert_eq!(fixture.timed_out(), []);
}

#[tokio::test(start_paused = true)]
async fn pushed_back_bytes_are_read_first() {
    let mut fixture = fixture();
    fixture.client.write_all(b"cd").await.expect("room");
    fixture.stream.push_back(Bytes::from_static(b"ab"));
    let mut text = [0; 4];
    fixture
        .stream
        .read_exact(&mut text)
        .await
        .expect("four bytes");
    assert_eq!(&text, b"abcd");
}

#[tokio::test(start_paused = true)]
async fn bytes_pushed_back_twice_are_read_in_order() {
    let mut fixture = fixture();
    fixture.stream.push_back(Bytes::from_static(b"abcd"));
    let mut text = [0; 2];
    fixture
        .stream
        .read_exact(&mut text)
        .await
        .expect("two bytes");
    fixture.stream.push_back(Bytes::copy_from_slice(&text));
    let mut text = [0; 4];
    fixture
        .stream
        .read_exact(&mut text)
        .await
        .expect("four bytes");
    assert_eq!(&text, b"abcd");
}

#[tokio::test(start_paused = true)]
async fn head_in_pushed_back_bytes_times_out_after_10s() {
    let mut fixture = fixture();
    fixture.stream.push_back(Bytes::from_static(b"G"));
    assert_about(10, time_to_timeout(&mut fixture).await);
}
