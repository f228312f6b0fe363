//! The report for people: the first failure, what may follow from it, warnings, what passed, and what was
//! not checked.

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
    let first = write_findings(report, out)?;
    for check in of_status(report, Status::Pass) {
        writeln!(out, "pass {}", line(check))?;
    }
    for (reason, ids) in skipped(report) {
        writeln!(out, "skip {}: {}", ids.join(", "), Printable(reason))?;
    }
    let count = |status| of_status(report, status).count();
    let first = first.map_or(String::new(), |id| format!("; fix first: {id}"));
    writeln!(
        out,
        "\nfailed: {}, warnings: {}, passed: {}, not checked: {}{first}",
        count(Status::Fail),
        count(Status::Warn),
        count(Status::Pass),
        count(Status::Skip)
    )
}

/// Writes the first failure, and one line for each other failure and warning: they may follow from it, and
/// what to do about them alone would mislead. Without a failure, writes the warnings. Returns the id of
/// the first failure.
fn write_findings<'a>(
    report: &'a Report,
    out: &mut String,
) -> Result<Option<&'a str>, std::fmt::Error> {
    let warnings = of_status(report, Status::Warn);
    let mut failures = of_status(report, Status::Fail);
    let Some(first) = failures.next() else {
        for warning in warnings {
            write_finding("WARN", warning, out)?;
        }
        return Ok(None);
    };
    write_finding("FAIL", first, out)?;
    let id = first.id.name();
    let failures = failures.map(|check| ("FAIL", check));
    let others = failures.chain(warnings.map(|check| ("WARN", check)));
    let others: Vec<_> = others.collect();
    if !others.is_empty() {
        writeln!(
            out,
            "Fix {id} first, and run the doctor again: the rest may follow from it."
        )?;
        for (word, check) in others {
            writeln!(out, "{word} {}", line(check))?;
        }
        writeln!(out)?;
    }
    Ok(Some(id))
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

/// Returns a check in one line: its id, and what was seen.
fn line(check: &CheckResult) -> String {
    let seen = match &check.outcome {
        Ok(seen) => seen,
        Err(problem) => problem.text(),
    };
    format!("{:ID_WIDTH$} {}", check.id.name(), Printable(seen))
}

fn write_finding(word: &str, check: &CheckResult, out: &mut String) -> std::fmt::Result {
    let Err(Problem::Warn(finding) | Problem::Fail(finding)) = &check.outcome else {
        return Ok(());
    };
    let Finding { what, why, action } = finding;
    writeln!(out, "{word} {}", check.id.name())?;
    writeln!(out, "  what  {}", Printable(what))?;
    writeln!(out, "  why   {}", Printable(why))?;
    writeln!(out, "  do    {}", Printable(action))?;
    writeln!(out, "        → {}\n", document(check.id))
}
