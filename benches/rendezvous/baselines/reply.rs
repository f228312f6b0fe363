//! The replies of the floors: the server's own headers around the floor's body.
//!
//! The bench asks the real server for one poll and hands its reply to the floors, so the bytes on the
//! wire and the work of encoding them are the same, and a ratio measures our code alone. With
//! `--floor-headers minimal` a floor sends no header but Content-Type (and hyper's two).

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// The environment variable in which a floor finds the reply to model its own on.
pub const VARIABLE: &str = "BENCH_MODEL_REPLY";

/// A reply to model others on.
#[derive(Debug)]
pub struct Model {
    headers: HeaderMap,
    /// The body of the poll.
    pub body: Bytes,
}

impl Model {
    /// What the bench has put into the environment.
    pub fn from_environment() -> Result<Self, String> {
        let text = std::env::var(VARIABLE).map_err(|error| format!("{VARIABLE}: {error}"))?;
        // Once a process: static text is what the server's own headers are too, and clones for free.
        Self::parse(text.leak()).ok_or_else(|| format!("{VARIABLE} is not a reply"))
    }

    fn parse(text: &'static str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut headers = HeaderMap::new();
        for line in head.split("\r\n").filter(|line| !line.starts_with("HTTP/")) {
            let (name, value) = line.split_once(": ")?;
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            // hyper writes these two itself.
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
    pub fn reply(&self, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
        let mut reply = Response::new(Full::new(body.into()));
        *reply.headers_mut() = self.headers.clone();
        reply
    }
}
