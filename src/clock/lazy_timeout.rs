//! A timeout that is set for every request and almost never reached.
//!
//! Creating and removing a timer takes the runtime's lock twice a request. A `LazyTimeout` stores
//! the start of the wait instead, and keeps the timer of an earlier wait until it fires. While no
//! future is pending, there is no timer.

use crate::clock::Clock;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::task::unconstrained;
use tokio::time::Sleep;

/// The timeout of consecutive waits.
#[derive(Debug)]
pub struct LazyTimeout {
    clock: Clock,
    /// The reading of the clock at which the current wait began.
    since: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    /// The waker that is registered with the timer.
    waker: Option<Waker>,
    /// The reading of the clock at which the timer fires.
    fires_at: Duration,
}

impl LazyTimeout {
    /// Creates a timeout without a wait.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            since: None,
            timer: None,
            waker: None,
            fires_at: Duration::ZERO,
        }
    }

    /// Ends the current wait. The next [`LazyTimeout::poll`] begins a new one.
    pub fn reset(&mut self) {
        self.since = None;
    }

    /// Returns ready if the wait has lasted for `limit`. The first call begins the wait.
    pub fn poll(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let since = match self.since {
            Some(since) => since,
            None => *self.since.insert(self.clock.now()),
        };
        let end = since + limit;
        loop {
            match &mut self.timer {
                Some(timer) if self.fires_at <= end => {
                    // Several polls per request have the same waker; it is registered already.
                    let registered = self.waker.as_ref();
                    if registered.is_some_and(|waker| waker.will_wake(cx.waker()))
                        && !timer.is_elapsed()
                    {
                        return Poll::Pending;
                    }
                    self.waker = Some(cx.waker().clone());
                    // Without `unconstrained`, a task with an exhausted coop budget would get
                    // `Pending` from a timer that has not registered the waker, and the next poll
                    // would take it for registered.
                    ready!(pin!(unconstrained(timer.as_mut())).poll(cx));
                    self.timer = None;
                }
                _ => {
                    let now = self.clock.now();
                    if now >= end {
                        return Poll::Ready(());
                    }
                    (self.fires_at, self.waker) = (end, None);
                    self.timer = Some(Box::pin(tokio::time::sleep(end.saturating_sub(now))));
                }
            }
        }
    }

    /// Returns the output of `future`, or `None` if it is pending for longer than `limit`. The
    /// future is pinned and not moved, since the future of a request has kilobytes.
    pub async fn timeout<F: Future>(
        &mut self,
        limit: Duration,
        future: Pin<&mut F>,
    ) -> Option<F::Output> {
        self.reset();
        self.wait(limit, future).await
    }

    /// Like [`LazyTimeout::timeout`], for a wait that began at the reading `since` of the clock.
    pub async fn timeout_since<F: Future>(
        &mut self,
        since: Duration,
        limit: Duration,
        future: Pin<&mut F>,
    ) -> Option<F::Output> {
        self.since = Some(since);
        self.wait(limit, future).await
    }

    async fn wait<F: Future>(
        &mut self,
        limit: Duration,
        mut future: Pin<&mut F>,
    ) -> Option<F::Output> {
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => self.poll(limit, cx).map(|()| None),
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::LazyTimeout;
    use crate::clock::Clock;
    use std::future::{pending, poll_fn, ready};
    use std::pin::pin;
    use std::time::Duration;
    use tokio::sync::mpsc;
    use tokio::task::coop::has_budget_remaining;
    use tokio::time::timeout;

    /// The runtime's paused time advances to the next timer by itself.
    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_own_length() {
        let clock = Clock::system();
        let mut lazy = LazyTimeout::new(clock.clone());
        let seconds = Duration::from_secs;
        for limit in [seconds(10), seconds(30), seconds(3), seconds(30)] {
            let begun = clock.now();
            assert_eq!(lazy.timeout(limit, pin!(ready(7))).await, Some(7));
            assert_eq!(clock.now(), begun, "the ready future waited");
            assert_eq!(lazy.timeout(limit, pin!(pending::<()>())).await, None);
            // tokio's timers count in milliseconds.
            let took = clock.now().saturating_sub(begun);
            assert!(
                limit <= took && took <= limit + Duration::from_millis(2),
                "{took:?}"
            );
            // A wait that ends early leaves its timer behind for the next one.
            let half = pin!(tokio::time::sleep(limit / 2));
            assert_eq!(lazy.timeout(limit, half).await, Some(()));
        }
    }

    /// A connection is like this if it reads much data and then waits for its client to read.
    #[tokio::test(start_paused = true)]
    async fn timeout_fires_when_coop_budget_is_exhausted() {
        let clock = Clock::system();
        let mut lazy = LazyTimeout::new(clock);
        let (sender, mut receiver) = mpsc::unbounded_channel();
        (0..1000).for_each(|number| sender.send(number).expect("it is received"));
        let mut is_first = true;
        let waiting = poll_fn(|cx| {
            if std::mem::take(&mut is_first) {
                while has_budget_remaining() {
                    assert!(receiver.poll_recv(cx).is_ready(), "there is more");
                }
            }
            lazy.poll(Duration::from_secs(1), cx)
        });
        let ended = timeout(Duration::from_mins(1), waiting).await;
        assert!(ended.is_ok(), "the task was not woken");
    }
}
