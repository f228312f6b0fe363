//! Checks the histories of a run, and what the fault may and must not do.

use crate::catalogue::{Fault, LostSignIns, StoreLoss};
use crate::client::Session;
use crate::progress::{Period, RefusedCreation, SignIns, lock};
use crate::runner::FaultResult;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use testkit::history::{History, Loss, Outcome, check};

/// `session.ttl`, by default.
pub const LIFETIME: Duration = Duration::from_mins(5);

/// `store.redis.command_timeout`, by default.
pub const COMMAND_TIMEOUT: Duration = Duration::from_millis(800);

/// Longest time from a creation to its refusal: the command timeout, and the way of request and response on
/// a busy machine.
const CREATION_DEADLINE: Duration = Duration::from_secs(1);

/// No creation that is sent after recovery is refused later than this after it.
pub const LATE: Duration = Duration::from_millis(500);

/// `store.redis.retry_timeout`, by default: no request waits longer.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// Time after its announcement in which all workers must use a new primary: they ask the sentinels every
/// second, if they miss the message. A fault run needs a machine that does nothing else.
const FOLLOWED: Duration = Duration::from_secs(1);

/// Failures of one kind that are listed.
const LISTED: usize = 3;

/// What the histories show.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Histories that nothing explains.
    pub violations: usize,
    /// Names of the sessions of which the store lost something that it had acknowledged.
    pub lost_by_store: BTreeSet<String>,
    /// Calls that were checked.
    pub calls: usize,
}

/// Checks each history, and that no token belongs to two sessions. Returns what is wrong.
pub fn judge(fault: Fault, sessions: &[Session], period: Option<Period>) -> (Verdict, Vec<String>) {
    let (mut verdict, mut wrong) = (Verdict::default(), Vec::new());
    let mut owners = BTreeMap::new();
    for (number, Session { name, recorder, .. }) in sessions.iter().enumerate() {
        let mut history = recorder.history(LIFETIME);
        verdict.calls += history.calls.len();
        for token in shown_tokens(&history) {
            let owner = *owners.entry(token.to_owned()).or_insert(number);
            if owner != number {
                verdict.violations += 1;
                let other = &sessions[owner].name;
                wrong.push(format!("{name} and {other} have the same token {token}"));
            }
        }
        if check(&history).is_ok() {
            continue;
        }
        allow_loss(&mut history, fault.store_loses, period);
        let Err(violation) = check(&history) else {
            verdict.lost_by_store.insert(name.clone());
            continue;
        };
        verdict.violations += 1;
        wrong.push(format!("{name}: {violation}\n  in\n{history}"));
    }
    if fault.store_loses == StoreLoss::Everything && verdict.lost_by_store.is_empty() {
        wrong.push("the store lost every session, and the check noticed nothing".to_owned());
    }
    (verdict, first_few(wrong))
}

/// Allows what the store may lose by the fault.
fn allow_loss(history: &mut History, store_loses: StoreLoss, period: Option<Period>) {
    let Some(Period { begin, end }) = period else {
        return;
    };
    match store_loses {
        StoreLoss::Nothing => {}
        StoreLoss::Tail | StoreLoss::Everything => history.losses.push(Loss { begin, end }),
        StoreLoss::Unacknowledged => {
            for call in &mut history.calls {
                let is_during = call.begin <= end && call.end >= begin;
                if is_during && !is_acknowledgement(&call.outcome) {
                    call.outcome = Outcome::Unknown;
                }
            }
        }
        StoreLoss::Split => {
            history.doubt(begin, end + FOLLOWED);
            history.losses.push(Loss { begin, end });
        }
    }
}

/// Whether the response promises that a change is kept. The others only show a state, which may be one
/// that no replica has.
fn is_acknowledgement(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Created { .. } | Outcome::Written { .. } | Outcome::Deleted
    )
}

fn shown_tokens(history: &History) -> BTreeSet<&str> {
    let outcomes = history.calls.iter().map(|call| &call.outcome);
    outcomes.filter_map(shown_token).collect()
}

fn shown_token(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Created { token } | Outcome::Found { token, .. } | Outcome::Written { token } => {
            Some(token)
        }
        Outcome::Conflict { current } => current.as_deref(),
        _ => None,
    }
}

