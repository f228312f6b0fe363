//! Histories of which it is known whether a session could have answered so.
//!
//! Each illegal one stands beside a legal one that differs in a single response, or in the time of
//! one. So a checker that rejects everything fails as one that accepts everything does.

mod random;
mod writes;

use std::time::Duration;

use super::{Call, History, Loss, Operation, Outcome, Violation, check};

const LIFETIME: Duration = Duration::from_mins(1);

/// A call from one moment to another, in milliseconds.
type Timed = (u64, u64, Operation, Outcome);

fn history(calls: &[Timed]) -> History {
    let call = |(begin, end, operation, outcome): &Timed| Call {
        client: "client".to_owned(),
        operation: operation.clone(),
        begin: Duration::from_millis(*begin),
        end: Duration::from_millis(*end),
        outcome: outcome.clone(),
    };
    History {
        lifetime: LIFETIME,
        calls: calls.iter().map(call).collect(),
        losses: Vec::new(),
        doubts: Vec::new(),
    }
}

/// A session that is created with payload `a` and token `t0` before these calls.
fn session(calls: &[Timed]) -> History {
    let create = Operation::Create { data: text("a") };
    let token = text("t0");
    let first = [(0, 1, create, Outcome::Created { token })];
    history(&[&first, calls].concat())
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn write(compare: &str, data: &str) -> Operation {
    Operation::Write {
        compare: text(compare),
        data: text(data),
        txn: None,
    }
}

fn write_txn(compare: &str, data: &str, txn: &str) -> Operation {
    Operation::Write {
        compare: text(compare),
        data: text(data),
        txn: Some(text(txn)),
    }
}

fn read() -> Operation {
    Operation::Read { known: None }
}

fn poll(known: &str) -> Operation {
    Operation::Read {
        known: Some(text(known)),
    }
}

fn found(token: &str, data: &str) -> Outcome {
    Outcome::Found {
        token: text(token),
        data: text(data),
    }
}

fn written(token: &str) -> Outcome {
    Outcome::Written { token: text(token) }
}

fn conflict() -> Outcome {
    Outcome::Conflict { current: None }
}

#[track_caller]
fn assert_legal(history: &History) {
    if let Err(violation) = check(history) {
        panic!("{violation}\nin\n{history}");
    }
}

#[track_caller]
fn assert_illegal(history: &History) {
    let result = check(history);
    let is_found = matches!(result, Err(Violation::NotLinearizable { .. }));
    assert!(is_found, "{result:?} for\n{history}");
}

/// Asserts that the calls are legal with one last call, and illegal with another in its place.
#[track_caller]
fn assert_last_decides(calls: &[Timed], legal: Timed, illegal: Timed) {
    assert_legal(&session(&[calls, &[legal]].concat()));
    assert_illegal(&session(&[calls, &[illegal]].concat()));
}

#[test]
fn lost_acknowledged_write_is_illegal() {
    let calls = [(10, 11, write("t0", "b"), written("t1"))];
    assert_last_decides(
        &calls,
        (20, 21, read(), found("t1", "b")),
        (20, 21, read(), found("t0", "a")),
    );
}

#[test]
fn stale_read_is_illegal() {
    let calls = [
        (10, 11, write("t0", "b"), written("t1")),
        (20, 30, write("t1", "c"), written("t2")),
    ];
    // Beside the second write, a read may come before it in the order.
    assert_last_decides(
        &calls,
        (25, 40, read(), found("t1", "b")),
        (31, 40, read(), found("t1", "b")),
    );
    assert_last_decides(
        &calls,
        (40, 41, poll("t2"), Outcome::Unchanged),
        (40, 41, poll("t1"), Outcome::Unchanged),
    );
}

#[test]
fn not_found_for_a_live_session_is_illegal() {
    let gone = |at| (at, at + 1, read(), Outcome::Gone);
    assert_last_decides(&[], gone(60_000), gone(59_900));
    assert_legal(&session(&[
        (10, 10, Operation::Delete, Outcome::Unknown),
        gone(20),
    ]));
    // A delete that was sent later explains nothing.
    assert_illegal(&session(&[
        gone(20),
        (30, 30, Operation::Delete, Outcome::Unknown),
    ]));
}

#[test]
fn session_that_outlives_its_lifetime_is_illegal() {
    let read_at = |at| (at, at + 1, read(), found("t0", "a"));
    assert_last_decides(&[], read_at(59_999), read_at(63_000));
}

#[test]
fn reply_of_another_session_is_illegal() {
    let calls = [
        (10, 11, write("t0", "b"), written("t1")),
        (15, 15, write("t1", "c"), Outcome::Unknown),
    ];
    for other in [found("u1", "other"), found("u1", "b"), found("t1", "c")] {
        assert_last_decides(
            &calls,
            (20, 21, read(), found("t1", "b")),
            (20, 21, read(), other),
        );
    }
}

#[test]
fn deleted_session_that_lives_again_is_illegal() {
    let calls = [
        (10, 11, write("t0", "b"), written("t1")),
        (20, 21, Operation::Delete, Outcome::Deleted),
    ];
    for (operation, outcome) in [
        (read(), found("t1", "b")),
        (write("t1", "c"), written("t2")),
    ] {
        assert_last_decides(
            &calls,
            (30, 31, operation.clone(), Outcome::Gone),
            (30, 31, operation, outcome),
        );
    }
}

#[test]
fn unknown_delete_that_is_undone_is_illegal() {
    let calls = [
        (10, 10, Operation::Delete, Outcome::Unknown),
        (20, 21, read(), found("t0", "a")),
    ];
    let gone = (30, 31, read(), Outcome::Gone);
    assert_legal(&session(
        &[&calls[..], std::slice::from_ref(&gone)].concat(),
    ));
    let undone = (40, 41, read(), found("t0", "a"));
    assert_illegal(&session(&[&calls[..], &[gone, undone]].concat()));
}

#[test]
fn unknown_write_that_is_undone_is_illegal() {
    let calls = [
        (10, 10, write("t0", "b"), Outcome::Unknown),
        (20, 21, read(), found("t0", "a")),
        (30, 31, read(), found("t1", "b")),
    ];
    assert_last_decides(
        &calls,
        (40, 41, read(), found("t1", "b")),
        (40, 41, read(), found("t0", "a")),
    );
}

#[test]
fn acknowledged_write_may_be_lost_only_in_a_loss() {
    let lossy = |at: u64, last: Timed| {
        let calls = [
            (10, 11, write("t0", "b"), written("t1")),
            (20, 21, read(), found("t1", "b")),
        ];
        let mut history = session(&[&calls[..], &[last]].concat());
        history.losses.push(Loss {
            begin: Duration::from_millis(at),
            end: Duration::from_millis(at + 5),
        });
        history
    };
    let old = || (40, 41, read(), found("t0", "a"));
    assert_legal(&lossy(30, old()));
    assert_illegal(&lossy(12, old()));
    assert_illegal(&lossy(50, old()));
    // A call after the loss that could as well have been before it.
    let mut later = lossy(30, old());
    let refused = (36, 37, write("never", "c"), conflict());
    later.calls.extend(history(&[refused]).calls);
    assert_legal(&later);
    // The session may be lost as a whole, and it may not be another one.
    assert_legal(&lossy(30, (40, 41, read(), Outcome::Gone)));
    assert_illegal(&lossy(30, (40, 41, read(), found("t2", "c"))));
    // The lost write may be written again, and no other write may have its token.
    assert_legal(&lossy(30, (40, 41, write("t0", "b"), written("t1"))));
    assert_legal(&lossy(30, (40, 41, write("t0", "c"), written("t2"))));
    assert_illegal(&lossy(30, (40, 41, write("t0", "c"), written("t1"))));
}

/// An old primary that does not know of its successor answers some of the calls, and is forgotten.
#[test]
fn two_primaries_explain_only_the_calls_of_their_time() {
    let both = [
        (10, 11, write("t0", "b"), written("t1")),
        (20, 21, write("t0", "c"), written("t2")),
        (30, 31, read(), found("t1", "b")),
        (40, 41, read(), found("t2", "c")),
    ];
    assert_illegal(&session(&both));
    let doubted = |until| {
        let mut history = session(&both);
        history.doubt(Duration::from_millis(9), Duration::from_millis(until));
        history
    };
    assert_legal(&doubted(35));
    assert_illegal(&doubted(15));
    // A session that only the old primary knew.
    let mut lost = session(&[(10, 11, read(), Outcome::Gone)]);
    assert_illegal(&lost);
    lost.doubt(Duration::ZERO, Duration::from_millis(5));
    assert_legal(&lost);
}

/// Each of these writes may have left the record of its conflict, or not.
#[test]
fn search_ends_if_two_primaries_refused_writes() {
    let refused = |number: u64| {
        let write = write_txn("never", "b", &number.to_string());
        (number * 10, number * 10 + 5, write, conflict())
    };
    let calls: Vec<_> = (1..13).map(refused).collect();
    let doubted = |last: Timed| {
        let mut history = session(&[&calls[..], &[last]].concat());
        history.doubt(Duration::from_millis(9), Duration::from_millis(140));
        history
    };
    assert_legal(&doubted((200, 201, read(), found("t0", "a"))));
    assert_illegal(&doubted((200, 201, read(), found("t1", "b"))));
}

#[test]
fn malformed_success_is_a_violation() {
    let malformed = Outcome::Malformed { status: 200 };
    let result = check(&session(&[(10, 11, read(), malformed)]));
    assert!(matches!(result, Err(Violation::Malformed { .. })));
    assert_legal(&session(&[(10, 11, read(), Outcome::Rejected)]));
}
