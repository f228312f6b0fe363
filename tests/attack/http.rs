//! One keep-alive HTTP/1.1 connection, as honest devices and attackers have it.
//!
//! It never follows, repairs or retries anything, and knows no chunked replies: the server sends none.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than the longest reply, a 4 KiB payload and its head.
const BUFFER: usize = 16 * 1024;

/// A connection, and what it has read.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What matters of a reply.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The ETag, in its quotes.
    pub etag: Option<String>,
    /// The body.
    pub body: String,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> std::io::Result<Self> {
        Self::over(TcpStream::connect(address).await?)
    }

    /// Speaks HTTP on a connection that is there.
    pub fn over(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_nodelay(true)?;
        let buffer = Vec::with_capacity(BUFFER);
        Ok(Self { stream, buffer })
    }

    /// Sends one request and reads its reply. The caller bounds the wait.
    pub async fn send(&mut self, request: &[u8]) -> std::io::Result<Reply> {
        self.stream.write_all(request).await?;
        let end = loop {
            let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None => self.read().await?,
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let header = |name: &str| {
            head.lines().skip(1).find_map(|line| {
                let (is, value) = line.split_once(':')?;
                is.eq_ignore_ascii_case(name).then_some(value.trim())
            })
        };
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        let length = header("content-length").map_or(Some(0), |length| length.parse().ok());
        let (Some(status), Some(length)) = (status, length) else {
            return Err(Error::new(ErrorKind::InvalidData, head));
        };
        // These two have no body, whatever a header says (RFC 9110 §6.4.1).
        let length = if matches!(status, 204 | 304) {
            0
        } else {
            length
        };
        while self.buffer.len() < end + length {
            self.read().await?;
        }
        let body = String::from_utf8_lossy(&self.buffer[end..end + length]).into_owned();
        self.buffer.drain(..end + length);
        Ok(Reply {
            status,
            etag: header("etag").map(str::to_owned),
            body,
        })
    }

    async fn read(&mut self) -> std::io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// The connection itself, for who does with it what no client does.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }
}
