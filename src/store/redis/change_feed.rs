//! Hints about the changes that all workers make, one's own included: a subscription to the channel
//! on which the scripts publish (docs/adr/0016-change-hints.md).
//!
//! A worker has one connection for it, to one primary. In a Cluster every node passes a message on to
//! all others. Only while the subscription is known to work are the hints complete. When it ends, for
//! any reason, every watcher is woken, and held reads look at the store at intervals.

mod subscription;

use crate::store::Changes;
use crate::store::redis::connection::Connection;
use crate::store::redis::error_text::describe;
use crate::store::redis::keys::Keys;
use crate::store::redis::node::NodeContext;
use crate::store::redis::reconnect_pause::ReconnectPause;
use crate::store::redis::scripts::Scripts;
use crate::telemetry::log_throttle::LogThrottle;
use std::sync::Arc;
use std::time::Duration;
use subscription::{FeedEnd, Subscription};
use tokio::sync::watch;
use tokio::time::timeout;

/// The longest pause between two attempts, in milliseconds. The scripts' own connection is open then, so
/// that something is wrong with the subscription alone.
const LONGEST_PAUSE_MS: u64 = 2000;

/// Pause after a denial, which only an operator ends, or a change of the topology.
const DENIED_PAUSE: Duration = Duration::from_mins(1);

/// Interval at which the connection for scripts is compared. Its end is no change of the topology.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Interval of the log line about a lost subscription.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The subscription of one worker.
pub(super) struct ChangeFeed {
    changes: Arc<Changes>,
    keys: Keys,
    scripts: Arc<Scripts>,
    context: Arc<NodeContext>,
}

impl ChangeFeed {
    pub(super) fn new(
        changes: &Arc<Changes>,
        keys: &Keys,
        scripts: &Arc<Scripts>,
        context: Arc<NodeContext>,
    ) -> Self {
        Self {
            changes: Arc::clone(changes),
            keys: keys.clone(),
            scripts: Arc::clone(scripts),
            context,
        }
    }

    /// Subscribes again and again. Never returns.
    pub(super) async fn run(self) {
        let mut pauses = ReconnectPause::new(LONGEST_PAUSE_MS);
        let throttle = LogThrottle::every(LOG_INTERVAL);
        let mut denial_logged = false;
        loop {
            // Before the primary is chosen, so that no change of it is missed.
            let mut changed = self.context.changed.subscribe();
            let primary = self.wait_for_primary(&mut changed).await;
            let began = self.context.clock.now();
            let end = self.follow(&primary, &mut changed).await;
            let was_complete = self.changes.is_complete();
            self.set_complete(false);
            let (clock, server) = (&self.context.clock, primary.address());
            match end {
                FeedEnd::Denied(reason) => {
                    if !denial_logged {
                        tracing::warn!(%server, reason, "Redis denies this user the channel of changes, so held reads look at the store at intervals; allow it +publish, +subscribe and the channel (docs/redis.md)");
                    }
                    denial_logged = true;
                    // Another primary may have other users.
                    let _ = timeout(DENIED_PAUSE, changed.changed()).await;
                    continue;
                }
                FeedEnd::Lost(reason) if throttle.try_acquire(clock.now()) => {
                    tracing::info!(%server, reason, "no hints of changes from Redis, retrying");
                }
                FeedEnd::Lost(reason) => tracing::debug!(%server, reason, "no hints of changes"),
                FeedEnd::Replaced => {}
            }
            if was_complete {
                denial_logged = false;
                pauses.record_connection(clock.now().saturating_sub(began));
            }
            tokio::time::sleep(pauses.next()).await;
        }
    }

    /// Waits until a primary has a connection. Which of several is left to chance, so that workers
    /// spread over the nodes of a Cluster.
    async fn wait_for_primary(&self, changed: &mut watch::Receiver<()>) -> Arc<Connection> {
        loop {
            let mut primaries = self.scripts.topology().primaries();
            if !primaries.is_empty() {
                let chance = uuid::Uuid::new_v4().as_u64_pair().0;
                #[expect(clippy::cast_possible_truncation, reason = "a remainder")]
                return primaries.swap_remove((chance % primaries.len() as u64) as usize);
            }
            // The sender lives as long as `self`.
            let _ = changed.changed().await;
        }
    }

    /// Whether scripts still run on this connection.
    fn is_current(&self, primary: &Arc<Connection>) -> bool {
        let primaries = self.scripts.topology().primaries();
        primaries.iter().any(|other| Arc::ptr_eq(other, primary))
    }

    /// Subscribes at a primary, and reports changes until the subscription ends.
    async fn follow(
        &self,
        primary: &Arc<Connection>,
        changed: &mut watch::Receiver<()>,
    ) -> FeedEnd {
        let (dialer, role) = (&self.context.dialer, self.scripts.topology().role());
        let opened = dialer.open_for_messages(primary.address(), role, primary.client());
        let mut opened = match opened.await {
            Ok(opened) => opened,
            Err(reason) => return FeedEnd::Lost(reason),
        };
        let client = opened.client.clone();
        let subscription = match Subscription::begin(&client, &self.keys, &self.changes).await {
            Ok(subscription) => subscription,
            Err(end) => return end,
        };
        self.set_complete(true);
        tokio::select! {
            end = subscription.report_until_lost() => end,
            () = self.wait_until_replaced(primary, changed) => FeedEnd::Replaced,
            ended = opened.ended() => FeedEnd::Lost(match ended {
                Ok(Err(error)) => describe(&error),
                Ok(Ok(())) | Err(_) => "closed".to_owned(),
            }),
        }
    }

    async fn wait_until_replaced(
        &self,
        primary: &Arc<Connection>,
        changed: &mut watch::Receiver<()>,
    ) {
        while self.is_current(primary) {
            let _ = timeout(LOOK_INTERVAL, changed.changed()).await;
        }
    }

    /// Publishes whether the hints are complete, if that is new.
    fn set_complete(&self, is_complete: bool) {
        if self.changes.is_complete() != is_complete {
            self.changes.set_complete(is_complete);
            let gauge = &self.context.metrics.store_change_feed_up;
            gauge.set(is_complete.into());
        }
    }
}
