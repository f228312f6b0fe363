//! The report for people: failures first, then warnings, what was not checked, and what passed.

use crate::doctor::check::{Finding, Problem};
use crate::doctor::report::{CheckReport, Report, Status, document};
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
    for status in [Status::Fail, Status::Warn, Status::Skip, Status::Pass] {
        for check in report
            .checks
            .iter()
            .filter(|check| check.status() == status)
        {
            write_check(check, out)?;
        }
    }
    let count = |status| {
        let same = report
            .checks
            .iter()
            .filter(|check| check.status() == status);
        same.count()
    };
    writeln!(
        out,
        "\n{} failed, {} warnings, {} passed, {} not checked",
        count(Status::Fail),
        count(Status::Warn),
        count(Status::Pass),
        count(Status::Skip)
    )
}

fn write_check(check: &CheckReport, out: &mut String) -> std::fmt::Result {
    let id = check.id.name();
    match &check.outcome {
        Ok(seen) => writeln!(out, "pass {id:ID_WIDTH$} {}", Printable(seen)),
        Err(Problem::Skip(reason)) => writeln!(out, "skip {id:ID_WIDTH$} {}", Printable(reason)),
        Err(Problem::Warn(finding)) => write_finding("WARN", check, finding, out),
        Err(Problem::Fail(finding)) => write_finding("FAIL", check, finding, out),
    }
}

fn write_finding(
    word: &str,
    check: &CheckReport,
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
