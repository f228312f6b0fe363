//! Runs the tasks of the nodes, and repeats the start-up check until this Redis is fit.

use crate::lifecycle::BackgroundTask;
use crate::store::StoreState;
use crate::store::redis::startup_check::StartupCheck;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Interval between two start-up checks of a Redis that was found unfit.
const RECHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Runs the tasks that nodes send. A panic in one of them continues here.
pub(super) async fn run_nodes(mut tasks: mpsc::UnboundedReceiver<BackgroundTask>) {
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            Some(task) = tasks.recv() => {
                running.spawn(task.future);
            }
            Some(ended) = running.join_next() => {
                if let Err(error) = ended
                    && let Ok(panic) = error.try_into_panic()
                {
                    std::panic::resume_unwind(panic);
                }
            }
            else => return,
        }
    }
}

/// Waits for a connection and repeats the start-up check until this Redis is fit, then sets the state
/// to ready.
pub(super) async fn check_until_fit(check: StartupCheck, state: watch::Sender<StoreState>) {
    check.wait_for_connection().await;
    loop {
        let problems = check.run().await;
        if problems.is_empty() {
            tracing::info!("Redis is reachable and fit");
            state.send_replace(StoreState::Ready);
            return;
        }
        if *state.borrow() != StoreState::Unfit(problems.clone()) {
            for reason in &problems {
                tracing::error!("not ready: {reason}");
            }
            state.send_replace(StoreState::Unfit(problems));
        }
        tokio::time::sleep(RECHECK_INTERVAL).await;
    }
}
