//! One keep-alive HTTP/1.1 connection of the load generator.
//!
//! It writes requests that were serialised before and reads of a reply only the status and the
//! Content-Length, since every instruction here runs on the cores that the server needs too. It never
//! pipelines, follows, repairs or retries anything, and knows no chunked replies: our servers send none.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than the longest reply here (a 4 KiB payload and its head), so that one read takes it whole,
/// and a short read tells tokio that the socket is empty without another system call.
const BUFFER: usize = 16 * 1024;

/// A connection, and what it has read.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buffer: Box<[u8]>,
}

/// A reply: its status, and its body as long as the connection is not used again.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
}

impl Client {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER].into_boxed_slice(),
        })
    }

    /// Sends one request and reads its reply. The caller bounds the wait: a timer per request would
    /// cost more than the parsing.
    pub async fn send(&mut self, request: &[u8]) -> std::io::Result<Reply<'_>> {
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
        Ok(Reply {
            status: head.status,
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
}

/// What matters of a reply's head.
struct Head {
    status: u16,
    length: usize,
    content_length: usize,
}

impl Head {
    /// `None` while the head is not complete.
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
