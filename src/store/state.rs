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
pub struct StoreProblems(Mutex<BTreeMap<String, String>>);

impl StoreProblems {
    /// Sets or replaces a problem. Past 64 problems, new ones are left out.
    pub fn set(&self, key: String, text: String) {
        let mut problems = self.lock();
        if problems.len() < MAX_PROBLEMS || problems.contains_key(&key) {
            problems.insert(key, text);
        }
    }

    /// Removes a problem.
    pub fn clear(&self, key: &str) {
        self.lock().remove(key);
    }

    /// Returns the texts of all problems, in the order of their keys.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
