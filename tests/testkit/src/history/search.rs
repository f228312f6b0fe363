//! Searches for an order of the calls that explains every response.

use std::collections::HashSet;
use std::time::Duration;

use super::register::Register;
use super::report::Violation;
use super::steps::{Step, steps_of};
use super::symbols::{Request, Shown, Symbol};
use super::{History, Outcome};

/// Bound of the search. A history of a fault run needs a few hundred states.
const MAX_STATES: usize = 1_000_000;

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
    first_fresh: Symbol,
}

impl Search {
    fn new(history: &History) -> Self {
        let (steps, shown, first_fresh) = steps_of(history);
        Self {
            steps,
            shown,
            first_fresh,
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
            let is_counted = |(at, step): &(usize, &Step)| step.is_required && node.is_done(*at);
            let count = self.steps.iter().enumerate().filter(is_counted).count();
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
                    self.set_done(node, *at);
                    has_advanced = true;
                }
            }
            if !has_advanced {
                self.drop_missed(node);
                return candidates;
            }
        }
    }

    /// Marks the steps as done that had to come earlier, if at all. Nodes that differ in them alone
    /// are the same then.
    fn drop_missed(&self, node: &mut Node) {
        let newest = self.newest_begin(node);
        for (at, step) in self.steps.iter().enumerate() {
            if !step.is_required && step.end < newest {
                node.set_done(at);
            }
        }
    }

    /// The begin of the newest step that is done.
    fn newest_begin(&self, node: &Node) -> Duration {
        let newest = (0..self.steps.len()).rev().find(|at| node.is_done(*at));
        newest.map_or(Duration::ZERO, |at| self.steps[at].begin)
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
        let newest = self.newest_begin(node);
        let mut unknown = Vec::new();
        let begun = self
            .steps_left(node)
            .take_while(|(_, step)| step.begin <= horizon);
        let possible = begun.filter(|(_, step)| {
            if step.is_required {
                return true;
            }
            // Of equal requests of unknown outcome, the first may stand for all.
            let may_be_next = newest <= step.end && !unknown.contains(&step.request);
            if may_be_next {
                unknown.push(step.request);
            }
            may_be_next
        });
        possible.map(|(at, _)| at).collect()
    }

    fn set_done(&self, node: &mut Node, at: usize) {
        node.set_done(at);
        if let Some(companion) = self.steps[at].companion {
            node.set_done(companion);
        }
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
                    self.set_done(&mut next, *at);
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
