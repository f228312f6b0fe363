//! Runs the tasks of the nodes.

use crate::lifecycle::BackgroundTask;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

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
