//! Attackers that take their time: connections that send, or read, as little as keeps them open, or nothing.
//!
//! They come without a proxy, each from a loopback address that stands for a client's own, since what a proxy
//! would hold back is not tried then. A connection that a worker closes is made again after a pause.

use crate::attacks::{LARGEST, Siege};
use crate::dialect::{Caller, Dialect};
use crate::http::Connection;
use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// Between two bytes.
const BYTE: Duration = Duration::from_secs(1);

/// Before a connection is made again.
const PAUSE: Duration = Duration::from_secs(2);

/// Requests that a slow reader sends at once: their replies, 4 KiB each, are more than the sockets between
/// the worker and it take.
const ASKED_AT_ONCE: usize = 40;

/// What a worker takes of a head and of a body, in bytes.
const LARGEST_HEAD: usize = 16 << 10;
const LARGEST_BODY: usize = 32 << 10;

/// A slow reader's receive buffer, in bytes: the kernel's smallest.
const WINDOW: u32 = 2304;

/// Where slow connections come from.
#[derive(Debug, Clone, Copy)]
pub enum Sources {
    /// All from one address.
    One,
    /// Each from its own.
    Each,
}

impl Sources {
    /// That of the `n`th connection. Not 127.0.0.1, which is the trusted proxy.
    fn nth(self, n: usize) -> Ipv4Addr {
        let base = Ipv4Addr::new(127, 1, 0, 0).to_bits();
        match self {
            Self::One => Ipv4Addr::from_bits(base),
            Self::Each => Ipv4Addr::from_bits(base + u32::try_from(n).unwrap_or(0)),
        }
    }
}

/// Opens so many connections to each worker.
pub fn begin(connections: usize, sources: Sources, siege: &Siege) {
    for number in 0..connections * 2 {
        let siege = siege.clone();
        tokio::spawn(async move {
            let from = sources.nth(number / 2);
            // Spread over a pause, or all those that are refused come back at once.
            let all = u32::try_from(connections * 2).unwrap_or(u32::MAX);
            sleep(PAUSE / all * u32::try_from(number).unwrap_or(0)).await;
            loop {
                siege.tally.ask();
                // However it ended, the worker ended it.
                let _ = misbehave(number, from, siege.worker(number)).await;
                siege.tally.refuse();
                sleep(PAUSE).await;
            }
        });
    }
}

/// One connection, to its end. Each quarter of them is slow in another way.
async fn misbehave(number: usize, from: Ipv4Addr, worker: SocketAddr) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let reads_slowly = number / 2 % 4 == 3;
    if reads_slowly {
        socket.set_recv_buffer_size(WINDOW)?;
    }
    let stream = socket.connect(worker).await?;
    match number / 2 % 4 {
        0 => dribble(stream, &head()).await,
        1 => dribble(stream, &body()).await,
        2 => idle(stream).await,
        _ => never_read(stream).await,
    }
}

/// A head that does not end, of nearly as many bytes as a head may have: the worker keeps them all.
fn head() -> String {
    let fill = "h".repeat(LARGEST_HEAD - 1024);
    format!("GET / HTTP/1.1\r\nHost: matrix.example.org\r\nX-Slow: {fill}")
}

/// A body that does not end, of nearly as many bytes as a body may have.
fn body() -> String {
    let path = Dialect::Json.path("");
    let path = path.trim_end_matches('/');
    let fill = "b".repeat(LARGEST_BODY - 1024);
    format!(
        "POST {path} HTTP/1.1\r\nHost: matrix.example.org\r\nContent-Length: {LARGEST_BODY}\r\n\r\n{fill}"
    )
}

/// Sends the beginning of a request, then a byte now and then.
async fn dribble(mut stream: TcpStream, beginning: &str) -> Result<()> {
    stream.write_all(beginning.as_bytes()).await?;
    let mut reply = [0; 1024];
    loop {
        match timeout(BYTE, stream.read(&mut reply)).await {
            Err(_) => stream.write_all(b"a").await?,
            Ok(Ok(1..)) => {}
            Ok(Ok(0)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
        }
    }
}

/// Asks once, and is silent then.
async fn idle(stream: TcpStream) -> Result<()> {
    let mut connection = Connection::over(stream)?;
    let nobody = Caller::default();
    let poll = Dialect::Json.poll(&nobody, &Dialect::Json.path("nothing"), "");
    connection.send(&poll).await?;
    // Nothing comes but the end.
    connection.into_stream().read(&mut [0]).await.map(drop)
}

/// Asks for more than the sockets take, and reads nothing of it.
async fn never_read(stream: TcpStream) -> Result<()> {
    let mut connection = Connection::over(stream)?;
    let nobody = Caller::default();
    let payload = "C".repeat(LARGEST);
    let reply = connection
        .send(&Dialect::Json.create(&nobody, &payload))
        .await?;
    let session = Dialect::Json.created(&reply);
    let session = session.ok_or_else(|| Error::from(ErrorKind::PermissionDenied))?;
    let poll = Dialect::Json.poll(&nobody, &session.path, "");
    let mut stream = connection.into_stream();
    stream.write_all(&poll.repeat(ASKED_AT_ONCE)).await?;
    // Only by reading would it learn that the worker has closed.
    std::future::pending().await
}