impl FaultResult {
    /// Refused creations that were answered too late, the last one last.
    ///
    /// What counts is when the refusal comes, since a person waits for it. A creation that was sent before
    /// recovery has its whole deadline nevertheless: it may be on a connection that the fault has made silent,
    /// and nothing shows that earlier. A worker must not send it again under the same id, and another id is
    /// no better on that connection.
    pub fn late_refusals(&self) -> Vec<RefusedCreation> {
        let Some(period) = self.period else {
            return Vec::new();
        };
        let recovered = period.end + self.fault.unnoticed;
        let is_late = |refused: &RefusedCreation| {
            let is_in_time = refused.answered <= refused.sent + CREATION_DEADLINE;
            let is_excused = refused.sent <= recovered && is_in_time;
            refused.answered > recovered + LATE && !is_excused
        };
        let mut late = self.progress.refused();
        late.retain(is_late);
        late.sort_by_key(|refused| refused.answered);
        late
    }

    /// How long the store was broken.
    pub fn outage(&self) -> Option<Duration> {
        let Period { begin, end } = self.period?;
        Some(end.saturating_sub(begin))
    }

    /// Time from the end of the fault to the last probe that was sent and failed.
    pub fn recovery(&self) -> Option<Duration> {
        let end = self.period?.end;
        let failed = self.progress.failed_probes().into_iter().max();
        Some(failed.unwrap_or_default().saturating_sub(end))
    }

    /// Why sign-ins did not complete, without those of which the store lost the session.
    pub fn lost(&self, sign_ins: &SignIns) -> Vec<String> {
        let lost = lock(&sign_ins.lost);
        let by_store = |failure: &&String| {
            let name = failure.split(": ").next().unwrap_or_default();
            self.verdict.lost_by_store.contains(name)
        };
        lost.iter()
            .filter(|failure| !by_store(failure))
            .cloned()
            .collect()
    }

    /// Checks the sign-ins of both kinds of clients.
    pub fn check_sign_ins(&mut self) {
        let progress = &self.progress;
        if self.period.is_some() && progress.completed() < progress.sign_ins / 3 {
            let completed = progress.completed();
            self.failures
                .push(format!("only {completed} sign-ins completed"));
        }
        let with_etag = progress.completed_with_etag.get();
        let third = progress.completed() / 3;
        if with_etag < third || with_etag > 2 * third {
            let failure =
                format!("{with_etag} completed sign-ins in the ETag dialect, not about half");
            self.failures.push(failure);
        }
        let limited = progress.statuses().get("429").copied().unwrap_or_default();
        if self.fault.has_limits && limited > 0 {
            let failure = format!("limits rejected {limited} requests");
            self.failures.push(failure);
        }
        let with_retries = self.lost(&progress.with_retries);
        let without_retries = self.lost(&progress.without_retries);
        let mut wrong = Vec::new();
        if self.fault.store_loses != StoreLoss::Everything {
            wrong.extend(with_retries);
        }
        if self.fault.lost_sign_ins == LostSignIns::Never {
            let outage = self.outage().filter(|outage| *outage > LONGEST_WAIT);
            if let (Some(outage), false) = (outage, without_retries.is_empty()) {
                wrong.push(format!(
                    "the fault took {outage:?}, longer than requests wait: is the machine too busy?"
                ));
            }
            wrong.extend(without_retries);
        }
        if let Some(other_slots) = &self.other_slots {
            wrong.extend(other_slots.failures());
        }
        let late = self.late_refusals();
        if let (Some(last), Some(period)) = (late.last(), self.period) {
            let [sent, answered] =
                [last.sent, last.answered].map(|at| at.as_secs_f64() - period.end.as_secs_f64());
            wrong.push(format!(
                "{} creations were refused too late, the last one {answered:.2} s after the fault (sent {sent:.2} s after it)",
                late.len()
            ));
        }
        self.failures.extend(first_few(wrong));
    }
}

/// The first few, and how many there are.
pub fn first_few(mut failures: Vec<String>) -> Vec<String> {
    let count = failures.len();
    if count > LISTED {
        failures.truncate(LISTED);
        failures.push(format!("{} more like these", count - LISTED));
    }
    failures
}
