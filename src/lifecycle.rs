//! The phases of the process, and the signals that move it through them.
//!
//! Serving → Leaving (`is_leaving`) → Draining (soft token) → cut (hard token). The soft token stands inside the
//! hard one: it ends accepting, the hard one cuts what is left. A second signal goes straight to the hard one.

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
    leaving: Arc<AtomicBool>,
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
            leaving: Arc::default(),
            soft: hard.child_token(),
            hard,
            cut: Arc::default(),
        }
    }

    /// Whether SIGTERM came: not ready, and every reply ends its connection, so that a proxy's pool
    /// empties itself before anything is closed beneath it.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// The phase, of a process that is ready or not yet.
    #[must_use]
    pub fn phase(&self, is_ready: bool) -> Phase {
        if self.soft.is_cancelled() {
            Phase::Draining
        } else if self.is_leaving() {
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
            if !known || self.is_leaving() {
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
        clocks: ShutdownConfig,
        connections: &TaskTracker,
    ) -> bool {
        let name = signals.next().await;
        tracing::info!(signal = name, grace = %clocks.grace, "leaving: not ready, still accepting");
        self.leaving.store(true, Ordering::Relaxed);
        if signals.interrupts(tokio::time::sleep(clocks.grace.0)).await {
            tracing::info!(drain = %clocks.drain, "draining: no new connections");
            self.soft.cancel();
            connections.close();
            let drained = tokio::time::timeout(clocks.drain.0, connections.wait());
            let mut all_ended = false;
            signals
                .interrupts(async { all_ended = drained.await.is_ok() })
                .await;
            if all_ended {
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
    pub fn catch() -> Result<(Self, ReloadSignal), std::io::Error> {
        let signals = Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        Ok((signals, ReloadSignal(signal(SignalKind::hangup())?)))
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Runs `phase` to its end, or until another signal. Returns whether it came to its end.
    async fn interrupts(&mut self, phase: impl Future<Output = ()>) -> bool {
        tokio::select! {
            () = phase => true,
            name = self.next() => {
                tracing::warn!(signal = name, "a second signal: cutting now");
                false
            }
        }
    }
}
