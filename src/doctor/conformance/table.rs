//! The table of `--conformance`, as text and as JSON.

use crate::doctor::conformance::Conformance;
use crate::doctor::conformance::trial::{RuleOutcome, RuleResult};
use crate::telemetry::printable::Printable;
use crate::telemetry::version::VERSION;
use httpdate::fmt_http_date;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::SystemTime;

/// Writes the table for people. Text of other parties is escaped.
pub(super) fn text(conformance: &Conformance) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _written = write(conformance, &mut text);
    text
}

fn write(conformance: &Conformance, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "matrix-rendezvous doctor {VERSION}: the rules of docs/protocol.md at {} ({}), {}",
        Printable(&conformance.target),
        Printable(conformance.base.as_str()),
        fmt_http_date(conformance.started)
    )?;
    for dialect in &conformance.dialects {
        writeln!(
            out,
            "\n{}: {}",
            dialect.name,
            Printable(dialect.prefix.as_str())
        )?;
        for result in &dialect.rules {
            write_rule(result, out)?;
        }
        if let Some(reason) = &dialect.ended {
            writeln!(out, "ended   {}", Printable(reason))?;
        }
    }
    let results = || {
        conformance
            .dialects
            .iter()
            .flat_map(|dialect| &dialect.rules)
    };
    let differs = |result: &&RuleResult| matches!(result.outcome, RuleOutcome::Differs { .. });
    let differing = results().filter(differs).count();
    writeln!(
        out,
        "\nkept: {}, differs: {differing}",
        results().count() - differing
    )
}

fn write_rule(result: &RuleResult, out: &mut String) -> std::fmt::Result {
    let RuleResult { rule, expected, .. } = result;
    match &result.outcome {
        RuleOutcome::Kept => writeln!(out, "kept    {rule:6} {expected}"),
        RuleOutcome::Differs { found, known } => {
            writeln!(out, "DIFFERS {rule:6} {expected}")?;
            writeln!(out, "               found {}", Printable(found))?;
            match known {
                Some(known) => writeln!(out, "               known of Synapse: {known}"),
                None => Ok(()),
            }
        }
    }
}

#[derive(Serialize)]
struct JsonTable<'a> {
    version: &'static str,
    target: &'a str,
    base_url: &'a str,
    started_at: u64,
    dialects: Vec<JsonDialect<'a>>,
}

#[derive(Serialize)]
struct JsonDialect<'a> {
    name: &'static str,
    prefix: &'a str,
    rules: Vec<JsonRule<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonRule<'a> {
    rule: &'static str,
    expected: &'static str,
    is_kept: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    known_of_synapse: Option<&'static str>,
}

/// Writes the table for programs, as one line.
///
/// # Panics
/// Never: the table is structs of strings and numbers.
pub(super) fn json(conformance: &Conformance) -> String {
    let since_epoch = conformance.started.duration_since(SystemTime::UNIX_EPOCH);
    let dialects = conformance.dialects.iter();
    let table = JsonTable {
        version: VERSION,
        target: &conformance.target,
        base_url: conformance.base.as_str(),
        started_at: since_epoch.unwrap_or_default().as_secs(),
        dialects: dialects
            .map(|dialect| JsonDialect {
                name: dialect.name,
                prefix: dialect.prefix.as_str(),
                rules: dialect.rules.iter().map(json_rule).collect(),
                ended: dialect.ended.as_deref(),
            })
            .collect(),
    };
    let mut text = serde_json::to_string(&table).expect("strings and numbers");
    text.push('\n');
    text
}

fn json_rule(result: &RuleResult) -> JsonRule<'_> {
    let (found, known) = match &result.outcome {
        RuleOutcome::Kept => (None, None),
        RuleOutcome::Differs { found, known } => (Some(found.as_str()), *known),
    };
    JsonRule {
        rule: result.rule,
        expected: result.expected,
        is_kept: found.is_none(),
        found,
        known_of_synapse: known,
    }
}
