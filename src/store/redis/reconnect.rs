//! Drops a connection to Redis that is silent or out of step, so that fred connects again.
//!
//! fred's own watch for unresponsive connections counts from the last write, and so never fires on a
//! busy one. Calls only ask for a reconnect; a background task does it, since fred returns only when it
//! has connected again, and no request waits for that.

use fred::clients::Client;
use fred::interfaces::ClientLike;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// The requests for a reconnect, and the task that serves them.
#[derive(Debug)]
pub(super) struct Reconnect {
    client: Client,
    deadline: Duration,
    /// Counts the connections that this process dropped, so that each is dropped once, however many
    /// calls were waiting on it.
    generation: AtomicU64,
    wake: Notify,
}

impl Reconnect {
    /// `deadline` bounds the wait for one reconnect.
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
                Ok(Err(error)) => tracing::warn!(%error, "the connection could not be dropped"),
                Err(_) => tracing::debug!("the connection is dropped, and not made again yet"),
            }
        }
    }
}
