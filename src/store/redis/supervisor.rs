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

#[cfg(test)]
mod tests {
    use super::{BackgroundTask, mpsc, run_nodes};
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn panic_of_a_node_ends_the_supervisor() {
        let (tasks, started) = mpsc::unbounded_channel();
        let supervisor = tokio::spawn(run_nodes(started));
        let idle = BackgroundTask::new("idle", std::future::pending());
        let failing = BackgroundTask::new("failing", async { panic!("a bug") });
        for task in [idle, failing] {
            tasks.send(task).expect("the supervisor runs");
        }
        // If the panic were swallowed, the idle task would go on for ever.
        let ended = timeout(Duration::from_secs(10), supervisor).await;
        let ended = ended.expect("an end").expect_err("a panic");
        assert!(ended.is_panic());
    }
}
