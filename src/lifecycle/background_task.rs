//! A background task: a named future that runs beside the requests until the process ends.

use std::fmt;
use std::pin::Pin;
use tokio::task::JoinHandle;

/// A future that is not started yet, and the name that errors and log lines give it.
pub struct BackgroundTask {
    /// The name, for example "Redis rollback queue".
    pub name: &'static str,
    /// The work. A panic in it ends the process.
    pub future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl BackgroundTask {
    /// Names a future.
    #[must_use]
    pub fn new(name: &'static str, future: impl Future<Output = ()> + Send + 'static) -> Self {
        let future = Box::pin(future);
        Self { name, future }
    }
}

impl fmt::Debug for BackgroundTask {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("BackgroundTask").field(&self.name).finish()
    }
}

/// Waits for a task or a blocking thread that the caller started, and returns its output. If it
/// panicked, the panic continues in the caller. Returns `None` if it was cancelled.
pub async fn join<T>(handle: JoinHandle<T>) -> Option<T> {
    match handle.await {
        Ok(output) => Some(output),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_cancelled) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::join;

    #[tokio::test]
    async fn join_returns_the_output() {
        assert_eq!(join(tokio::task::spawn_blocking(|| 7)).await, Some(7));
    }

    #[tokio::test]
    #[should_panic(expected = "injected")]
    async fn panic_of_a_joined_thread_continues_in_the_caller() {
        join(tokio::task::spawn_blocking(|| panic!("injected"))).await;
    }

    #[tokio::test]
    async fn join_returns_none_for_a_cancelled_task() {
        let handle = tokio::spawn(std::future::pending::<()>());
        handle.abort();
        assert_eq!(join(handle).await, None);
    }
}
