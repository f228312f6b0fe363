//! Counters of requests and sign-ins.

use std::sync::{Mutex, MutexGuard, PoisonError};
use testkit::counter::Counter;

/// Counters of one scenario.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests, each retry included.
    pub requests: Counter,
    /// Requests without a reply, or with one that the protocol does not allow there.
    pub lost: Counter,
    /// Creations that maintenance or a limit rejected, as expected.
    pub rejected: Counter,
    /// Pairs of devices without a sign-in in progress: their last creation was rejected.
    pub idle: Counter,
    /// Completed sign-ins.
    pub sign_ins: Counter,
    /// Completed sign-ins that retried a lost request. Without retries they would have failed.
    pub retried: Counter,
    failures: Mutex<Vec<String>>,
}

impl Counters {
    /// The reason of each failed sign-in, and of each failed poll of a session that lives on.
    pub fn failures(&self) -> MutexGuard<'_, Vec<String>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
