//! Drops a connection to Redis that stopped answering or is out of step, so that fred reconnects.
//!
//! fred's own check for unresponsive connections counts from the last write, so it never fires on a
//! busy connection. Calls only request a reconnect. A background task performs it, since fred's
//! `force_reconnection` returns only after the reconnection, and no request waits for that.

use crate::store::redis::error_text::describe;
use fred::clients::Client;
use fred::interfaces::ClientLike;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// The reconnect requests, and the task that serves them.
#[derive(Debug)]
pub(super) struct Reconnect {
    client: Client,
    deadline: Duration,
    /// Number of connections that this process dropped. It ensures that each is dropped once, however
    /// many calls wait on it.
    generation: AtomicU64,
    wake: Notify,
}

impl Reconnect {
    /// Creates it without a request. `deadline` bounds the wait for one reconnect.
    pub(super) fn new(client: Client, deadline: Duration) -> Self {
        Self {
            client,
            deadline,
            generation: AtomicU64::new(0),
            wake: Notify::new(),
        }
    }

    /// Returns the number of the current connection.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Drops the connection with the number `seen`, unless it was dropped before.
    pub(super) fn request(&self, seen: u64, reason: &str) {
        let order = Ordering::Relaxed;
        let dropped = self
            .generation
            .compare_exchange(seen, seen + 1, order, order);
        if dropped.is_ok() {
            tracing::error!(reason, "dropping the connection to Redis");
            self.wake.notify_one();
        }
    }

    /// Reconnects after each [`Self::request`]. Runs until the process ends.
    pub(super) async fn run(&self) {
        loop {
            self.wake.notified().await;
            let dropped = Box::pin(self.client.force_reconnection());
            match tokio::time::timeout(self.deadline, dropped).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    let error = describe(&error);
                    tracing::warn!(error, "failed to drop the connection to Redis");
                }
                Err(_) => {
                    tracing::debug!("the connection to Redis is dropped, not reconnected yet");
                }
            }
        }
    }
}
