//! Counters of requests and sign-ins.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// A number that several tasks change.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Adds one.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Subtracts one.
    pub fn subtract(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Counters {
    /// The reason of each failed sign-in, and of each failed poll of a session that lives on.
    pub fn failures(&self) -> MutexGuard<'_, Vec<String>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
