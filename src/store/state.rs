//! Whether the store is fit to serve requests, and what is wrong with it now, for `/readyz`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether the store is fit to serve requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreState {
    /// The first connection is not made yet. The reason, if one is known.
    Connecting(Option<String>),
    /// Reached, but configured in a way that loses sign-ins. One line per problem.
    Unfit(Vec<String>),
    /// Reached and found fit once. A later outage does not change this: otherwise every replica
    /// would leave the load balancer at once, and clients would not get the error bodies.
    Ready,
}

/// Maximum number of problems. There is at most one per server and per check.
const MAX_PROBLEMS: usize = 64;

/// The current problems, each under a key of its own.
#[derive(Debug, Default)]
pub struct StoreProblems {
    by_key: Mutex<BTreeMap<String, String>>,
    write_refusal: Mutex<Option<String>>,
}

impl StoreProblems {
    /// Sets or replaces a problem. Past 64 problems, new ones are left out.
    pub fn set(&self, key: String, text: String) {
        let mut problems = lock(&self.by_key);
        if problems.len() < MAX_PROBLEMS || problems.contains_key(&key) {
            problems.insert(key, text);
        }
    }

    /// Removes a problem.
    pub fn clear(&self, key: &str) {
        lock(&self.by_key).remove(key);
    }

    /// Returns the problem of this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<String> {
        lock(&self.by_key).get(key).cloned()
    }

    /// Returns the texts of all problems, in the order of their keys.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        lock(&self.by_key).values().cloned().collect()
    }

    /// Sets why the store refuses writes, or `None` if it does not.
    pub fn set_write_refusal(&self, reason: Option<String>) {
        *lock(&self.write_refusal) = reason;
    }

    /// Returns why the store refused the last write probe. `None` if it wrote, or if there was none.
    #[must_use]
    pub fn write_refusal(&self) -> Option<String> {
        lock(&self.write_refusal).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
