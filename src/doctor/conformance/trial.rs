//! The requests of one dialect, and the judgement of each rule.

use crate::doctor::client::ProbeClient;
use crate::doctor::diagnosis::{describe, matrix_error, media_type};
use crate::doctor::exchange::{ProbeRequest, ProbeResponse};
use hyper::StatusCode;
use hyper::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderName};

/// What one rule showed.
pub(super) struct RuleResult {
    /// The number in docs/protocol.md.
    pub(super) rule: &'static str,
    /// The requirement of the rule, in a few words.
    pub(super) expected: &'static str,
    pub(super) outcome: RuleOutcome,
}

/// Whether a server keeps a rule.
pub(super) enum RuleOutcome {
    Kept,
    Differs {
        /// What came instead.
        found: String,
        /// The rule of docs/protocol.md, 4.2, if Synapse is known to differ so.
        known: Option<&'static str>,
    },
}

/// A judgement that is not made yet.
#[derive(Clone, Copy)]
pub(super) struct Judgement {
    rule: &'static str,
    expected: &'static str,
    known: Option<&'static str>,
}

/// Begins the judgement of a rule.
pub(super) fn rule(rule: &'static str, expected: &'static str) -> Judgement {
    Judgement {
        rule,
        expected,
        known: None,
    }
}

impl Judgement {
    /// Names the rule by which Synapse is known to differ.
    pub(super) fn known(mut self, rule: &'static str) -> Self {
        self.known = Some(rule);
        self
    }
}

/// The requests of one dialect and their results.
pub(super) struct Trial<'a> {
    client: &'a mut ProbeClient,
    pub(super) results: Vec<RuleResult>,
    /// Every response, with the method of its request.
    seen: Vec<(String, ProbeResponse)>,
}

impl<'a> Trial<'a> {
    pub(super) fn new(client: &'a mut ProbeClient) -> Self {
        Self {
            client,
            results: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// Sends a request. Its response counts for the rules about every response.
    ///
    /// # Errors
    /// Why there was no response.
    pub(super) async fn send(&mut self, call: ProbeRequest) -> Result<ProbeResponse, String> {
        let name = call.method.to_string();
        let response = self.client.send(call).await;
        let response = response.map_err(|error| error.to_string())?;
        self.seen.push((name, response.clone()));
        Ok(response)
    }

    /// Records whether a response keeps a rule.
    pub(super) fn judge(&mut self, judgement: Judgement, response: &ProbeResponse, is_kept: bool) {
        self.record(judgement, is_kept, || describe(response));
    }

    /// Records whether every response that `concerns` picks keeps a rule. Without one, nothing is
    /// recorded.
    pub(super) fn judge_every(
        &mut self,
        judgement: Judgement,
        concerns: impl Fn(&str, &ProbeResponse) -> bool,
        is_kept: impl Fn(&ProbeResponse) -> bool,
    ) {
        let seen = self
            .seen
            .iter()
            .filter(|(method, response)| concerns(method, response));
        let concerned: Vec<_> = seen.cloned().collect();
        let stray = concerned.iter().find(|(_, response)| !is_kept(response));
        if !concerned.is_empty() {
            self.record(judgement, stray.is_none(), || match stray {
                Some((name, response)) => format!("{name}: {}", describe(response)),
                None => String::new(),
            });
        }
    }

    /// Judges the rules of section 0 about every response, unless the dialect is not served.
    pub(super) fn judge_every_response(&mut self) {
        if self.results.is_empty() {
            return;
        }
        let star = |response: &ProbeResponse| has_once(response, &ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        let errors = |_: &str, response: &ProbeResponse| {
            response.status.is_client_error() || response.status.is_server_error()
        };
        // A delegation is a response of the homeserver: the rules are those of the service behind it.
        let of_service = |_: &str, response: &ProbeResponse| {
            !response.status.is_redirection() || response.status == StatusCode::NOT_MODIFIED
        };
        self.judge_every(
            rule("R0.1", "every error has a Matrix error body in JSON"),
            errors,
            |response| {
                matrix_error(response).is_some() && media_type(response) == "application/json"
            },
        );
        self.judge_every(
            rule(
                "R0.13",
                "every response has Access-Control-Allow-Origin: *, once",
            ),
            of_service,
            star,
        );
        self.judge_every(
            rule(
                "R0.15",
                "every response forbids caches (Cache-Control: no-store)",
            ),
            of_service,
            |response| header(response, "cache-control").contains("no-store"),
        );
    }

    fn record(&mut self, judgement: Judgement, is_kept: bool, found: impl FnOnce() -> String) {
        let Judgement {
            rule,
            expected,
            known,
        } = judgement;
        let outcome = if is_kept {
            RuleOutcome::Kept
        } else {
            let found = found();
            RuleOutcome::Differs { found, known }
        };
        self.results.push(RuleResult {
            rule,
            expected,
            outcome,
        });
    }
}

/// Returns whether a response has a header field once, with this value.
fn has_once(response: &ProbeResponse, name: &HeaderName, value: &str) -> bool {
    let mut values = response.headers.get_all(name).iter();
    values.next().is_some_and(|found| found == value) && values.next().is_none()
}

/// Returns a header field as text, or nothing.
pub(super) fn header<'r>(response: &'r ProbeResponse, name: &str) -> &'r str {
    let value = response.headers.get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Returns whether a response has this status and this errcode.
pub(super) fn is_error(response: &ProbeResponse, status: u16, errcode: &str) -> bool {
    let found = matrix_error(response).map(|(errcode, _)| errcode);
    response.status.as_u16() == status && found.as_deref() == Some(errcode)
}
