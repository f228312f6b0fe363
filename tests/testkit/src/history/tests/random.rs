//! Random histories of a session that is known to be correct, and what a mistake makes of them.

use std::time::Duration;

use super::{LIFETIME, assert_illegal, assert_legal, check, text};
use crate::history::{Call, History, Operation, Outcome};
use crate::random::Random;

/// A session without the memory of retries: its clients do not retry.
struct Model {
    /// Token and payload, oldest first; empty after the delete.
    states: Vec<(String, String)>,
    writes: u64,
}

impl Model {
    fn answer(&mut self, operation: &Operation) -> Outcome {
        let Some((token, data)) = self.states.last().cloned() else {
            return Outcome::Gone;
        };
        match operation {
            Operation::Create { .. } => Outcome::Created { token },
            Operation::Read { known } if known.as_ref() == Some(&token) => Outcome::Unchanged,
            Operation::Read { .. } => Outcome::Found { token, data },
            Operation::Write { compare, data, .. } if *compare == token => {
                self.writes += 1;
                let token = format!("t{}", self.writes);
                self.states.push((token.clone(), data.clone()));
                Outcome::Written { token }
            }
            Operation::Write { .. } => Outcome::Conflict {
                current: Some(token),
            },
            Operation::Delete => {
                self.states.clear();
                Outcome::Deleted
            }
        }
    }

    /// A token that the session has or had.
    fn some_token(&self, random: &mut Random) -> String {
        // Most clients have the newest.
        let back = random.below(4).saturating_sub(1);
        format!("t{}", self.writes.saturating_sub(back))
    }
}

/// Calls that take effect one after the other, 10 ms apart, each within `width` ms around that
/// moment. One in `unknown` loses its response, and half of those had no effect.
fn random_history(random: &mut Random, width: u64, unknown: Option<u64>) -> History {
    let mut model = Model {
        states: vec![(text("t0"), text("data 0"))],
        writes: 0,
    };
    let create = Operation::Create {
        data: text("data 0"),
    };
    let mut calls = vec![Call {
        client: text("creator"),
        begin: Duration::ZERO,
        end: Duration::from_millis(1),
        outcome: model.answer(&create),
        operation: create,
    }];
    for number in 1..80 {
        let operation = match random.below(40) {
            0..20 => Operation::Read {
                known: (random.below(2) == 0).then(|| model.some_token(random)),
            },
            20..39 => Operation::Write {
                compare: model.some_token(random),
                data: format!("data {number}"),
                txn: None,
            },
            _ => Operation::Delete,
        };
        let is_unknown = unknown.is_some_and(|one_in| random.below(one_in) == 0);
        let outcome = if is_unknown {
            if random.below(2) == 0 {
                model.answer(&operation);
            }
            Outcome::Unknown
        } else {
            model.answer(&operation)
        };
        let (now, mut apart) = (100 + number * 10, || random.below(width + 1));
        let (begin, end) = (now - apart(), now + apart());
        calls.push(Call {
            client: format!("client {}", number % 4),
            operation,
            begin: Duration::from_millis(begin),
            end: Duration::from_millis(end),
            outcome,
        });
    }
    History {
        lifetime: LIFETIME,
        calls,
        losses: Vec::new(),
        doubts: Vec::new(),
    }
}

#[test]
fn histories_of_a_correct_session_are_legal() {
    let mut random = Random::new(1);
    for _ in 0..150 {
        assert_legal(&random_history(&mut random, 0, None));
        assert_legal(&random_history(&mut random, 40, None));
        assert_legal(&random_history(&mut random, 40, Some(5)));
    }
}

/// Without overlap and without lost responses, a read of any earlier state is a violation.
#[test]
fn old_state_in_a_sequence_is_illegal() {
    let mut random = Random::new(2);
    let mut count = 0;
    for _ in 0..150 {
        let history = random_history(&mut random, 0, None);
        let states: Vec<_> = history.calls.iter().filter_map(found).collect();
        for index in 0..history.calls.len() {
            let Some(read) = found(&history.calls[index]) else {
                continue;
            };
            let Some((token, data)) = states.iter().find(|state| **state != read) else {
                continue;
            };
            let (token, data) = (token.clone(), data.clone());
            let mut broken = history.clone();
            broken.calls[index].outcome = Outcome::Found { token, data };
            assert_illegal(&broken);
            count += 1;
        }
    }
    assert!(count > 500, "only {count} reads were changed");
}

/// With overlap and lost responses, an old state can be legal. Many are not, and none may take the
/// search beyond its bound.
#[test]
fn search_ends_for_broken_histories() {
    let mut random = Random::new(3);
    let mut illegal = 0;
    for _ in 0..60 {
        let mut history = random_history(&mut random, 40, Some(4));
        let states: Vec<_> = history.calls.iter().filter_map(found).collect();
        let reads = history
            .calls
            .iter_mut()
            .filter(|call| found(call).is_some());
        if let (Some((token, data)), Some(last)) = (states.first().cloned(), reads.last()) {
            last.outcome = Outcome::Found { token, data };
        }
        match check(&history) {
            Ok(()) => {}
            Err(crate::history::Violation::NotLinearizable { .. }) => illegal += 1,
            Err(other) => panic!("{other}\nin\n{history}"),
        }
    }
    assert!(illegal > 30, "only {illegal} of 60 were illegal");
}

fn found(call: &Call) -> Option<(String, String)> {
    match &call.outcome {
        Outcome::Found { token, data } => Some((token.clone(), data.clone())),
        _ => None,
    }
}
