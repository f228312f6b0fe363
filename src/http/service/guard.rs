//! The request timeout and the panic guard: both end a request with a response.

use super::Service;
use crate::clock::lazy_timeout::LazyTimeout;
use crate::http::error::ApiError;
use crate::http::msc4108::{HeldRead, HoldableResponse};
use crate::http::response::ApiResponse;
use crate::http::route::Route;
use crate::store::Store;
use crate::telemetry::labels::TimeoutKind;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::time::Duration;

impl<S: Store> Service<S> {
    /// Handles the request within the deadline, and catches panics: a bug in one request must not
    /// end the process and all other requests.
    pub(super) async fn with_deadline_and_panic_guard<'a>(
        &'a self,
        route: Route,
        started: Duration,
        dispatching: Pin<&mut impl Future<Output = Result<HoldableResponse<'a, S>, ApiError>>>,
        deadline: &mut LazyTimeout,
    ) -> Result<HoldableResponse<'a, S>, ApiError> {
        let dispatching = AssertUnwindSafe(dispatching).catch_unwind();
        match deadline
            .timeout_since(started, self.timeouts.request, pin!(dispatching))
            .await
        {
            Some(Ok(response)) => response,
            Some(Err(_panic)) => Err(self.record_panic(route)),
            None => {
                self.telemetry.metrics.timeouts.inc(TimeoutKind::Request);
                Err(ApiError::RequestTimeout)
            }
        }
    }

    /// Waits for a held read, without a deadline: the hold has its own. Returns how long it took, too.
    pub(super) async fn await_held(
        &self,
        route: Route,
        held: HeldRead<'_, S>,
        hangup: impl Future<Output = ()>,
    ) -> (ApiResponse, Duration) {
        let started = self.clock.now();
        let response = AssertUnwindSafe(held.respond(hangup)).catch_unwind().await;
        let response = response.unwrap_or_else(|_panic| self.record_panic(route).into());
        (response, self.clock.now().saturating_sub(started))
    }

    fn record_panic(&self, route: Route) -> ApiError {
        self.telemetry.metrics.panics.inc();
        tracing::error!(route = route.label().label(), "a handler panicked");
        ApiError::Internal
    }
}
