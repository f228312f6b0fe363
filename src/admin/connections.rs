//! The open connections of the admin listener. At the maximum each new one closes the oldest idle
//! one, so that a probe always gets a connection.

use crate::clock::Clock;
use crate::net::peer_stream::PeerAddress;
use crate::net::request_activity::RequestActivity;
use crate::telemetry::log_throttle::LogThrottle;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Minimum time between two log lines about closed connections.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// The open connections, the oldest first.
#[derive(Debug)]
pub(super) struct AdminConnections {
    maximum: usize,
    open: Mutex<VecDeque<AdminConnection>>,
    log: LogThrottle,
    clock: Clock,
}

/// An open connection. Clones share its state.
#[derive(Debug, Clone)]
struct AdminConnection {
    activity: Arc<RequestActivity>,
    /// Cancelled to close the connection.
    closed: CancellationToken,
}

/// Removes a connection from the list when it is dropped.
struct ListedConnection<'a> {
    list: &'a AdminConnections,
    connection: AdminConnection,
}

impl AdminConnections {
    pub(super) fn new(maximum: usize, clock: Clock) -> Self {
        Self {
            maximum,
            open: Mutex::default(),
            log: LogThrottle::every(LOG_INTERVAL),
            clock,
        }
    }

    /// Runs `serve` for a new connection, until the connection ends or is closed for another.
    ///
    /// At the maximum this first closes the oldest connection without a request in flight: it is
    /// idle, has not sent a whole head, or does not read its response. If each has a request in
    /// flight, the oldest is closed. A scraper opens another connection for its next request.
    pub(super) async fn run<F: Future<Output = ()>>(
        &self,
        peer: PeerAddress,
        serve: impl FnOnce(Arc<RequestActivity>) -> F,
    ) {
        let connection = AdminConnection {
            activity: Arc::default(),
            closed: CancellationToken::new(),
        };
        self.add(peer, connection.clone());
        let listed = ListedConnection {
            list: self,
            connection,
        };
        let AdminConnection { activity, closed } = &listed.connection;
        let serving = serve(Arc::clone(activity));
        closed.run_until_cancelled(serving).await;
    }

    fn add(&self, peer: PeerAddress, connection: AdminConnection) {
        let mut open = self.open();
        if open.len() >= self.maximum {
            let is_idle = |open: &AdminConnection| open.activity.is_idle();
            let oldest = open.iter().position(is_idle).unwrap_or(0);
            if let Some(oldest) = open.remove(oldest) {
                oldest.closed.cancel();
            }
            if self.log.try_acquire(self.clock.now()) {
                let maximum = self.maximum;
                tracing::warn!(
                    %peer,
                    "the admin listener has {maximum} connections: each new one closes the oldest idle one"
                );
            }
        }
        open.push_back(connection);
    }

    /// Ignores a poisoned lock: no step leaves the list incomplete.
    fn open(&self) -> MutexGuard<'_, VecDeque<AdminConnection>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ListedConnection<'_> {
    fn drop(&mut self) {
        let own = &self.connection.activity;
        let is_other = |open: &AdminConnection| !Arc::ptr_eq(&open.activity, own);
        self.list.open().retain(is_other);
    }
}

#[cfg(test)]
mod tests {
    use super::{AdminConnections, RequestActivity};
    use crate::clock::Clock;
    use crate::net::peer_stream::PeerAddress;
    use std::future::pending;
    use std::sync::Arc;
    use tokio::task::JoinHandle;

    const PEER: PeerAddress = PeerAddress::Unix;

    /// Opens a connection that never ends by itself.
    async fn open(list: &Arc<AdminConnections>) -> (JoinHandle<()>, Arc<RequestActivity>) {
        let (sender, activity) = tokio::sync::oneshot::channel();
        let list = Arc::clone(list);
        let task = tokio::spawn(async move {
            let serve = |activity| async move {
                sender.send(activity).expect("the test waits");
                pending::<()>().await;
            };
            list.run(PEER, serve).await;
        });
        (task, activity.await.expect("an activity"))
    }

    #[tokio::test]
    async fn oldest_idle_connection_is_closed_at_the_maximum() {
        let list = Arc::new(AdminConnections::new(2, Clock::system()));
        let (busy, activity) = open(&list).await;
        let request = activity.start_request(0);
        let (idle, _) = open(&list).await;
        let (third, _) = open(&list).await;
        idle.await.expect("it is closed");
        assert!(!busy.is_finished() && !third.is_finished());
        // It is the oldest, and idle again.
        drop(request);
        let (_fourth, _) = open(&list).await;
        busy.await.expect("it is closed");
        assert!(!third.is_finished());
        assert_eq!(list.open().len(), 2);
    }

    #[tokio::test]
    async fn oldest_is_closed_if_no_connection_is_idle() {
        let list = Arc::new(AdminConnections::new(1, Clock::system()));
        let (busy, activity) = open(&list).await;
        let _request = activity.start_request(0);
        let (_second, _) = open(&list).await;
        busy.await.expect("it is closed");
    }

    #[tokio::test]
    async fn ended_connection_leaves_the_list() {
        let list = AdminConnections::new(2, Clock::system());
        list.run(PEER, |_| async {}).await;
        assert!(list.open().is_empty());
    }
}
