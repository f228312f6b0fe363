//! Fixed bytes, whatever is asked: what hyper costs.

use super::Floor;
use super::reply::Model;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};

/// Answers the same to everyone, and looks at nothing.
pub struct Bare {
    model: Model,
}

impl Bare {
    pub fn new(model: Model) -> Self {
        Self { model }
    }
}

impl Floor for Bare {
    async fn answer(&self, _: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        Some(self.model.reply(self.model.body.clone()))
    }
}
