//! The phases of the process, and the signals that move it from one to the next.
//!
//! Serving → shutting down (`is_shutting_down`) → draining (soft token) → cut (hard token). The soft token
//! ends accepting; the hard token, its parent, cuts the connections that are left. A second signal cancels
//! the hard token at once. A third token ends the waits for the store a second before the cut, so that their
//! requests are answered and not cut.

pub mod background_task;

pub use background_task::BackgroundTask;

use crate::config::ShutdownConfig;
use crate::config::de::HumanDuration;
use crate::telemetry::labels::Phase;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Time for the first request of a connection that had none when accepting stopped. Opening a
/// connection and sending a request takes a proxy milliseconds.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);

/// Time between the end of all waits for the store and the cut: enough to send the responses, on a slow link
/// too.
const WAIT_END_MARGIN: Duration = Duration::from_secs(1);

/// The signal of Ctrl-C in a terminal.
const SIGINT: &str = "SIGINT";

/// The phase of the process. Listeners, connections and probes share it.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    shutting_down: Arc<AtomicBool>,
    signalled: CancellationToken,
    soft: CancellationToken,
    hard: CancellationToken,
    wait_end: CancellationToken,
    accepting: TaskTracker,
    cut: Arc<AtomicUsize>,
}

impl Lifecycle {
    /// Creates the lifecycle of a process that serves.
    #[must_use]
    pub fn new() -> Self {
        let hard = CancellationToken::new();
        Self {
            shutting_down: Arc::default(),
            signalled: hard.child_token(),
            soft: hard.child_token(),
            wait_end: hard.child_token(),
            hard,
            accepting: TaskTracker::new(),
            cut: Arc::default(),
        }
    }

    /// Returns whether SIGTERM or SIGINT came. The replica is unready from then on, and every reply ends
    /// its connection: a proxy's pool is empty before this process closes a connection.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Relaxed)
    }

    /// Returns the token that is cancelled when SIGTERM or SIGINT comes. From then on no read is held
    /// (docs/protocol.md, R2.44).
    #[must_use]
    pub fn signalled(&self) -> &CancellationToken {
        &self.signalled
    }

    /// Returns the phase. `is_ready` is whether the store passed its checks.
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

    /// Returns the token that is cancelled when the process stops accepting connections.
    #[must_use]
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Returns the token of a task that accepts connections. After the soft token the task serves those that
    /// still wait for it, and drops this token: until then the process does not end.
    pub fn accepting(&self) -> TaskTrackerToken {
        self.accepting.token()
    }

    /// Runs a connection's future. Returns `None` if the process stops accepting first.
    ///
    /// A connection is woken several times a request, and polling a token takes its locks each time. So
    /// the token is polled once, to register the waker, and again only when the process shuts down, which
    /// comes before the token is cancelled.
    pub async fn until_draining<F: Future>(&self, mut future: Pin<&mut F>) -> Option<F::Output> {
        // A child token per connection: the waiters of a shared one would contend for one lock.
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

    /// Runs a connection without a request for up to `FIRST_REQUEST_GRACE` after accepting stopped.
    /// Returns its result if it ends. A proxy that just opened the connection is sending a request,
    /// and an immediate close would lose it.
    pub async fn await_first_request<F: Future>(&self, connection: F) -> Option<F::Output> {
        let bounded = tokio::time::timeout(FIRST_REQUEST_GRACE, connection);
        self.hard.run_until_cancelled(bounded).await?.ok()
    }

    /// Runs the beginning of a connection: what comes before its first request. Returns `None` if accepting
    /// has stopped and [`Self::await_first_request`] has waited in vain.
    pub async fn before_first_request<F: Future>(
        &self,
        mut beginning: Pin<&mut F>,
    ) -> Option<F::Output> {
        match self.until_draining(beginning.as_mut()).await {
            None => self.await_first_request(beginning).await,
            ended => ended,
        }
    }

    /// Returns the token that is cancelled when the connections that are left are cut.
    #[must_use]
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Returns the token that is cancelled one second before the connections that are left are cut. From then
    /// on no request waits for the store (docs/protocol.md, R0.3).
    #[must_use]
    pub fn wait_end(&self) -> &CancellationToken {
        &self.wait_end
    }

    /// Counts a connection that the hard token cut before the server had finished. A connection that
    /// only waits for the client to close does not count: the client has every reply.
    pub fn count_cut(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits for a signal, then goes through the phases until every connection of `connections` has
    /// ended. Returns whether every request was answered, so that no connection was cut. SIGINT
    /// starts the second phase at once if `interrupt_skips_grace`.
    pub async fn run(
        &self,
        mut signals: Signals,
        mut timeouts: ShutdownConfig,
        interrupt_skips_grace: bool,
        connections: &TaskTracker,
    ) -> bool {
        let name = signals.next().await;
        if name == SIGINT && interrupt_skips_grace {
            timeouts.grace = HumanDuration(Duration::ZERO);
        }
        tracing::info!(signal = name, grace = %timeouts.grace, "shutting down: unready, still accepting");
        self.shutting_down.store(true, Ordering::Relaxed);
        self.signalled.cancel();
        let end_waits = async {
            let until_cut = timeouts.grace.0.saturating_add(timeouts.drain.0);
            tokio::time::sleep(until_cut.saturating_sub(WAIT_END_MARGIN)).await;
            self.wait_end.cancel();
            std::future::pending().await
        };
        tokio::select! {
            all_answered = self.shut_down(signals, timeouts, connections) => all_answered,
            never = end_waits => never,
        }
    }

    /// Goes through the phases after the first signal.
    async fn shut_down(
        &self,
        mut signals: Signals,
        timeouts: ShutdownConfig,
        connections: &TaskTracker,
    ) -> bool {
        let grace = tokio::time::sleep(timeouts.grace.0);
        if signals.run_unless_signalled(grace).await.is_some() {
            tracing::info!(drain = %timeouts.drain, "draining: no new connections");
            self.soft.cancel();
            self.accepting.close();
            connections.close();
            let all_ended = async {
                self.accepting.wait().await;
                connections.wait().await;
            };
            let drained = tokio::time::timeout(timeouts.drain.0, all_ended);
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

/// SIGTERM (sent by an orchestrator) and SIGINT (from a terminal). Their handlers must be installed before
/// anything listens: an earlier signal would kill the process with requests in it.
#[derive(Debug)]
pub struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

/// SIGHUP, which asks for a reload. Installed with the others: without a handler it kills the process.
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

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Option<()> {
        self.0.recv().await
    }
}

impl Signals {
    /// Installs the handlers.
    ///
    /// # Errors
    /// An [`std::io::Error`] if the operating system rejects a handler.
    pub fn catch() -> Result<Self, std::io::Error> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal, and returns its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => SIGINT,
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
