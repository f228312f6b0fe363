//! A blocking HTTP/1.1 client for tests that need the exact bytes on the wire.
//!
//! It sends valid and invalid bytes alike, and keeps every header line that it receives, duplicates
//! too. It follows no redirects, repairs nothing and retries nothing. Every wait ends after
//! [`PATIENCE`].

mod message;
mod transport;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use message::{Reply, Request};
use rustls::{ClientConfig, ClientConnection};
use socket2::Socket;
use transport::Transport;

use super::PATIENCE;

/// One connection to a server, over TCP or a Unix socket, with TLS or without.
pub struct Connection {
    stream: Transport,
    unread: Vec<u8>,
}

impl Connection {
    /// Connects.
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        Self::try_open(address).expect("a connection")
    }

    /// Connects.
    ///
    /// # Errors
    /// Returns the error of the operating system, such as a refused connection.
    pub fn try_open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        Self::new(stream.into())
    }

    /// Connects to the Unix socket at this path.
    ///
    /// # Errors
    /// Returns the error of the operating system, such as a refused connection.
    pub fn try_open_unix(path: &Path) -> std::io::Result<Self> {
        Self::new(UnixStream::connect(path)?.into())
    }

    fn new(stream: Socket) -> std::io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: Transport::Plain(stream),
            unread: Vec::new(),
        })
    }

    /// Sends these bytes, and opens TLS behind them.
    ///
    /// # Errors
    /// Returns that of the handshake, or of the operating system.
    pub fn try_secure(self, before: &[u8], tls: &Arc<ClientConfig>) -> std::io::Result<Self> {
        let stream = self.stream.secure(before, tls)?;
        Ok(Self {
            stream,
            unread: self.unread,
        })
    }

    /// Connects and opens TLS.
    ///
    /// # Errors
    /// As [`try_secure`](Self::try_secure).
    pub fn try_open_tls(address: SocketAddr, tls: &Arc<ClientConfig>) -> std::io::Result<Self> {
        Self::try_open(address)?.try_secure(b"", tls)
    }

    /// The TLS of the connection.
    #[track_caller]
    pub fn tls(&self) -> &ClientConnection {
        self.stream.tls().expect("a connection with TLS")
    }

    /// Sends a request whole and reads its reply whole.
    #[track_caller]
    pub fn send(&mut self, request: &Request) -> Reply {
        self.write(&request.bytes());
        if request.method == "HEAD" {
            self.reply_to_head()
        } else {
            self.reply()
        }
    }

    /// Sends these bytes.
    #[track_caller]
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream
            .write_all(bytes)
            .expect("the server accepts the bytes");
    }

    /// Sends the same bytes `times` times. Returns false if the server has closed the connection.
    pub fn takes(&mut self, bytes: &[u8], times: usize) -> bool {
        (0..times).all(|_| self.stream.write_all(bytes).is_ok())
    }

    /// Closes the sending side, and keeps reading.
    #[track_caller]
    pub fn close_write(&mut self) {
        self.stream.close_write().expect("the connection is open");
    }

    /// Closes the sending side of the socket, without the alert that ends TLS.
    #[track_caller]
    pub fn close_socket_write(&mut self) {
        let closed = self.stream.socket().shutdown(Shutdown::Write);
        closed.expect("the connection is open");
    }

    /// Resets the connection (RST), as the kernel of a client does that was killed with unread bytes.
    #[track_caller]
    pub fn reset(self) {
        let no_linger = Some(Duration::ZERO);
        self.stream
            .socket()
            .set_linger(no_linger)
            .expect("the connection is open");
    }

    /// Reads the next reply, interim replies (1xx) included.
    #[track_caller]
    pub fn reply(&mut self) -> Reply {
        let mut reply = self.reply_to_head();
        if reply.status >= 200 && reply.status != 204 && reply.status != 304 {
            let length = reply.header("content-length").map(str::parse::<usize>);
            match length {
                Some(length) => reply.body = self.take(length.expect("a length")),
                None => panic!("the end of the body is unknown: {reply}"),
            }
        }
        reply
    }

    /// Reads the next reply; `None` if the connection ends without one.
    #[track_caller]
    pub fn reply_if_any(&mut self) -> Option<Reply> {
        let any = !self.unread.is_empty() || self.fill();
        any.then(|| self.reply())
    }

    /// Reads the next reply without a body, whatever its `Content-Length`.
    #[track_caller]
    pub fn reply_to_head(&mut self) -> Reply {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            assert!(
                self.fill(),
                "closed before a reply: {:?}",
                String::from_utf8_lossy(&self.unread)
            );
        };
        let head = String::from_utf8(self.take(end + 4)).expect("a head of text");
        let mut lines = head.trim_end().split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        assert!(
            status_line.starts_with("HTTP/1."),
            "no status line: {status_line:?}"
        );
        let status = status_line.split(' ').nth(1).and_then(|s| s.parse().ok());
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').expect("a header line");
            (name.to_owned(), value.trim().to_owned())
        });
        let headers = headers.collect();
        Reply {
            status: status.expect("a status"),
            headers,
            body: Vec::new(),
        }
    }

    /// Reads exactly `count` bytes.
    #[track_caller]
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(
                self.fill(),
                "closed after {} bytes of {count}",
                self.unread.len()
            );
        }
        let rest = self.unread.split_off(count);
        std::mem::replace(&mut self.unread, rest)
    }

    /// Reads until the connection is closed or reset.
    #[track_caller]
    pub fn read_to_close(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.unread)
    }

    /// Sends a byte each `pace` until the server sends something or closes. Returns what it sent.
    #[track_caller]
    pub fn drip_until_close(&mut self, byte: u8, pace: Duration) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        self.stream
            .socket()
            .set_read_timeout(Some(pace))
            .expect("a read timeout");
        while Instant::now() < deadline {
            // If the write fails, the server has closed; the read below returns what it sent
            // before.
            let _ = self.stream.write_all(&[byte]);
            match self.try_fill() {
                Ok(0) => return std::mem::take(&mut self.unread),
                Ok(_) => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return std::mem::take(&mut self.unread),
            }
        }
        panic!("the server accepted single bytes for {PATIENCE:?}")
    }

    /// Whether nothing arrives within `within`, not even a close.
    pub fn stays_silent(&mut self, within: Duration) -> bool {
        self.stream
            .socket()
            .set_read_timeout(Some(within))
            .expect("a read timeout");
        let waited = self.try_fill();
        self.stream
            .socket()
            .set_read_timeout(Some(PATIENCE))
            .expect("a read timeout");
        waited.is_err_and(|e| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// Reads once. Returns false at the end of the connection.
    #[track_caller]
    fn fill(&mut self) -> bool {
        match self.try_fill() {
            Ok(count) => count > 0,
            Err(e) if is_end(e.kind()) => false,
            Err(e) => panic!("{e}, after {:?}", String::from_utf8_lossy(&self.unread)),
        }
    }

    fn try_fill(&mut self) -> std::io::Result<usize> {
        let mut block = [0; 16 * 1024];
        let count = self.stream.read(&mut block)?;
        self.unread.extend_from_slice(&block[..count]);
        Ok(count)
    }
}

/// Whether a read failed because the connection is gone. One with TLS may end without an alert.
fn is_end(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(kind, ConnectionReset | BrokenPipe | UnexpectedEof)
}
