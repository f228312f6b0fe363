//! A number that several tasks change.

use std::sync::atomic::{AtomicU64, Ordering};

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
