//! The section `msc4108`: the ETag dialect, and how it holds reads (docs/protocol.md, 2.7).

use crate::config::ConfigProblem;
use crate::config::de::{HumanDuration, scalar};
use crate::config::http::MAX_CONNECTION_LIMIT;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Upper bound of `msc4108.long_poll.window`. Later than this, a person is awaited.
const MAX_WINDOW: Duration = Duration::from_secs(30);

/// Upper bound of `msc4108.long_poll.timeout`. The strictest proxy gives up after 15 s.
const MAX_TIMEOUT: Duration = Duration::from_secs(10);

/// The validated section `msc4108`.
#[derive(Debug, Clone, Copy)]
pub struct Msc4108Config {
    /// Whether the ETag dialect of 2024 is served.
    pub enabled: bool,
    /// How reads are held. `None` if they are not, as without the dialect.
    pub long_poll: Option<LongPollConfig>,
}

/// How long, and how many, reads are held.
#[derive(Debug, Clone, Copy)]
pub struct LongPollConfig {
    /// A read is held only if the session was written less than this ago.
    pub window: Duration,
    /// Upper bound of one hold.
    pub timeout: Duration,
    /// Upper bound of held reads of this replica.
    pub max_waiting: usize,
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMsc4108 {
    #[serde(deserialize_with = "scalar")]
    enabled: bool,
    long_poll: RawLongPoll,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLongPoll {
    #[serde(deserialize_with = "scalar")]
    window: HumanDuration,
    #[serde(deserialize_with = "scalar")]
    timeout: HumanDuration,
    #[serde(deserialize_with = "scalar")]
    max_waiting: usize,
}

impl RawMsc4108 {
    pub(super) fn validate(&self, problems: &mut Vec<ConfigProblem>) -> Msc4108Config {
        let long_poll = self.long_poll.validate(problems);
        Msc4108Config {
            enabled: self.enabled,
            long_poll: long_poll.filter(|_| self.enabled),
        }
    }
}

impl RawLongPoll {
    /// Returns `None` if a value is zero, which switches holds off.
    fn validate(&self, problems: &mut Vec<ConfigProblem>) -> Option<LongPollConfig> {
        let Self {
            window: HumanDuration(window),
            timeout: HumanDuration(timeout),
            max_waiting,
        } = *self;
        if window > MAX_WINDOW {
            let reason = "must be at most 30s: after that a person is awaited, and no read should be in flight";
            problems.push(ConfigProblem::new("msc4108.long_poll.window", reason));
        }
        if timeout > MAX_TIMEOUT {
            let reason = "must be at most 10s: proxies give up after 15s";
            problems.push(ConfigProblem::new("msc4108.long_poll.timeout", reason));
        }
        if max_waiting > MAX_CONNECTION_LIMIT {
            let reason = "must be at most 1000000";
            problems.push(ConfigProblem::new("msc4108.long_poll.max_waiting", reason));
        }
        let is_off = window.is_zero() || timeout.is_zero() || max_waiting == 0;
        (!is_off).then_some(LongPollConfig {
            window,
            timeout,
            max_waiting,
        })
    }
}
