//! `http.readiness_path`: readiness on the clients' listener, for load balancers that can check only the port
//! to which they send requests (R0.44).

use crate::http::error::ApiError;
use crate::http::framing::check_head;
use crate::http::response::ApiResponse;
use hyper::{Method, Request};
use std::fmt::Debug;
use std::sync::Arc;

/// Whether load balancers should send requests to this replica.
pub trait ReplicaReadiness: Debug + Send + Sync {
    /// Returns `false` until the store was reached and passed its checks, and from the signal to stop on.
    fn is_ready(&self) -> bool;
}

/// Answers the path. The clients' listener is public, so a response never says why.
#[derive(Debug)]
pub struct ReadinessPath {
    path: String,
    replica: Arc<dyn ReplicaReadiness>,
}

impl ReadinessPath {
    /// Answers `path` with what `replica` says at the time of each request.
    #[must_use]
    pub fn new(path: String, replica: Arc<dyn ReplicaReadiness>) -> Self {
        Self { path, replica }
    }

    /// Returns the response to a GET or HEAD of the path; `None` for every other request, and for one
    /// with an invalid head. No `Host` and no limit of requests matters: a load balancer checks an address, and
    /// would remove all replicas at once if a limit rejected its checks.
    pub(super) fn respond<B>(&self, request: &Request<B>) -> Option<ApiResponse> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if !is_read || request.uri().path() != self.path || check_head(request).is_err() {
            return None;
        }
        Some(if self.replica.is_ready() {
            ApiResponse::raw_json(b"{}".to_vec())
        } else {
            ApiError::NotReady.into()
        })
    }
}
