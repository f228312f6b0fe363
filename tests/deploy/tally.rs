//! What became of requests and sign-ins.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts of one scenario.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests, repeated ones each time.
    pub requests: Count,
    /// Those of them without an answer, or with one that the protocol would not give there.
    pub lost: Count,
    /// Creations that maintenance or a limit refused, and might.
    pub refused: Count,
    /// Pairs of devices whose last creation was refused: they have no sign-in under way.
    pub idle: Count,
    /// Sign-ins that were completed.
    pub sign_ins: Count,
    /// Those of them that had to repeat a lost request, and would have ended there by clients that do not.
    pub repeated: Count,
    failures: Mutex<Vec<String>>,
}

/// A number that many tasks change.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// What it is.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// One less.
    pub fn subtract(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Tally {
    /// Why those sign-ins, and polls of a session that lives on, that failed did.
    pub fn failures(&self) -> MutexGuard<'_, Vec<String>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
