//! What an operator sees: logs and metrics. Leaves: any module may use them.

pub mod access;
pub mod build;
pub mod distinct;
mod foreseen;
pub mod labels;
pub mod limit;
pub mod logs;
pub mod metrics;
pub mod pseudonym;
pub mod refusals;
pub mod rejection;
pub mod seldom;
pub mod sign_ins;
pub mod traces;
