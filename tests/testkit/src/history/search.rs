//! Searches for an order of the calls that explains every response.

use std::collections::HashSet;
use std::time::Duration;

use super::register::Register;
use super::report::Violation;
use super::symbols::{Request, Response, Shown, Symbols};
use super::{History, Operation, Outcome};

/// The clock of Redis counts whole milliseconds, and the tests' clock is another one.
const CLOCK_ERROR: Duration = Duration::from_millis(20);

/// A session that still answers this long after its lifetime was extended.
const EXPIRY_GRACE: Duration = Duration::from_secs(2);

/// Bound of the search. A history of a fault run needs a few hundred states.
const MAX_STATES: usize = 1_000_000;

/// A call, the end of the lifetime, or a loss.
struct Step {
    request: Request,
    response: Response,
    begin: Duration,
    end: Duration,
    /// Whether it must have taken effect.
    is_required: bool,
    /// The index of the call.
    call: Option<usize>,
}

/// A node of the search: which steps have taken effect, and the state after them.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Node {
    done: Vec<u64>,
    register: Register,
}

/// Checks that one session could have answered these calls.
///
/// # Errors
/// - [`Violation::Malformed`] if a response is not one of the protocol.
/// - [`Violation::NotLinearizable`] if no order of the calls explains all responses.
/// - [`Violation::Undecided`] if the search was too long to end.
pub fn check(history: &History) -> Result<(), Violation> {
    for (index, call) in history.calls.iter().enumerate() {
        if matches!(call.outcome, Outcome::Malformed { .. }) {
            return Err(Violation::malformed(history, index));
        }
    }
    Search::new(history).run(history)
}

struct Search {
    /// In the order of their begin.
    steps: Vec<Step>,
    shown: Shown,
    first_fresh: u32,
}

impl Search {
    fn new(history: &History) -> Self {
        let (mut symbols, mut shown) = (Symbols::default(), Shown::default());
        let mut steps = Vec::new();
        for (index, call) in history.calls.iter().enumerate() {
            let request = symbols.request(&call.operation);
            let Some(response) = symbols.response(&call.outcome) else {
                continue;
            };
            shown.learn(request, response);
            let is_required = response != Response::Unknown;
            // A read of unknown outcome changes nothing.
            if is_required || !matches!(request, Request::Read { .. }) {
                steps.push(Step {
                    request,
                    response,
                    begin: call.begin,
                    end: if is_required { call.end } else { Duration::MAX },
                    is_required,
                    call: Some(index),
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
        }));
        steps.extend(expiry(history));
        steps.sort_by_key(|step| step.begin);
        Self {
            steps,
            shown,
            first_fresh: symbols.count(),
        }
    }

    fn run(&self, history: &History) -> Result<(), Violation> {
        let first = Node {
            done: vec![0; self.steps.len().div_ceil(64)],
            register: Register::default(),
        };
        let (mut open, mut visited) = (vec![first], HashSet::new());
        let mut furthest: Option<(usize, Vec<usize>)> = None;
        while let Some(mut node) = open.pop() {
            let candidates = self.advance(&mut node);
            if !self.steps_left(&node).any(|(_, step)| step.is_required) {
                return Ok(());
            }
            let count = node.done.iter().map(|bits| bits.count_ones() as usize);
            let count = count.sum();
            if furthest.as_ref().is_none_or(|(most, _)| count > *most) {
                let calls = candidates.iter().filter_map(|at| self.steps[*at].call);
                furthest = Some((count, calls.collect()));
            }
            if visited.len() >= MAX_STATES {
                return Err(Violation::Undecided);
            }
            if visited.insert(node.clone()) {
                self.push_successors(&node, &candidates, &mut open);
            }
        }
        let (_, stuck) = furthest.unwrap_or_default();
        Err(Violation::not_linearizable(history, &stuck))
    }

    /// Takes every required candidate that fits and changes nothing. It may as well come now: a
    /// later place of it in the order would explain no other call. Returns the candidates that are
    /// left.
    fn advance(&self, node: &mut Node) -> Vec<usize> {
        loop {
            let candidates = self.candidates(node);
            // A call after a loss that is still possible may belong before it or after it.
            let losses = candidates.iter().map(|at| &self.steps[*at]);
            let losses = losses.filter(|step| step.request == Request::Lose);
            let bound = losses.map(|loss| loss.end).min().unwrap_or(Duration::MAX);
            let mut has_advanced = false;
            for at in &candidates {
                let step = &self.steps[*at];
                if step.is_required && step.begin <= bound && self.changes_nothing(node, *at) {
                    node.set_done(*at);
                    has_advanced = true;
                }
            }
            if !has_advanced {
                return candidates;
            }
        }
    }

    fn changes_nothing(&self, node: &Node, at: usize) -> bool {
        matches!(&*self.successors(node, at), [same] if *same == node.register)
    }

    fn successors(&self, node: &Node, at: usize) -> Vec<Register> {
        let Step {
            request, response, ..
        } = self.steps[at];
        let fresh = self.first_fresh + u32::try_from(at).expect("fewer than 2^32 calls");
        node.register.step(request, response, &self.shown, fresh)
    }

    /// The steps that may come next: no required step that is left ended before they began.
    fn candidates(&self, node: &Node) -> Vec<usize> {
        let mut horizon = Duration::MAX;
        for (_, step) in self.steps_left(node) {
            if step.begin > horizon {
                break;
            }
            if step.is_required {
                horizon = horizon.min(step.end);
            }
        }
        let newest = (0..self.steps.len()).rev().find(|at| node.is_done(*at));
        let newest = newest.map_or(Duration::ZERO, |at| self.steps[at].begin);
        let mut unknown = Vec::new();
        let begun = self
            .steps_left(node)
            .take_while(|(_, step)| step.begin <= horizon);
        let possible = begun.filter(|(_, step)| {
            if step.is_required {
                return true;
            }
            // Of equal requests of unknown outcome, the first may stand for all.
            let is_first = !unknown.contains(&step.request);
            unknown.push(step.request);
            is_first && newest <= step.end
        });
        possible.map(|(at, _)| at).collect()
    }

    fn steps_left<'s>(&'s self, node: &'s Node) -> impl Iterator<Item = (usize, &'s Step)> {
        let steps = self.steps.iter().enumerate();
        steps.filter(|(at, _)| !node.is_done(*at))
    }

    /// Pushes the required steps last, so that they are tried first.
    fn push_successors(&self, node: &Node, candidates: &[usize], stack: &mut Vec<Node>) {
        for is_required in [false, true] {
            for at in candidates.iter().rev() {
                if self.steps[*at].is_required != is_required {
                    continue;
                }
                for register in self.successors(node, *at) {
                    let done = node.done.clone();
                    let mut next = Node { done, register };
                    next.set_done(*at);
                    stack.push(next);
                }
            }
        }
    }
}

impl Node {
    fn is_done(&self, at: usize) -> bool {
        self.done[at / 64] & (1 << (at % 64)) != 0
    }

    fn set_done(&mut self, at: usize) {
        self.done[at / 64] |= 1 << (at % 64);
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
    })
}
