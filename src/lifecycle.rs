//! The phases of the process, and the signals that move it through them.
//!
//! Serving → Leaving (`is_shutting_down`) → Draining (soft token) → cut (hard token). The soft token stands inside the
//! hard one: it ends accepting, the hard one cuts what is left. A second signal goes straight to the hard one.

pub mod background_task;

pub use background_task::BackgroundTask;

use crate::config::ShutdownConfig;
use crate::telemetry::labels::Phase;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Shared by listeners, connections and probes.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    shutting_down: Arc<AtomicBool>,
    soft: CancellationToken,
    hard: CancellationToken,
    cut: Arc<AtomicUsize>,
}

impl Lifecycle {
    /// A process that is serving.
    #[must_use]
    pub fn new() -> Self {
        let hard = CancellationToken::new();
        Self {
            shutting_down: Arc::default(),
            soft: hard.child_token(),
            hard,
            cut: Arc::default(),
        }
    }

    /// Whether SIGTERM came: not ready, and every reply ends its connection, so that a proxy's pool
    /// empties itself before anything is closed beneath it.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Relaxed)
    }

    /// The phase, of a process that is ready or not yet.
    #[must_use]
    pub fn phase(&self, is_ready: bool) -> Phase {
        if self.soft.is_cancelled() {
            Phase::Draining
        } else if self.is_shutting_down() {
            Phase::ShuttingDown
        } else if is_ready {
            Phase::Serving
        } else {
            Phase::Starting
        }
    }

    /// Cancelled when no new connection is accepted any more.
    #[must_use]
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Runs a connection's future to its end, or until no new connection is accepted; then `None`.
    ///
    /// A connection is woken several times a request, and asking a token takes its locks each time. So
    /// it is asked once, to be woken by it, and again only when the process leaves, which comes first.
    pub async fn until_draining<F: Future>(&self, mut future: Pin<&mut F>) -> Option<F::Output> {
        // A token of its own: the waiters of a shared one would stand behind one lock.
        let soft = self.soft.child_token();
        let mut draining = pin!(soft.cancelled());
        let mut asked: Option<Waker> = None;
        poll_fn(|cx| {
            let known = asked
                .as_ref()
                .is_some_and(|waker| waker.will_wake(cx.waker()));
            if !known || self.is_shutting_down() {
                if draining.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                asked = Some(cx.waker().clone());
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// Cancelled when what is left is cut.
    #[must_use]
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// A connection met the hard token before our side of it had ended. One that only waits for the
    /// client's end is not cut: the client has every reply.
    pub fn count_cut(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits for a signal, then walks through the phases until every connection of `connections` has
    /// ended. Returns whether nothing was cut.
    pub async fn run(
        &self,
        mut signals: Signals,
        timeouts: ShutdownConfig,
        connections: &TaskTracker,
    ) -> bool {
        let name = signals.next().await;
        tracing::info!(signal = name, grace = %timeouts.grace, "shutting down: unready, still accepting");
        self.shutting_down.store(true, Ordering::Relaxed);
        let grace = tokio::time::sleep(timeouts.grace.0);
        if signals.run_unless_signalled(grace).await.is_some() {
            tracing::info!(drain = %timeouts.drain, "draining: no new connections");
            self.soft.cancel();
            connections.close();
            let drained = tokio::time::timeout(timeouts.drain.0, connections.wait());
            if let Some(Ok(())) = signals.run_unless_signalled(drained).await {
                self.hard.cancel();
                tracing::info!("stopped: every request ended");
                return true;
            }
        }
        connections.close();
        self.hard.cancel();
        connections.wait().await;
        let cut = self.cut.load(Ordering::Relaxed);
        if cut == 0 {
            tracing::info!("stopped: every request ended");
        } else {
            tracing::warn!(connections = cut, "stopped: connections were cut");
        }
        cut == 0
    }
}

/// SIGTERM (an orchestrator) and SIGINT (a person at a terminal), caught from the moment this is made: before
/// anything listens, or a signal that comes right after would kill the process with requests in it.
#[derive(Debug)]
pub struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

/// SIGHUP: the configuration is to be read again. Caught with the others, as it would kill too.
#[derive(Debug)]
pub struct ReloadSignal(tokio::signal::unix::Signal);

impl ReloadSignal {
    /// Installs the handler. Without it SIGHUP would end the process.
    ///
    /// # Errors
    /// An [`std::io::Error`] if the operating system rejects the handler.
    pub fn catch() -> Result<Self, std::io::Error> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Option<()> {
        self.0.recv().await
    }
}

impl Signals {
    /// Catches them.
    ///
    /// # Errors
    /// Where the operating system refuses a handler.
    pub fn catch() -> Result<Self, std::io::Error> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Runs a phase of the shutdown. Returns its output, or `None` if another signal came first.
    async fn run_unless_signalled<T>(&mut self, phase: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            output = phase => Some(output),
            name = self.next() => {
                tracing::warn!(signal = name, "a second signal: cutting connections now");
                None
            }
        }
    }
}
