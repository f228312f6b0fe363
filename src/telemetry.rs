//! What an operator sees: logs, metrics and traces.
//!
//! A leaf: every module may use it. It records and decides nothing.

pub mod access_log;
mod expected_series;
pub mod labels;
mod log_budget;
pub mod log_throttle;
pub mod logs;
pub mod metrics;
pub mod metrics_push;
pub mod one_sided_log;
pub mod otlp_endpoint;
pub mod printable;
pub mod pseudonym;
pub mod rejection_log;
pub mod request_log;
pub mod request_record;
pub mod traces;
pub mod unique_counter;
pub mod version;
