//! The wait in the paused time of the runtime: its pauses, its deadline, and its end.

use super::{StoreRetries, StoreRetry};
use crate::clock::Clock;
use crate::lifecycle::Lifecycle;
use crate::limits::in_flight::InFlightLimits;
use crate::store::StoreError;
use crate::telemetry::labels::WaitOutcome;
use crate::telemetry::metrics::Metrics;
use std::future::pending;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(8);

/// tokio's timers count in milliseconds.
const TIMER_STEP: Duration = Duration::from_millis(2);

struct Fixture {
    retries: StoreRetries,
    in_flight: InFlightLimits,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl Fixture {
    fn new() -> Self {
        let (lifecycle, metrics) = (Lifecycle::new(), Arc::new(Metrics::new()));
        let clock = Clock::system();
        let retries = StoreRetries::new(
            TIMEOUT,
            10,
            lifecycle.clone(),
            Arc::clone(&metrics),
            clock.clone(),
        );
        Self {
            retries,
            in_flight: InFlightLimits::new(),
            lifecycle,
            metrics,
            clock,
        }
    }

    fn request(&self) -> StoreRetry<'_> {
        let client = std::net::IpAddr::from(Ipv4Addr::LOCALHOST).into();
        let permits = self.in_flight.try_acquire(client, None, true);
        StoreRetry::new(Some(&self.retries), permits.expect("the first request"))
    }

    /// Calls a store that fails until the clock reads `recovery`.
    async fn call(&self, retry: &mut StoreRetry<'_>, recovery: Duration) -> Result<(), StoreError> {
        loop {
            let failed = StoreError::Unavailable(String::new());
            let call = pin!(async {
                let is_back = self.clock.now() >= recovery;
                is_back.then_some(()).ok_or(failed)
            });
            if let Some(result) = retry.attempt(call).await {
                return result;
            }
        }
    }

    fn waits(&self, outcome: WaitOutcome) -> u64 {
        let name = "rendezvous_store_wait_duration_seconds_count";
        let series = format!("{name}{{outcome=\"{}\"}} ", outcome.label());
        let text = self.metrics.encode().expect("text");
        let value = text.lines().find_map(|line| line.strip_prefix(&series));
        value.expect("the series").parse().expect("a number")
    }
}

// R0.3
#[tokio::test(start_paused = true)]
async fn retry_follows_the_recovery_within_100ms() {
    let fixture = Fixture::new();
    for millis in [1, 49, 50, 51, 160, 1000, 7777] {
        let recovery = fixture.clock.now() + Duration::from_millis(millis);
        let mut request = fixture.request();
        let result = fixture.call(&mut request, recovery).await;
        assert_eq!(result, Ok(()), "{millis} ms");
        let late = fixture.clock.now().saturating_sub(recovery);
        assert!(late <= Duration::from_millis(100) + TIMER_STEP, "{late:?}");
    }
    assert_eq!(fixture.waits(WaitOutcome::Answered), 7);
    assert_eq!(fixture.metrics.store_waiting.get(), 0);
}

// R0.3
#[tokio::test(start_paused = true)]
async fn calls_of_one_request_share_one_deadline() {
    let fixture = Fixture::new();
    let begun = fixture.clock.now();
    let mut request = fixture.request();
    let recovery = begun + Duration::from_secs(6);
    assert_eq!(fixture.call(&mut request, recovery).await, Ok(()));
    assert_eq!(fixture.waits(WaitOutcome::Answered), 1);
    let never = Duration::MAX;
    assert!(fixture.call(&mut request, never).await.is_err());
    let took = fixture.clock.now().saturating_sub(begun);
    assert!(TIMEOUT <= took && took <= TIMEOUT + TIMER_STEP, "{took:?}");
    assert_eq!(fixture.waits(WaitOutcome::TimedOut), 1);
    assert_eq!(fixture.metrics.store_waiting.get(), 0);
}

// R0.3
#[tokio::test(start_paused = true)]
async fn deadline_ends_a_call_that_hangs() {
    let fixture = Fixture::new();
    let begun = fixture.clock.now();
    let mut request = fixture.request();
    let first = pin!(async { Err::<(), _>(StoreError::Timeout) });
    assert_eq!(request.attempt(first).await, None, "it is to be sent again");
    assert_eq!(fixture.metrics.store_waiting.get(), 1);
    let hanging = pin!(pending::<Result<(), StoreError>>());
    let result = request.attempt(hanging).await;
    assert_eq!(result, Some(Err(StoreError::Timeout)));
    let took = fixture.clock.now().saturating_sub(begun);
    assert!(TIMEOUT <= took && took <= TIMEOUT + TIMER_STEP, "{took:?}");
    assert_eq!(fixture.waits(WaitOutcome::TimedOut), 1);
}

// R0.3
#[tokio::test(start_paused = true)]
async fn no_wait_outlasts_the_end_of_waits() {
    let fixture = Fixture::new();
    let (mut waiting, mut later) = (fixture.request(), fixture.request());
    let first = pin!(async { Err::<(), _>(StoreError::Timeout) });
    assert_eq!(waiting.attempt(first).await, None, "it is to be sent again");
    let begun = fixture.clock.now();
    fixture.lifecycle.wait_end().cancel();
    let hanging = pin!(pending::<Result<(), StoreError>>());
    assert!(waiting.attempt(hanging).await.is_some());
    assert!(fixture.call(&mut later, Duration::MAX).await.is_err());
    assert_eq!(fixture.clock.now(), begun, "no time has passed");
    assert_eq!(fixture.waits(WaitOutcome::Stopped), 2);
}
