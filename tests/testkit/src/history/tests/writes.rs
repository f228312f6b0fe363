//! Which writes are applied, recognised as retries, or refused.

use super::{
    Operation, Outcome, Timed, assert_illegal, assert_last_decides, assert_legal, conflict, found,
    read, session, text, write, write_txn, written,
};

#[test]
fn compare_and_swap_that_two_win_is_illegal() {
    let calls = [(10, 20, write("t0", "b"), written("t1"))];
    assert_last_decides(
        &calls,
        (10, 20, write("t0", "c"), conflict()),
        (10, 20, write("t0", "c"), written("t2")),
    );
    // Nor may both lose.
    assert_illegal(&session(&[
        (10, 20, write("t0", "b"), conflict()),
        (10, 20, write("t0", "c"), conflict()),
    ]));
}

#[test]
fn write_that_is_applied_twice_is_illegal() {
    let calls = [
        (10, 10, write("t0", "b"), Outcome::Unknown),
        (20, 21, read(), found("t1", "b")),
        (30, 31, write("t1", "c"), written("t2")),
    ];
    assert_last_decides(
        &calls,
        (40, 41, write("t0", "b"), written("t1")),
        (40, 41, write("t0", "b"), written("t3")),
    );
    let retried = [&calls[..], &[(40, 41, write("t0", "b"), written("t1"))]].concat();
    assert_last_decides(
        &retried,
        (50, 51, read(), found("t2", "c")),
        (50, 51, read(), found("t1", "b")),
    );
}

#[test]
fn token_that_comes_back_is_illegal() {
    let calls = [(10, 11, write("t0", "b"), written("t1"))];
    assert_last_decides(
        &calls,
        (20, 21, write("t1", "a"), written("t2")),
        (20, 21, write("t1", "a"), written("t0")),
    );
}

#[test]
fn refused_write_over_the_current_token_is_illegal() {
    let calls = [(10, 11, write("t0", "b"), written("t1"))];
    assert_last_decides(
        &calls,
        (20, 21, write("t0", "c"), conflict()),
        (20, 21, write("t1", "c"), conflict()),
    );
    let named = |token| Outcome::Conflict {
        current: Some(text(token)),
    };
    assert_last_decides(
        &calls,
        (20, 21, write("t0", "c"), named("t1")),
        (20, 21, write("t0", "c"), named("t0")),
    );
}

#[test]
fn retry_of_equal_data_gets_the_current_token() {
    let calls = [
        (10, 11, write("t0", "b"), written("t1")),
        (20, 21, write("t1", "c"), written("t2")),
    ];
    assert_last_decides(
        &calls,
        (30, 31, write("never", "c"), written("t2")),
        (30, 31, write("never", "c"), written("t3")),
    );
}

// R1.23
#[test]
fn retry_from_further_back_is_a_conflict() {
    let token = |number: u64| format!("t{number}");
    let calls: Vec<Timed> = (0..6)
        .map(|number| {
            let next = written(&token(number + 1));
            let operation = write(&token(number), &format!("data {number}"));
            (10 + 10 * number, 11 + 10 * number, operation, next)
        })
        .collect();
    assert_last_decides(
        &calls,
        (80, 81, write("t1", "data 1"), written("t2")),
        (80, 81, write("t0", "data 0"), written("t1")),
    );
    assert_last_decides(
        &calls,
        (80, 81, write("t0", "data 0"), conflict()),
        (80, 81, write("t1", "data 1"), conflict()),
    );
}

// R1.25, R1.27
#[test]
fn txn_whose_record_changes_is_illegal() {
    let calls = [
        (10, 11, write_txn("t0", "b", "x"), written("t1")),
        (20, 21, write_txn("t0", "c", "y"), conflict()),
    ];
    assert_last_decides(
        &calls,
        (30, 31, write_txn("t1", "d", "x"), written("t1")),
        (30, 31, write_txn("t1", "d", "x"), written("t2")),
    );
    assert_last_decides(
        &calls,
        (30, 31, write_txn("t1", "c", "y"), conflict()),
        (30, 31, write_txn("t1", "c", "y"), written("t2")),
    );
    // With a txnId of its own, equal data is no retry.
    assert_last_decides(
        &calls,
        (30, 31, write_txn("t0", "b", "z"), conflict()),
        (30, 31, write_txn("t0", "b", "z"), written("t1")),
    );
}

#[test]
fn unknown_txn_may_have_recorded_a_conflict() {
    let calls = [
        (10, 11, write("t0", "b"), written("t1")),
        (20, 20, write_txn("t0", "c", "x"), Outcome::Unknown),
    ];
    for outcome in [conflict(), written("t2")] {
        let retry = (30, 31, write_txn("t1", "c", "x"), outcome);
        assert_legal(&session(&[&calls[..], &[retry]].concat()));
    }
}

/// A server that lost the store's reply sends the write again. If the session was deleted in the
/// meantime, the response is 404, and the write was applied nevertheless.
#[test]
fn write_that_is_gone_may_have_been_applied() {
    let calls = |deleted: u64| {
        [
            (10, 40, write("t0", "b"), Outcome::Gone),
            (20, 21, read(), found("t1", "b")),
            (deleted, deleted + 1, Operation::Delete, Outcome::Deleted),
        ]
    };
    assert_legal(&session(&calls(30)));
    // While the session lives, 404 is a violation.
    assert_illegal(&session(&calls(50)));
    assert_last_decides(
        &calls(30),
        (50, 51, Operation::Delete, Outcome::Gone),
        (50, 51, read(), found("t1", "b")),
    );
}

// R1.23
#[test]
fn write_that_is_a_conflict_may_have_been_forgotten() {
    let calls = |others: u64| {
        let first = (10, 200, write("t0", "b"), conflict());
        let others = (1..=others).map(|number| {
            let over = format!("t{number}");
            let next = written(&format!("t{}", number + 1));
            (
                10 + 10 * number,
                11 + 10 * number,
                write(&over, &over),
                next,
            )
        });
        [first].into_iter().chain(others).collect::<Vec<Timed>>()
    };
    // The first of the others has a token that only the write in question can have produced.
    assert_legal(&session(&calls(5)));
    assert_illegal(&session(&calls(4)));
}
