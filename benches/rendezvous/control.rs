//! A blocking HTTP/1.1 connection for what is not measured: readiness, the model reply, filling Redis.
//!
//! Unlike `client` it keeps a reply's head, and bounds each wait by itself.

use crate::scenario::PATH;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// For one reply of an idle server. The server's own deadline for Redis is 0.8 s.
const DEADLINE: Duration = Duration::from_secs(5);

/// One keep-alive connection.
#[derive(Debug)]
pub struct Control {
    stream: BufReader<TcpStream>,
}

/// A reply as it came.
#[derive(Debug)]
pub struct Raw {
    /// Status line and headers, without the empty line.
    pub head: String,
    /// The body, as text.
    pub body: String,
}

impl Raw {
    /// Whether the status is 200.
    pub fn is_ok(&self) -> bool {
        self.head.starts_with("HTTP/1.1 200")
    }
}

impl Control {
    /// Connects.
    pub fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Asks with GET.
    pub fn get(&mut self, path: &str) -> std::io::Result<Raw> {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n"))
    }

    /// Creates a session and returns its id.
    pub fn create(&mut self, payload: &str) -> std::io::Result<String> {
        let body = serde_json::json!({ "data": payload }).to_string();
        let length = body.len();
        let reply = self.ask(&format!(
            "POST {PATH} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        ))?;
        let created: serde_json::Value = serde_json::from_str(&reply.body)?;
        let id = created["id"].as_str().filter(|_| reply.is_ok());
        id.map(str::to_owned)
            .ok_or_else(|| Error::other(format!("a create: {}", reply.head)))
    }

    fn ask(&mut self, request: &str) -> std::io::Result<Raw> {
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut head = String::new();
        let mut length = 0;
        loop {
            let begin = head.len();
            if self.stream.read_line(&mut head)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let line = head[begin..].trim_end().to_ascii_lowercase();
            if line.is_empty() {
                head.truncate(head.trim_end().len());
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(|_| ErrorKind::InvalidData)?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let body = String::from_utf8(body).map_err(|_| ErrorKind::InvalidData)?;
        Ok(Raw { head, body })
    }
}
