//! Counters of the attackers' requests and of the rejected ones.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use testkit::dialect::Response;

/// Counters that all attackers of a scenario share.
#[derive(Debug, Default)]
pub struct Counters {
    requests: AtomicU64,
    rejected: AtomicU64,
}

impl Counters {
    /// Counts a request and its result. A request without a reply counts as rejected.
    pub fn record(&self, result: &std::io::Result<Response>) {
        let rejected = match result {
            Ok(reply) => matches!(reply.status, 401 | 403 | 429 | 503),
            Err(_) => true,
        };
        self.requests.fetch_add(1, Relaxed);
        self.rejected.fetch_add(u64::from(rejected), Relaxed);
    }

    /// Counts a connection of an attacker that wants connections, not replies.
    pub fn record_connection(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// Counts that the server has closed such a connection.
    pub fn record_closed(&self) {
        self.rejected.fetch_add(1, Relaxed);
    }

    /// Requests, or connections, so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Rejected requests, or closed connections, so far.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Relaxed)
    }
}
