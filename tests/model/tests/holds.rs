//! The server's rules: every property holds in every state.

use protocol_model::properties::{
    ACKNOWLEDGED_WRITE_IS_KEPT, ENDED_SESSION_STAYS_GONE, NO_ANSWER_IS_STALE, NO_TOKEN_COMES_BACK,
    RETRY_GETS_THE_FIRST_RESULT,
};
use protocol_model::{
    Failover, OperationCounts, Protocol, Scope, explore, shortest_counterexample,
};

const OURS: Protocol = Protocol::hash_chain();

/// What A and B start, with each kind of operation.
const BUSY: [OperationCounts; 2] = [operations(2, 1, 0), operations(1, 1, 1)];
const SHORT: [OperationCounts; 2] = [operations(1, 1, 0), operations(1, 1, 0)];

const fn operations(writes: u8, reads: u8, deletes: u8) -> OperationCounts {
    OperationCounts {
        writes,
        reads,
        deletes,
    }
}

const fn with_late_scripts(scope: Scope) -> Scope {
    Scope {
        late_scripts: true,
        ..scope
    }
}

// R1.19, R1.21, R1.22
#[test]
fn properties_hold_if_replies_are_lost() {
    explore(OURS, with_late_scripts(Scope::stable(BUSY, 2)))
        .assert_holds()
        .assert_contains(&["a retry is recognised", "a conflict", "404"]);
}

// R1.25, R1.27
#[test]
fn properties_hold_with_txn_ids() {
    let txns = Scope {
        txns: true,
        ..with_late_scripts(Scope::stable(BUSY, 2))
    };
    explore(OURS, txns)
        .assert_holds()
        .assert_contains(&["a retry is recognised", "a conflict"]);
}

// R1.20
#[test]
fn properties_hold_with_equal_payloads() {
    let equal = Scope {
        equal_data: true,
        ..with_late_scripts(Scope::stable(BUSY, 2))
    };
    explore(OURS, equal).assert_holds();
}

#[test]
fn properties_hold_if_the_session_expires() {
    let clients = [operations(1, 1, 0), operations(1, 1, 1)];
    let expiry = Scope {
        expiry: true,
        ..with_late_scripts(Scope::stable(clients, 2))
    };
    explore(OURS, expiry)
        .assert_holds()
        .assert_contains(&["404"]);
}

#[test]
fn properties_hold_through_a_lossless_failover() {
    let lossless = Scope::failover(Failover::Lossless, SHORT, 1);
    explore(OURS, with_late_scripts(lossless))
        .assert_holds()
        .assert_contains(&["a node refuses a script", "a retry is recognised"]);
}

#[test]
fn properties_hold_through_a_lossy_failover() {
    explore(OURS, Scope::failover(Failover::Lossy, SHORT, 1))
        .assert_holds()
        .assert_contains(&[
            "a deposed primary answers",
            "a retry is recognised",
            "after a loss: nothing new",
            "after a loss: new payload",
            "after a loss: old payload",
            "after a loss: applied",
            "after a loss: conflict",
        ]);
}

#[test]
fn no_token_has_two_payloads_if_many_writes_are_lost() {
    let clients = [operations(2, 1, 0), operations(2, 0, 0)];
    explore(OURS, Scope::failover(Failover::Lossy, clients, 0)).assert_holds();
}

#[test]
fn properties_hold_if_deletion_or_creation_is_lost() {
    let clients = [operations(1, 1, 1), operations(1, 1, 0)];
    let lossy = Scope {
        replica_may_be_empty: true,
        ..Scope::failover(Failover::Lossy, clients, 0)
    };
    explore(OURS, lossy).assert_holds().assert_contains(&[
        "after a loss: 404",
        "after a loss: deleted",
        "after a loss: lives again",
    ]);
}

/// With `WAIT`, a failover loses no acknowledged write. It still loses what a client has only read.
#[test]
fn acknowledged_writes_survive_if_workers_wait() {
    let clients = [operations(1, 0, 0), operations(1, 2, 0)];
    let lossy = Scope::failover(Failover::Lossy, clients, 1);
    let waiting = OURS.with_wait_for_replica();
    explore(waiting, lossy)
        .assert_holds()
        .assert_contains(&["after a loss: applied", "after a loss: old payload"]);
}

// R1.23
#[test]
fn retry_is_recognised_behind_four_writes_not_five() {
    let scope = |writes| Scope::stable([operations(1, 0, 0), operations(writes, 1, 0)], 1);
    explore(OURS, scope(4)).assert_holds();
    explore(OURS, scope(5)).assert_violates(&[RETRY_GETS_THE_FIRST_RESULT]);
}

/// The retry of a creation has another id, so for this session it is as if there were none.
#[test]
fn late_creation_cannot_come_back() {
    explore(OURS, creation()).assert_holds();
}

/// What the server would do if it sent a creation again under the same id.
#[test]
fn late_creation_that_was_resent_overwrites_and_revives() {
    let resent = OURS.with_creation_resent();
    explore(resent, creation()).assert_violates(&[
        ACKNOWLEDGED_WRITE_IS_KEPT,
        NO_ANSWER_IS_STALE,
        NO_TOKEN_COMES_BACK,
        ENDED_SESSION_STAYS_GONE,
        RETRY_GETS_THE_FIRST_RESULT,
    ]);
    let steps = shortest_counterexample(resent, creation(), NO_ANSWER_IS_STALE);
    println!("{steps:#?}");
}

fn creation() -> Scope {
    Scope {
        begins_with_creation: true,
        ..with_late_scripts(Scope::stable([operations(1, 0, 1), operations(1, 1, 0)], 2))
    }
}
