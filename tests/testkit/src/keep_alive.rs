//! A keep-alive HTTP/1.1 connection for load: asynchronous, with as little work per reply as
//! possible.
//!
//! Requests are bytes that the caller has serialised. Of a reply it parses the status and the
//! Content-Length only, because it runs on the cores that the server needs too. It never pipelines,
//! repairs or retries anything, and does not support chunked replies: the server sends none.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Larger than the largest reply (a payload of 4 KiB and its head). One read then returns the whole
/// reply, and a short read shows tokio that the socket is empty without another system call.
const BUFFER: usize = 16 * 1024;

/// A connection and its read buffer.
#[derive(Debug)]
pub struct KeepAliveClient {
    stream: TcpStream,
    buffer: Box<[u8]>,
}

/// A reply in the buffer of its connection.
#[derive(Debug, Clone, Copy)]
pub struct ReplyBytes<'a> {
    /// The status code.
    pub status: u16,
    /// The status line and the headers, up to and including the empty line.
    pub head: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

impl KeepAliveClient {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> std::io::Result<Self> {
        Self::over(TcpStream::connect(address).await?)
    }

    /// Uses a connection that is open.
    pub fn over(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER].into_boxed_slice(),
        })
    }

    /// Sends one request and reads its reply.
    ///
    /// The caller bounds the wait: a timer for each request would cost more than the parsing.
    pub async fn send(&mut self, request: &[u8]) -> std::io::Result<ReplyBytes<'_>> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let head = loop {
            filled += self.read(filled).await?;
            if let Some(head) = Head::parse(&self.buffer[..filled])? {
                break head;
            }
        };
        let end = head.length + head.content_length;
        while filled < end {
            filled += self.read(filled).await?;
        }
        if filled > end {
            return Err(invalid("bytes after the reply"));
        }
        Ok(ReplyBytes {
            status: head.status,
            head: &self.buffer[..head.length],
            body: &self.buffer[head.length..end],
        })
    }

    async fn read(&mut self, filled: usize) -> std::io::Result<usize> {
        let room = &mut self.buffer[filled..];
        if room.is_empty() {
            return Err(invalid("a reply larger than the buffer"));
        }
        match self.stream.read(room).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }

    /// Returns the TCP connection, for a caller that does with it what no client does.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }
}

impl ReplyBytes<'_> {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = std::str::from_utf8(self.head).ok()?;
        head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// What is parsed of a reply's head.
struct Head {
    status: u16,
    length: usize,
    content_length: usize,
}

impl Head {
    /// Returns `None` while the head is incomplete.
    fn parse(bytes: &[u8]) -> std::io::Result<Option<Self>> {
        let mut status = None;
        let mut content_length = None;
        let mut begin = 0;
        for (at, byte) in bytes.iter().enumerate() {
            if *byte != b'\n' {
                continue;
            }
            let line = bytes[begin..at].trim_ascii();
            begin = at + 1;
            if line.is_empty() {
                let content_length = match status {
                    // These two have no body, whatever a header says (RFC 9110, section 6.4.1).
                    Some(204 | 304) => Some(0),
                    _ => content_length,
                };
                let (Some(status), Some(content_length)) = (status, content_length) else {
                    return Err(invalid("a reply without status or Content-Length"));
                };
                return Ok(Some(Self {
                    status,
                    length: begin,
                    content_length,
                }));
            }
            if status.is_none() {
                status = line.get(9..12).and_then(number);
            } else if let Some((name, value)) = line.split_at_checked(15)
                && name.eq_ignore_ascii_case(b"content-length:")
            {
                content_length = number(value.trim_ascii());
            }
        }
        Ok(None)
    }
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn invalid(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, reason)
}
