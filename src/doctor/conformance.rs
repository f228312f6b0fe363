//! `--conformance`: holds any server of either dialect against the rules of docs/protocol.md that can be
//! seen from outside.
//!
//! A server that differs may still serve sign-ins: the table lists what differs, and leaves the judgement
//! to the reader. Differences of Synapse that docs/protocol.md, 4.2, lists are named by their rule.

mod etag_rejections;
mod etag_rules;
mod json_rules;
mod table;
mod trial;

use crate::doctor::DoctorError;
use crate::doctor::check::CheckId;
use crate::doctor::check_context::CheckContext;
use crate::doctor::checks;
use crate::doctor::client::ProbeClient;
use crate::doctor::options::ReportFormat;
use crate::doctor::target::DoctorTarget;
use std::time::SystemTime;
use trial::{RuleOutcome, RuleResult, Trial};
use url::Url;

/// One dialect and what its rules showed.
struct DialectResults {
    /// The name for people.
    name: &'static str,
    /// The prefix that was tried.
    prefix: Url,
    rules: Vec<RuleResult>,
    /// Why the rules after these were not tried: the dialect is not served, or a request got no response.
    ended: Option<String>,
}

/// The rules of every dialect, on one server.
pub(super) struct Conformance {
    target: String,
    base: Url,
    started: SystemTime,
    dialects: Vec<DialectResults>,
}

impl Conformance {
    /// Tries every rule.
    ///
    /// # Errors
    /// [`DoctorError::NoBase`] if the homeserver's base URL is not found.
    pub(super) async fn run(
        client: ProbeClient,
        target: DoctorTarget,
        token: Option<&str>,
    ) -> Result<Self, DoctorError> {
        let started = client.clock().time_of_day();
        let mut context = CheckContext::new(client, target);
        let found = checks::run(CheckId::WellKnown, &mut context).await;
        let Some(base) = context.base.clone() else {
            return Err(DoctorError::NoBase(match found {
                Ok(seen) => seen,
                Err(problem) => problem.text().to_owned(),
            }));
        };
        let mut dialects = Vec::new();
        let mut trial = Trial::new(&mut context.client);
        let (prefix, ended) = etag_rules::try_all(&mut trial, &base).await;
        dialects.push(DialectResults {
            name: "ETag dialect (MSC4108 of 2024)",
            prefix,
            rules: trial.results,
            ended: ended.err(),
        });
        let mut trial = Trial::new(&mut context.client);
        let (prefix, ended) = json_rules::try_all(&mut trial, &base, token).await;
        dialects.push(DialectResults {
            name: "JSON dialect (MSC4388)",
            prefix,
            rules: trial.results,
            ended: ended.err(),
        });
        Ok(Self {
            target: context.target.text,
            base,
            started,
            dialects,
        })
    }

    /// Whether at least one dialect is served, and every rule of those that are was tried and is kept.
    pub(super) fn is_conforming(&self) -> bool {
        let dialects = self.dialects.iter();
        let mut served = dialects
            .filter(|dialect| !dialect.rules.is_empty())
            .peekable();
        let keeps_all = |dialect: &DialectResults| {
            let mut rules = dialect.rules.iter();
            dialect.ended.is_none() && rules.all(|rule| matches!(rule.outcome, RuleOutcome::Kept))
        };
        served.peek().is_some() && served.all(keeps_all)
    }

    /// Writes the table, with a newline at its end.
    pub(super) fn render(&self, format: ReportFormat) -> String {
        match format {
            ReportFormat::Text => table::text(self),
            ReportFormat::Json => table::json(self),
        }
    }
}
