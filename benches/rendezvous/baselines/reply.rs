//! The replies of the baselines: the server's own headers around the baseline's body.
//!
//! The benchmark polls the real server once and passes the reply to the baselines. So the bytes on
//! the wire and the work of encoding them are the same, and a ratio measures our code alone. With
//! `--baseline-headers minimal` a baseline sends only Content-Type and hyper's two headers.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// The environment variable that passes the model reply to a baseline.
pub const VARIABLE: &str = "BENCH_MODEL_REPLY";

/// A reply that lends its headers to other replies.
#[derive(Debug)]
pub struct ModelReply {
    headers: HeaderMap,
    /// The body of the poll.
    pub body: Bytes,
}

impl ModelReply {
    /// Reads the reply that the benchmark has put into the environment.
    pub fn from_environment() -> Result<Self, String> {
        let text = std::env::var(VARIABLE).map_err(|error| format!("{VARIABLE}: {error}"))?;
        // Once per process. The server's own headers are static text too, which clones for free.
        Self::parse(text.leak()).ok_or_else(|| format!("{VARIABLE} is not a reply"))
    }

    fn parse(text: &'static str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut headers = HeaderMap::new();
        for line in head.split("\r\n") {
            let (name, value) = line.split_once(": ")?;
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            // hyper adds these two.
            if !matches!(name.as_str(), "date" | "content-length") {
                headers.append(name, HeaderValue::from_static(value));
            }
        }
        Some(Self {
            headers,
            body: Bytes::from_static(body.as_bytes()),
        })
    }

    /// A 200 with the model's headers.
    pub fn with_body(&self, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
        let mut reply = Response::new(Full::new(body.into()));
        *reply.headers_mut() = self.headers.clone();
        reply
    }
}
