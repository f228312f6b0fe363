//! Hints of changes: a worker learns of what another one wrote or deleted, on each topology, after
//! failovers, and again after its subscription was lost.

mod lost;
mod permissions;
mod topologies;

use crate::contract::fixture::limits;
use crate::contract::requests::{owner, session, unwrap_result};
use crate::contract::write;
use crate::deployments::{Deployment, on_each_redis};
use crate::redis_in_process::{InProcess, in_process};
use crate::server::{Server, on_both_stores};
use matrix_rendezvous::app::tasks::RunningTasks;
use matrix_rendezvous::model::SessionId;
use matrix_rendezvous::store::redis::RedisStore;
use matrix_rendezvous::store::{
    ChangeWatcher, CreateResult, DeleteResult, NewSession, Store, WriteResult,
};
use matrix_rendezvous::telemetry::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;
use testkit::{PATIENCE, until};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const PREFIX: &str = "mrv:";

/// Number of watchers that a session may have.
const MAX_WATCHERS: usize = 8;

/// A worker's store in this process.
struct Worker {
    store: RedisStore,
    metrics: Arc<Metrics>,
    _running: RunningTasks,
}

impl Worker {
    fn start(settings: &[(&str, &str)], prefix: &str) -> Self {
        let InProcess { parts, metrics } = in_process(settings, prefix, limits());
        Self {
            store: parts.store,
            metrics,
            _running: RunningTasks::start(parts.tasks, &CancellationToken::new()),
        }
    }

    /// Starts a worker on the Redis of this URL, with complete hints.
    fn on(url: &str) -> Self {
        let worker = Self::start(
            &[("store.backend", "redis"), ("store.redis.url", url)],
            PREFIX,
        );
        worker.wait_until_complete();
        worker
    }

    fn is_complete(&self) -> bool {
        let is_complete = self.store.changes().is_complete();
        let gauge = self.metrics.store_change_feed_up.get();
        // The two are set one after the other.
        is_complete && gauge == 1
    }

    fn wait_until_complete(&self) {
        until("the hints are complete", || self.is_complete());
    }

    fn watch(&self, id: SessionId) -> ChangeWatcher<'_> {
        let changes = self.store.changes();
        let mark = changes.mark(id);
        changes.watch(id, mark, MAX_WATCHERS).expect("room")
    }

    /// Creates a session, again while no server can.
    async fn create(&self) -> NewSession {
        for _ in 0..50 {
            let owner = owner("11.0.100.1", None);
            let new = session(SessionId::random(), owner, "hello");
            let created = unwrap_result(Box::pin(self.store.create(&new))).await;
            if let Ok(CreateResult::Created { .. }) = created {
                return new;
            }
            println!("no session yet: {created:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no session was created");
    }

    async fn write(&self, session: &NewSession) {
        let write = write(session.id, session.token, "ECDH", None);
        let written = unwrap_result(Box::pin(self.store.write(&write))).await;
        let is_written = matches!(written, Ok(WriteResult::Written { .. }));
        assert!(is_written, "{written:?}");
    }

    async fn delete(&self, session: &NewSession) {
        let deleted = Box::pin(self.store.delete(session.id)).await;
        assert_eq!(deleted, Ok(DeleteResult::Deleted));
    }
}

/// Waits for a hint. Without one, a held read looks only at its end.
#[track_caller]
fn assert_woken(woken: bool, why: &str) {
    assert!(woken, "no hint: {why}");
}

async fn is_woken(watcher: &ChangeWatcher<'_>) -> bool {
    timeout(PATIENCE, watcher.changed()).await.is_ok()
}

async fn is_woken_already(watcher: &ChangeWatcher<'_>) -> bool {
    timeout(Duration::ZERO, watcher.changed()).await.is_ok()
}

/// Expects that `watching` gets a hint of each change that `writing` makes, and none of another
/// session.
async fn assert_hints(writing: &Worker, watching: &Worker) {
    let (one, other) = (writing.create().await, writing.create().await);
    let watchers = [&one, &other].map(|session| watching.watch(session.id));
    let [of_one, of_other] = &watchers;
    writing.write(&one).await;
    assert_woken(is_woken(of_one).await, "a write");
    writing.delete(&one).await;
    assert_woken(is_woken(of_one).await, "a deletion");
    assert!(!is_woken_already(of_other).await, "of another session");
    assert!(watching.is_complete());
    writing.delete(&other).await;
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn change_is_reported_to_the_other_worker(deployment: &Deployment) {
    let (settings, prefix) = (deployment.settings(), Deployment::prefix());
    let [one, other] = [(); 2].map(|()| Worker::start(&settings, &prefix));
    for worker in [&one, &other] {
        worker.wait_until_complete();
    }
    assert_hints(&one, &other).await;
    assert_hints(&other, &one).await;
}

fn change_feed_is_up(server: &Server) {
    until("the hints are complete", || {
        server.metrics().value("rendezvous_store_change_feed_up") == 1
    });
}

on_both_stores!(change_feed_is_up);

mod change_is_reported {
    super::on_each_redis!(super::change_is_reported_to_the_other_worker);
}
