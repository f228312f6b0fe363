//! Permits of the calls on one connection: a bound of the calls that stand before a new one.
//!
//! Redis answers the calls of a connection in their order, and one task reads the replies. If
//! thousands of polls are in flight, a creation waits for all of them, and its time runs out: a 503.
//! Their own time runs out too, and they are sent again. So further calls wait here, and creations
//! have permits of their own.

use crate::store::redis::script::Script;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Maximum number of creations in flight, and of other calls. Redis answers 256 calls in about 10 ms,
/// so a creation loses little time. At a round trip of 5 ms they are 50,000 calls a second, more than
/// one worker sends.
const MAX_IN_FLIGHT: usize = 256;

/// The permits of one connection.
#[derive(Debug)]
pub(super) struct CallPermits {
    creations: Semaphore,
    other_calls: Semaphore,
}

impl CallPermits {
    pub(super) fn new() -> Self {
        Self {
            creations: Semaphore::new(MAX_IN_FLIGHT),
            other_calls: Semaphore::new(MAX_IN_FLIGHT),
        }
    }

    /// Returns a permit if one is free.
    pub(super) fn try_acquire(&self, script: &Script) -> Option<SemaphorePermit<'_>> {
        self.semaphore(script).try_acquire().ok()
    }

    /// Waits for a permit, in the order of the calls. The caller bounds the wait.
    pub(super) async fn acquire(&self, script: &Script) -> Option<SemaphorePermit<'_>> {
        // The semaphores are never closed.
        self.semaphore(script).acquire().await.ok()
    }

    /// Creations are the calls that run once.
    fn semaphore(&self, script: &Script) -> &Semaphore {
        if script.runs_once() {
            &self.creations
        } else {
            &self.other_calls
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CallPermits, MAX_IN_FLIGHT};
    use crate::store::redis::script::Script;
    use futures_util::FutureExt;
    use std::pin::pin;

    #[tokio::test]
    async fn creation_does_not_wait_for_other_calls() {
        let (poll, creation) = (Script::new("return 1"), Script::run_once("return 2"));
        let permits = CallPermits::new();
        let mut polls: Vec<_> = (0..MAX_IN_FLIGHT)
            .map(|_| permits.try_acquire(&poll).expect("a permit"))
            .collect();
        assert!(permits.try_acquire(&poll).is_none());
        let mut waiting = pin!(permits.acquire(&poll));
        assert!(waiting.as_mut().now_or_never().is_none());
        let creations: Vec<_> = (0..MAX_IN_FLIGHT)
            .map(|_| permits.try_acquire(&creation).expect("a permit"))
            .collect();
        assert!(permits.try_acquire(&creation).is_none());
        // A permit that is free again goes to the call that waits.
        drop(creations);
        assert!(waiting.as_mut().now_or_never().is_none());
        polls.pop();
        drop(waiting.await.expect("a permit"));
    }
}
