//! What an operator sees: logs and metrics. Leaves: any module may use them.

pub mod build;
mod foreseen;
pub mod labels;
pub mod limit;
pub mod logs;
pub mod metrics;
pub mod refusals;
pub mod rejection;
pub mod sign_ins;
