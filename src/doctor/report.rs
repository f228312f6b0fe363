//! The report of one run, as text and as JSON.

mod json;
mod text;

use crate::doctor::check::{CheckId, CheckOutcome, Problem};
use crate::doctor::exchange::Evidence;
use crate::doctor::options::ReportFormat;
use serde::Serialize;
use std::time::SystemTime;

/// The result of a check, and of a run. A later one is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Skip,
    Pass,
    Warn,
    Fail,
}

/// One check of a report.
pub(super) struct CheckResult {
    pub(super) id: CheckId,
    pub(super) outcome: CheckOutcome,
    pub(super) evidence: Vec<Evidence>,
}

impl CheckResult {
    pub(super) fn status(&self) -> Status {
        match &self.outcome {
            Ok(_) => Status::Pass,
            Err(Problem::Warn(_)) => Status::Warn,
            Err(Problem::Fail(_)) => Status::Fail,
            Err(Problem::Skip(_)) => Status::Skip,
        }
    }
}

/// The report on one target.
pub(super) struct Report {
    /// The target as it was given.
    pub(super) target: String,
    /// The base URL, if it was found.
    pub(super) base_url: Option<String>,
    pub(super) started: SystemTime,
    pub(super) checks: Vec<CheckResult>,
}

impl Report {
    /// The worst status of its checks.
    pub(super) fn status(&self) -> Status {
        let statuses = self.checks.iter().map(CheckResult::status);
        statuses.max().unwrap_or(Status::Skip)
    }

    /// Writes the report, with a newline at its end.
    pub(super) fn render(&self, format: ReportFormat) -> String {
        match format {
            ReportFormat::Text => text::render(self),
            ReportFormat::Json => json::render(self),
        }
    }
}

/// The section of the documents that explains a check.
fn document(id: CheckId) -> String {
    format!("docs/doctor.md#{}", id.name())
}
