//! The report for people: failures first, then warnings, what passed, and what was not checked.

use crate::doctor::check::{Finding, Problem};
use crate::doctor::report::{CheckResult, Report, Status, document};
use crate::telemetry::printable::Printable;
use crate::telemetry::version::VERSION;
use httpdate::fmt_http_date;
use std::fmt::Write as _;

/// The width of the longest id, so that the texts behind them are aligned.
const ID_WIDTH: usize = 16;

/// Writes the report. Text of other parties is escaped.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _written = write(report, &mut text);
    text
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    let base = report.base_url.as_deref().unwrap_or("no base URL");
    writeln!(
        out,
        "matrix-rendezvous doctor {VERSION}: {} ({}), {}\n",
        Printable(&report.target),
        Printable(base),
        fmt_http_date(report.started)
    )?;
    for status in [Status::Fail, Status::Warn, Status::Pass] {
        for check in of_status(report, status) {
            write_check(check, out)?;
        }
    }
    for (reason, ids) in skipped(report) {
        writeln!(out, "skip {}: {}", ids.join(", "), Printable(reason))?;
    }
    let count = |status| of_status(report, status).count();
    writeln!(
        out,
        "\nfailed: {}, warnings: {}, passed: {}, not checked: {}",
        count(Status::Fail),
        count(Status::Warn),
        count(Status::Pass),
        count(Status::Skip)
    )
}

fn of_status(report: &Report, status: Status) -> impl Iterator<Item = &CheckResult> {
    let checks = report.checks.iter();
    checks.filter(move |check| check.status() == status)
}

/// Returns the checks that were not made, by reason.
fn skipped(report: &Report) -> Vec<(&str, Vec<&str>)> {
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for check in &report.checks {
        let Err(Problem::Skip(reason)) = &check.outcome else {
            continue;
        };
        match by_reason.iter_mut().find(|(known, _)| known == reason) {
            Some((_, ids)) => ids.push(check.id.name()),
            None => by_reason.push((reason, vec![check.id.name()])),
        }
    }
    by_reason
}

fn write_check(check: &CheckResult, out: &mut String) -> std::fmt::Result {
    let id = check.id.name();
    match &check.outcome {
        Ok(seen) => writeln!(out, "pass {id:ID_WIDTH$} {}", Printable(seen)),
        Err(Problem::Skip(_)) => Ok(()),
        Err(Problem::Warn(finding)) => write_finding("WARN", check, finding, out),
        Err(Problem::Fail(finding)) => write_finding("FAIL", check, finding, out),
    }
}

fn write_finding(
    word: &str,
    check: &CheckResult,
    finding: &Finding,
    out: &mut String,
) -> std::fmt::Result {
    let Finding { what, why, action } = finding;
    writeln!(out, "{word} {}", check.id.name())?;
    writeln!(out, "  what  {}", Printable(what))?;
    writeln!(out, "  why   {}", Printable(why))?;
    writeln!(out, "  do    {}", Printable(action))?;
    writeln!(out, "        → {}\n", document(check.id))
}
