//! Attackers that are slow: connections that send or read only as much as keeps them open, or
//! nothing.
//!
//! They connect without a proxy, because a proxy would hold them back, and the worker's own defence
//! would not be tested. Each connects from a loopback address that stands for a client's address.
//! If a worker closes a connection, the attacker opens it again after a pause.

use crate::attacks::{AttackContext, MAX_PAYLOAD};
use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use testkit::dialect::{Caller, Dialect, Response};
use testkit::keep_alive::KeepAliveClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// Time between two bytes.
const BYTE_INTERVAL: Duration = Duration::from_secs(1);

/// Time before a connection is opened again.
const RECONNECT_PAUSE: Duration = Duration::from_secs(2);

/// Requests that a slow reader sends at once. Their replies, 4 KiB each, are more than the sockets
/// between the worker and the reader can buffer.
const PIPELINED: usize = 40;

/// Maximum size of a head and of a body that a worker accepts, in bytes.
const MAX_HEAD: usize = 16 << 10;
const MAX_BODY: usize = 32 << 10;

/// Receive buffer of a slow reader, in bytes: the smallest that the kernel allows.
const RECEIVE_BUFFER: u32 = 2304;

/// The addresses of slow connections.
#[derive(Debug, Clone, Copy)]
pub enum SlowSources {
    /// All connections have the same address.
    One,
    /// Each connection has an address of its own.
    Each,
}

impl SlowSources {
    /// The address of connection `n`. It is never 127.0.0.1, which is the trusted proxy.
    fn nth(self, n: usize) -> Ipv4Addr {
        let base = Ipv4Addr::new(127, 1, 0, 0).to_bits();
        match self {
            Self::One => Ipv4Addr::from_bits(base),
            Self::Each => Ipv4Addr::from_bits(base + u32::try_from(n).unwrap_or(0)),
        }
    }
}

/// Opens this many connections to each worker.
pub fn start(connections: usize, sources: SlowSources, context: &AttackContext) {
    for number in 0..connections * 2 {
        let context = context.clone();
        tokio::spawn(async move {
            let from = sources.nth(number / 2);
            // Their starts are spread over a pause; otherwise all rejected connections return at
            // once.
            let total = u32::try_from(connections * 2).unwrap_or(u32::MAX);
            sleep(RECONNECT_PAUSE / total * u32::try_from(number).unwrap_or(0)).await;
            loop {
                context.counters.record_connection();
                // Whatever the result, the worker has closed the connection.
                let _ = hold_connection(number, from, context.worker(number)).await;
                context.counters.record_closed();
                sleep(RECONNECT_PAUSE).await;
            }
        });
    }
}

/// Holds one connection until the worker closes it. A quarter of the connections each is slow in
/// another way.
async fn hold_connection(number: usize, from: Ipv4Addr, worker: SocketAddr) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let is_slow_reader = number / 2 % 4 == 3;
    if is_slow_reader {
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    }
    let stream = socket.connect(worker).await?;
    match number / 2 % 4 {
        0 => send_slowly(stream, &endless_head()).await,
        1 => send_slowly(stream, &endless_body()).await,
        2 => idle(stream).await,
        _ => never_read(stream).await,
    }
}

/// A head that does not end, of nearly the maximum size: the worker keeps all of it.
fn endless_head() -> String {
    let fill = "h".repeat(MAX_HEAD - 1024);
    format!("GET / HTTP/1.1\r\nHost: matrix.example.org\r\nX-Slow: {fill}")
}

/// A body that does not end, of nearly the maximum size.
fn endless_body() -> String {
    let path = Dialect::Json.root();
    let fill = "b".repeat(MAX_BODY - 1024);
    format!(
        "POST {path} HTTP/1.1\r\nHost: matrix.example.org\r\nContent-Length: {MAX_BODY}\r\n\r\n{fill}"
    )
}

/// Sends the beginning of a request, then one byte per interval.
async fn send_slowly(mut stream: TcpStream, beginning: &str) -> Result<()> {
    stream.write_all(beginning.as_bytes()).await?;
    let mut reply = [0; 1024];
    loop {
        match timeout(BYTE_INTERVAL, stream.read(&mut reply)).await {
            Err(_) => stream.write_all(b"a").await?,
            Ok(Ok(1..)) => {}
            Ok(Ok(0)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
        }
    }
}

/// Sends one request, and then nothing.
async fn idle(stream: TcpStream) -> Result<()> {
    let mut client = KeepAliveClient::over(stream)?;
    let poll = Dialect::Json.poll(&Caller::default(), &Dialect::Json.path("nothing"), "");
    client.send(&poll).await?;
    // The worker sends nothing more before it closes.
    client.into_stream().read(&mut [0]).await.map(drop)
}

/// Requests more than the sockets can buffer, and reads none of it.
async fn never_read(stream: TcpStream) -> Result<()> {
    let mut client = KeepAliveClient::over(stream)?;
    let caller = Caller::default();
    let payload = "C".repeat(MAX_PAYLOAD);
    let create = Dialect::Json.create(&caller, &payload);
    let reply = client.send(&create).await.map(Response::from)?;
    let session = Dialect::Json.created(&reply);
    let session = session.ok_or_else(|| Error::from(ErrorKind::PermissionDenied))?;
    let poll = Dialect::Json.poll(&caller, &session.path, "");
    let mut stream = client.into_stream();
    stream.write_all(&poll.repeat(PIPELINED)).await?;
    // Only a read would show that the worker has closed.
    std::future::pending().await
}
