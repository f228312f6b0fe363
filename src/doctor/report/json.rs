//! The report for programs. docs/doctor.schema.json describes it.

use crate::doctor::check::{Finding, Problem};
use crate::doctor::exchange::Evidence;
use crate::doctor::report::{CheckResult, Report, Status, document};
use crate::telemetry::version::VERSION;
use hyper::header::HeaderMap;
use serde::Serialize;
use std::time::SystemTime;

#[derive(Serialize)]
struct JsonReport<'a> {
    version: &'static str,
    target: &'a str,
    base_url: Option<&'a str>,
    started_at: u64,
    status: Status,
    checks: Vec<JsonCheck<'a>>,
}

#[derive(Serialize)]
struct JsonCheck<'a> {
    id: &'static str,
    status: Status,
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    document: String,
    evidence: Vec<JsonEvidence<'a>>,
}

#[derive(Serialize)]
struct JsonEvidence<'a> {
    method: &'a str,
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    elapsed_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(&'a str, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Writes the report as one line.
///
/// # Panics
/// Never: the report is structs of strings and numbers.
pub(super) fn render(report: &Report) -> String {
    let since_epoch = report.started.duration_since(SystemTime::UNIX_EPOCH);
    let json = JsonReport {
        version: VERSION,
        target: &report.target,
        base_url: report.base_url.as_deref(),
        started_at: since_epoch.unwrap_or_default().as_secs(),
        status: report.status(),
        checks: report.checks.iter().map(check).collect(),
    };
    let mut text = serde_json::to_string(&json).expect("strings and numbers");
    text.push('\n');
    text
}

fn check(check: &CheckResult) -> JsonCheck<'_> {
    let (what, finding) = match &check.outcome {
        Ok(seen) => (seen, None),
        Err(Problem::Skip(reason)) => (reason, None),
        Err(Problem::Warn(finding) | Problem::Fail(finding)) => (&finding.what, Some(finding)),
    };
    JsonCheck {
        id: check.id.name(),
        status: check.status(),
        what,
        why: finding.map(|Finding { why, .. }| why.as_str()),
        action: finding.map(|Finding { action, .. }| action.as_str()),
        document: document(check.id),
        evidence: check.evidence.iter().map(evidence).collect(),
    }
}

fn evidence(evidence: &Evidence) -> JsonEvidence<'_> {
    let (status, headers, error) = match &evidence.result {
        Ok((status, headers)) => (Some(status.as_u16()), pairs(headers), None),
        Err(error) => (None, Vec::new(), Some(error.as_str())),
    };
    JsonEvidence {
        method: evidence.method.as_str(),
        url: evidence.url.as_str(),
        address: evidence.address.map(|address| address.to_string()),
        elapsed_ms: u64::try_from(evidence.elapsed.as_millis()).unwrap_or(u64::MAX),
        status,
        headers,
        error,
    }
}

/// Returns each line of the header section. A field that occurs twice is two pairs.
fn pairs(headers: &HeaderMap) -> Vec<(&str, String)> {
    let lines = headers.iter();
    lines
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str(), value)
        })
        .collect()
}
