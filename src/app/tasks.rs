//! Background tasks: one way to start them. A panic in any of them ends the process.

use crate::lifecycle::BackgroundTask;
use std::collections::HashMap;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// A background task panicked. The panic's text is not kept, since it may quote a payload; its
/// location is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the background task \"{0}\" panicked")]
pub struct TaskPanicked(pub &'static str);

/// The tasks that run beside the requests.
#[derive(Debug, Default)]
pub struct RunningTasks {
    set: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl RunningTasks {
    /// Starts the tasks. Each one is stopped at its next await after `stop` is cancelled.
    #[must_use]
    pub fn start(tasks: Vec<BackgroundTask>, stop: &CancellationToken) -> Self {
        let mut running = Self::default();
        for task in tasks {
            let stop = stop.clone();
            let future = async move {
                stop.run_until_cancelled(task.future).await;
            };
            let id = running.set.spawn(future).id();
            running.names.insert(id, task.name);
        }
        running
    }

    /// Waits until a task panics, logs its name and returns it. Never returns if no task panics: a
    /// task may finish, as the check of the homeservers at the start does.
    pub async fn first_panic(mut self) -> TaskPanicked {
        while let Some(ended) = self.set.join_next().await {
            if let Err(error) = ended
                && error.is_panic()
            {
                let name = self.names.get(&error.id()).copied().unwrap_or("unnamed");
                tracing::error!(task = name, "a background task panicked: stopping");
                return TaskPanicked(name);
            }
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::{RunningTasks, TaskPanicked};
    use crate::lifecycle::BackgroundTask;
    use std::future::pending;
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn first_panic_names_the_task_that_panicked() {
        let tasks = vec![
            BackgroundTask::new("endless", pending()),
            BackgroundTask::new("finished", async {}),
            BackgroundTask::new("broken", async { panic!("injected") }),
        ];
        let running = RunningTasks::start(tasks, &CancellationToken::new());
        assert_eq!(running.first_panic().await, TaskPanicked("broken"));
    }

    #[tokio::test]
    async fn cancelled_token_stops_every_task() {
        let stop = CancellationToken::new();
        let tasks = vec![BackgroundTask::new("endless", pending())];
        let mut running = RunningTasks::start(tasks, &stop);
        stop.cancel();
        let ended = running.set.join_next().await.expect("a task");
        ended.expect("the task ends without a panic");
    }
}
