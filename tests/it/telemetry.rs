//! What the server reports about itself: logs, metrics, traces, and the documents that describe them.

mod access;
mod access_flood;
pub mod collector;
mod documented;
mod logs;
mod metrics;
mod metrics_push;
mod one_sided;
mod printable;
mod runbook;
mod sign_ins;
mod traces;
