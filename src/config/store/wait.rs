//! The keys `store.redis.retry_timeout` and `store.redis.max_waiting`: how long, and how many, reads
//! and writes of sessions wait for a Redis that fails (docs/protocol.md, R0.3).

use crate::config::de::HumanDuration;
use crate::config::http::{MAX_CONNECTION_LIMIT, Timeouts};
use crate::config::{ConfigProblem, ShutdownConfig};
use std::time::Duration;

const RETRY_TIMEOUT: &str = "store.redis.retry_timeout";

/// Upper bound of `store.redis.retry_timeout`. The strictest proxy gives up after 15 s.
const MAX_RETRY_TIMEOUT: Duration = Duration::from_secs(10);

/// Time that a request has beside its body and its wait, on a loaded machine too. Otherwise the
/// request timeout would end the wait, and the response would lack its entity tag (R2.13, R2.14).
const MARGIN: Duration = Duration::from_secs(2);

/// How long, and how many, reads and writes wait for the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreWaitConfig {
    /// Upper bound of a request's time in the store, its first try included.
    pub timeout: Duration,
    /// Upper bound of waiting requests. `None` means `http.max_connections`.
    pub max_waiting: Option<usize>,
}

impl StoreWaitConfig {
    /// Returns `None` if `timeout` is zero, which switches the wait off.
    pub(super) fn validate(
        timeout: Duration,
        max_waiting: Option<usize>,
        problems: &mut Vec<ConfigProblem>,
    ) -> Option<Self> {
        if timeout > MAX_RETRY_TIMEOUT {
            let reason = "must be at most 10s: proxies give up after 15s";
            problems.push(ConfigProblem::new(RETRY_TIMEOUT, reason));
        }
        if max_waiting.is_some_and(|number| !(1..=MAX_CONNECTION_LIMIT).contains(&number)) {
            let reason = "must be between 1 and 1000000";
            problems.push(ConfigProblem::new("store.redis.max_waiting", reason));
        }
        let wait = Self {
            timeout,
            max_waiting,
        };
        (!timeout.is_zero()).then_some(wait)
    }

    /// Appends a problem if the request timeout could end a wait.
    pub(in crate::config) fn check_timeouts(
        self,
        timeouts: &Timeouts,
        problems: &mut Vec<ConfigProblem>,
    ) {
        let longest = self.timeout.saturating_add(timeouts.body);
        if longest.saturating_add(MARGIN) > timeouts.request {
            let [wait, body, request] =
                [self.timeout, timeouts.body, timeouts.request].map(HumanDuration);
            problems.push(ConfigProblem::new(
                RETRY_TIMEOUT,
                format!(
                    "{wait}, http.body_timeout ({body}) and 2s must fit into http.request_timeout \
                     ({request}): raise that, or set retry_timeout to 0s"
                ),
            ));
        }
    }

    /// Appends a warning if the drain cuts a wait short.
    pub(in crate::config) fn warnings(self, shutdown: ShutdownConfig, warnings: &mut Vec<String>) {
        if self.timeout > shutdown.drain.0 {
            warnings.push(format!(
                "store.redis.retry_timeout is {}, longer than shutdown.drain ({}): at a shutdown, \
                 requests that wait for Redis get a 503 early",
                HumanDuration(self.timeout),
                shutdown.drain
            ));
        }
    }
}
