//! The steps of the search: what each call, the end of the lifetime and each loss may do, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use super::symbols::{Request, Response, Shown, Symbol, Symbols};
use super::{History, Operation, Outcome};

/// The clock of Redis counts whole milliseconds, and the tests' clock is another one.
const CLOCK_ERROR: Duration = Duration::from_millis(20);

/// A session that still answers this long after its lifetime was extended.
const EXPIRY_GRACE: Duration = Duration::from_secs(2);

/// A call, the end of the lifetime, or a loss.
pub(super) struct Step {
    pub(super) request: Request,
    pub(super) response: Response,
    pub(super) begin: Duration,
    pub(super) end: Duration,
    /// Whether it must have taken effect.
    pub(super) is_required: bool,
    /// The index of the call.
    pub(super) call: Option<usize>,
    /// The index of the step that is done with this one.
    pub(super) companion: Option<usize>,
}

/// The steps of a history in the order of their begin, what its responses show, and the first symbol
/// that is free.
pub(super) fn steps_of(history: &History) -> (Vec<Step>, Shown, Symbol) {
    let (mut symbols, mut shown) = (Symbols::default(), Shown::default());
    let mut steps = Vec::new();
    for (index, call) in history.calls.iter().enumerate() {
        let request = symbols.request(&call.operation);
        let Some(mut response) = symbols.response(&call.outcome) else {
            continue;
        };
        // A call without a response may take effect at any time after its begin.
        let mut end = Duration::MAX;
        if response != Response::Unknown {
            end = call.end;
            if history.is_doubtful(call) {
                response = Response::Unknown;
            }
        }
        shown.learn(request, response);
        let is_required = response != Response::Unknown;
        // A read of unknown outcome changes nothing.
        if is_required || !matches!(request, Request::Read { .. }) {
            steps.push(Step {
                request,
                response,
                begin: call.begin,
                end,
                is_required,
                call: Some(index),
                companion: None,
            });
        }
        if may_arrive_before(request, response) {
            steps.push(Step {
                request,
                response: Response::Unknown,
                begin: call.begin,
                end: call.end,
                is_required: false,
                call: Some(index),
                companion: None,
            });
        }
    }
    steps.extend(history.losses.iter().map(|loss| Step {
        request: Request::Lose,
        response: Response::Done,
        begin: loss.begin,
        end: loss.end,
        is_required: false,
        call: None,
        companion: None,
    }));
    steps.extend(expiry(history));
    steps.sort_by_key(|step| step.begin);
    link_companions(&mut steps);
    (steps, shown, symbols.count())
}

/// Links each required step to the other step of its call, which has no meaning after it.
fn link_companions(steps: &mut [Step]) {
    let optional = |step: &Step| !step.is_required && step.call.is_some();
    let companions: BTreeMap<_, _> = (0..)
        .zip(steps.iter())
        .filter(|(_, step)| optional(step))
        .map(|(at, step)| (step.call, at))
        .collect();
    for step in steps.iter_mut().filter(|step| step.is_required) {
        step.companion = companions.get(&step.call).copied();
    }
}

/// The end of the lifetime. It may come when the earliest creation is over its lifetime, and it must
/// have come when the latest is.
fn expiry(history: &History) -> Option<Step> {
    let created = history.calls.iter().filter(|call| {
        matches!(call.operation, Operation::Create { .. })
            && matches!(call.outcome, Outcome::Created { .. })
    });
    let begin = created.clone().map(|call| call.begin).min()?;
    let end = created.map(|call| call.end).max()?;
    Some(Step {
        request: Request::Expire,
        response: Response::Done,
        begin: (begin + history.lifetime).saturating_sub(CLOCK_ERROR),
        end: end + history.lifetime + EXPIRY_GRACE,
        is_required: true,
        call: None,
        companion: None,
    })
}

/// Whether the request may have had its effect before the response was made. A server that gets no
/// reply from its store sends the request again (R0.3). The response is then that to the second
/// attempt: 404 if the session was deleted in the meantime, a conflict if the session has forgotten
/// the write (R1.23), or the token of another write of the same data (R1.20).
fn may_arrive_before(request: Request, response: Response) -> bool {
    match (request, response) {
        (_, Response::Unknown) => false,
        (Request::Write(_), _) | (Request::Delete, Response::Gone) => true,
        _ => false,
    }
}
