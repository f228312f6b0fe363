//! One Redis server, and the task that keeps a connection to it open, without end.
//!
//! Nodes fail apart from each other: what happens to one connection delays no call to another server.

use crate::clock::Clock;
use crate::lifecycle::BackgroundTask;
use crate::store::redis::address::Address;
use crate::store::redis::connection::{Connection, EndOfCalls};
use crate::store::redis::dial::{Dialer, Role};
use crate::store::redis::error_text::describe;
use crate::store::redis::outage_log::OutageLog;
use crate::store::redis::reconnect_pause::{JITTER_MS, ReconnectPause};
use crate::store::{StoreProblems, StoreState};
use crate::telemetry::metrics::Metrics;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The longest pause between connection attempts, in milliseconds. It leaves room for R0.3: answers
/// within half a second of the recovery.
const LONGEST_PAUSE_MS: u64 = 200;

// A waiting request is to be answered 0.5 s after the recovery, and pauses for up to 0.1 s itself (R0.3).
const _: () = assert!(LONGEST_PAUSE_MS + JITTER_MS <= 400);

/// What all nodes share.
#[derive(Debug)]
pub(super) struct NodeContext {
    pub(super) dialer: Dialer,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) problems: Arc<StoreProblems>,
    pub(super) state: watch::Sender<StoreState>,
    /// Notified when a connection opens, or when another server becomes responsible. Calls without
    /// a connection wait for it.
    pub(super) changed: watch::Sender<()>,
    /// Where new nodes send their tasks. `supervisor` runs them. Bounded by the number of servers.
    pub(super) tasks: mpsc::UnboundedSender<BackgroundTask>,
}

impl NodeContext {
    /// Publishes on `/readyz` why Redis was not reached yet. Without effect once it was.
    pub(super) fn report_unreached(&self, reason: &str) {
        self.state.send_if_modified(|state| match state {
            StoreState::Connecting(known) => {
                *known = Some(reason.to_owned());
                true
            }
            StoreState::Unfit(_) | StoreState::Ready => false,
        });
    }

    /// Returns the address and why the server there has no connection, if an attempt has failed.
    pub(super) fn connection_problem(&self, address: &Address) -> Option<String> {
        self.problems.get(&problem_key(address))
    }
}

/// One server. Dropping it closes the connection and ends the task.
#[derive(Debug)]
pub(super) struct Node {
    state: Arc<NodeState>,
    _stop: DropGuard,
}

#[derive(Debug)]
struct NodeState {
    address: Address,
    role: Role,
    connection: watch::Sender<Option<Arc<Connection>>>,
    context: Arc<NodeContext>,
}

impl Node {
    /// Starts to connect to a server.
    pub(super) fn start(context: &Arc<NodeContext>, address: Address, role: Role) -> Self {
        let state = Arc::new(NodeState {
            address,
            role,
            connection: watch::Sender::new(None),
            context: Arc::clone(context),
        });
        let (kept, stop) = (Arc::clone(&state), CancellationToken::new());
        let stopped = stop.clone();
        let task = async move {
            stopped.run_until_cancelled(kept.keep_connected()).await;
            kept.leave();
        };
        // Fails only while the process ends.
        let _ = context.tasks.send(BackgroundTask::new("Redis node", task));
        Self {
            state,
            _stop: stop.drop_guard(),
        }
    }

    /// The server.
    pub(super) fn address(&self) -> &Address {
        &self.state.address
    }

    /// The connection, if one is open.
    pub(super) fn connection(&self) -> Option<Arc<Connection>> {
        self.state.connection.borrow().clone()
    }
}

impl NodeState {
    async fn keep_connected(&self) {
        let (context, mut log) = (&*self.context, OutageLog::default());
        let mut pauses = ReconnectPause::new(LONGEST_PAUSE_MS);
        loop {
            let reason = match context
                .dialer
                .open_for_scripts(&self.address, self.role)
                .await
            {
                Ok(mut opened) => {
                    let connected_at = context.clock.now();
                    let connection = Arc::new(Connection::new(
                        self.address.clone(),
                        &opened,
                        context.dialer.command_timeout(),
                    ));
                    if log.connected(&self.address) {
                        context.metrics.store_reconnects.inc();
                    }
                    context.problems.clear(&problem_key(&self.address));
                    // Dropped at the end of the connection, or with this node.
                    let end_of_calls = EndOfCalls(Arc::clone(&connection));
                    self.connection.send_replace(Some(connection));
                    context.changed.send_replace(());
                    let ended = opened.ended().await;
                    self.connection.send_replace(None);
                    drop(end_of_calls);
                    let lasted = context.clock.now().saturating_sub(connected_at);
                    pauses.record_connection(lasted);
                    reason_of(ended)
                }
                Err(reason) => reason,
            };
            log.failed(&self.address, &reason, context.clock.now());
            self.publish(&reason);
            tokio::time::sleep(pauses.next()).await;
        }
    }

    /// Forgets a server that is no longer needed. Its task has closed the connection.
    fn leave(&self) {
        self.connection.send_replace(None);
        self.context.problems.clear(&problem_key(&self.address));
    }

    /// Publishes on `/readyz` why the server has no connection.
    fn publish(&self, reason: &str) {
        let text = format!("{}: {reason}", self.address);
        self.context.report_unreached(&text);
        self.context.problems.set(problem_key(&self.address), text);
    }
}

fn problem_key(address: &Address) -> String {
    format!("connection to {address}")
}

fn reason_of(ended: Result<Result<(), fred::error::Error>, JoinError>) -> String {
    match ended {
        Ok(Ok(())) => "closed".to_owned(),
        Ok(Err(error)) => describe(&error),
        Err(error) if error.is_cancelled() => "dropped by this process".to_owned(),
        Err(error) => format!("the client's task ended: {error}"),
    }
}
