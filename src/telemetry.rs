//! What an operator sees: logs and metrics. Leaves: any module may use them.

pub mod access_log;
pub mod build;
mod expected_series;
pub mod labels;
pub mod log_throttle;
pub mod logs;
pub mod metrics;
pub mod pseudonym;
pub mod rejection_log;
pub mod sign_ins;
pub mod traces;
pub mod unique_counter;
