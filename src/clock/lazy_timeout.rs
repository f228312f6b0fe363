//! A deadline that is set for every request and almost never reached.
//!
//! Making a timer takes the runtime's lock, and so does taking it away, twice a request. So a deadline
//! remembers when the wait began, and leaves a timer that was set for an earlier wait where it is until
//! that fires; while nothing has to wait, there is none.

use crate::clock::Clock;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::task::unconstrained;
use tokio::time::Sleep;

/// The end of one wait after the other.
#[derive(Debug)]
pub struct LazyTimeout {
    clock: Clock,
    since: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whom the timer wakes.
    wakes: Option<Waker>,
    /// When the timer fires, by the clock.
    fires: Duration,
}

impl LazyTimeout {
    /// A deadline for waits to come.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            since: None,
            timer: None,
            wakes: None,
            fires: Duration::ZERO,
        }
    }

    /// The wait is over.
    pub fn stop(&mut self) {
        self.since = None;
    }

    /// Ready once the wait, which begins with the first call, has lasted for `limit`.
    pub fn poll(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let since = match self.since {
            Some(since) => since,
            None => *self.since.insert(self.clock.now()),
        };
        let end = since + limit;
        loop {
            match &mut self.timer {
                Some(timer) if self.fires <= end => {
                    // It is looked at several times a request, and knows already whom to wake.
                    let known = self.wakes.as_ref();
                    if known.is_some_and(|waker| waker.will_wake(cx.waker())) && !timer.is_elapsed()
                    {
                        return Poll::Pending;
                    }
                    self.wakes = Some(cx.waker().clone());
                    // A task that has used up its share of this turn would get Pending of a timer that was not
                    // told whom to wake; and next time we would take it for told.
                    ready!(pin!(unconstrained(timer.as_mut())).poll(cx));
                    self.timer = None;
                }
                _ => {
                    let now = self.clock.now();
                    if now >= end {
                        return Poll::Ready(());
                    }
                    (self.fires, self.wakes) = (end, None);
                    self.timer = Some(Box::pin(tokio::time::sleep(end.saturating_sub(now))));
                }
            }
        }
    }

    /// What `future` yields, or `None` where it makes us wait for longer than `limit`. It is not moved,
    /// which matters for one that holds a whole request.
    pub async fn bound<F: Future>(
        &mut self,
        limit: Duration,
        future: Pin<&mut F>,
    ) -> Option<F::Output> {
        self.stop();
        self.end(limit, future).await
    }

    /// As [`LazyTimeout::bound`], of a wait that began at that reading of the clock.
    pub async fn bound_since<F: Future>(
        &mut self,
        begun: Duration,
        limit: Duration,
        future: Pin<&mut F>,
    ) -> Option<F::Output> {
        self.since = Some(begun);
        self.end(limit, future).await
    }

    async fn end<F: Future>(
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

    /// On paused time, which moves by itself to the next timer.
    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_own_length_whatever_timer_was_left() {
        let clock = Clock::system();
        let mut deadline = LazyTimeout::new(clock.clone());
        let seconds = Duration::from_secs;
        for limit in [seconds(10), seconds(30), seconds(3), seconds(30)] {
            let begun = clock.now();
            assert_eq!(deadline.bound(limit, pin!(ready(7))).await, Some(7));
            assert_eq!(clock.now(), begun, "nothing waited");
            assert_eq!(deadline.bound(limit, pin!(pending::<()>())).await, None);
            // tokio's timers count in milliseconds.
            let took = clock.now().saturating_sub(begun);
            assert!(
                limit <= took && took <= limit + Duration::from_millis(2),
                "{took:?}"
            );
            // One that ends in the middle leaves its timer behind.
            let half = pin!(tokio::time::sleep(limit / 2));
            assert_eq!(deadline.bound(limit, half).await, Some(()));
        }
    }

    /// As a connection is that reads much and then waits for its client to read.
    #[tokio::test(start_paused = true)]
    async fn it_comes_though_the_task_had_used_up_its_turn_when_the_wait_began() {
        let clock = Clock::system();
        let mut deadline = LazyTimeout::new(clock);
        let (sender, mut receiver) = mpsc::unbounded_channel();
        (0..1000).for_each(|number| sender.send(number).expect("it is received"));
        let mut is_first = true;
        let waited = poll_fn(|cx| {
            if std::mem::take(&mut is_first) {
                while has_budget_remaining() {
                    assert!(receiver.poll_recv(cx).is_ready(), "there is more");
                }
            }
            deadline.poll(Duration::from_secs(1), cx)
        });
        let ended = timeout(Duration::from_mins(1), waited).await;
        assert!(ended.is_ok(), "nobody was woken");
    }
}
