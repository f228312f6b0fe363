//! Time, and the only caller of `now()`.
//!
//! For whoever measures or expires: the system's monotonic clock, or one that a test moves by hand.
//! It never tells the time of day: what clients see of that comes from the store.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// A monotonic clock: readings are durations since it was made. Clones read alike.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System { origin: Instant },
    Manual { nanos: Arc<AtomicU64> },
}

/// Moves the [`Clock`] that was made with it.
#[derive(Debug)]
pub struct Hand {
    nanos: Arc<AtomicU64>,
}

impl Clock {
    /// The system's monotonic clock. In a test whose runtime has paused time, that time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one home of now()")]
    pub fn system() -> Self {
        Self(Source::System {
            origin: Instant::now(),
        })
    }

    /// A clock that stands still until its [`Hand`] moves it.
    #[must_use]
    pub fn manual() -> (Self, Hand) {
        let nanos = Arc::new(AtomicU64::new(0));
        (
            Self(Source::Manual {
                nanos: Arc::clone(&nanos),
            }),
            Hand { nanos },
        )
    }

    /// Time since the clock was made.
    #[must_use]
    pub fn now(&self) -> Duration {
        match &self.0 {
            Source::System { origin } => origin.elapsed(),
            Source::Manual { nanos } => Duration::from_nanos(nanos.load(Ordering::SeqCst)),
        }
    }
}

impl Hand {
    /// Moves the clock forward.
    ///
    /// # Panics
    /// Past 584 years in all.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).expect("less than 584 years");
        self.nanos.fetch_add(nanos, Ordering::SeqCst);
    }
}

/// What `future` yields, or `None` where that takes longer than `limit`.
///
/// As tokio's `timeout`, but where the future is ready at its first poll, as most are, no clock is read
/// and no timer is made; and it is not moved, which matters for one that holds a whole request.
pub async fn within<F: Future>(limit: Duration, mut future: Pin<&mut F>) -> Option<F::Output> {
    let mut timer = pin!(None);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if timer.is_none() {
            timer.set(Some(tokio::time::sleep(limit)));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}
