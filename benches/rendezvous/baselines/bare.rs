//! Sends fixed bytes, whatever the request: what hyper costs.

use super::Baseline;
use super::reply::ModelReply;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};

/// Sends the same reply to every request, and does not read the request.
pub struct Bare {
    model: ModelReply,
}

impl Bare {
    pub fn new(model: ModelReply) -> Self {
        Self { model }
    }
}

impl Baseline for Bare {
    async fn handle(&self, _: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        Some(self.model.with_body(self.model.body.clone()))
    }
}
