//! Known-bad rules: the checker must find each of them, so that no property is one that cannot fail.

use protocol_model::ClientIndex::{A, B};
use protocol_model::properties::{
    ACKNOWLEDGED_WRITE_IS_KEPT, ENDED_SESSION_STAYS_GONE, MUST_HOLD,
    NO_ANSWER_FROM_THE_OLD_PRIMARY, NO_ANSWER_IS_STALE, NO_TOKEN_COMES_BACK, NO_TOKEN_IS_REUSED,
    NO_UNSEEN_PAYLOAD_IS_OVERWRITTEN, NO_WRITE_IS_APPLIED_TWICE, NOT_FOUND_ONLY_AFTER_THE_END,
    RETRY_GETS_THE_FIRST_RESULT, TOKEN_HAS_ONE_PAYLOAD, UNCHANGED_IS_UNCHANGED,
};
use protocol_model::{
    Failover, Flaw, Kind, OperationCounts, Protocol, Rendezvous, Scope, Step, TokenScheme, explore,
    shortest_counterexample,
};
use stateright::{Checker, Model};

const OURS: Protocol = Protocol::hash_chain();
const COUNTER: Protocol = Protocol::counter();

const fn operations(writes: u8, reads: u8, deletes: u8) -> OperationCounts {
    OperationCounts {
        writes,
        reads,
        deletes,
    }
}

const STABLE: Scope = Scope::stable([operations(1, 1, 0), operations(1, 1, 1)], 1);
const LATE: Scope = Scope {
    late_scripts: true,
    ..STABLE
};
const EQUAL: Scope = Scope {
    equal_data: true,
    ..STABLE
};
const TXNS: Scope = Scope {
    txns: true,
    ..STABLE
};
const CREATION: Scope = Scope {
    begins_with_creation: true,
    late_scripts: true,
    ..Scope::stable([operations(1, 0, 1), operations(1, 1, 0)], 1)
};
const SHORT: [OperationCounts; 2] = [operations(1, 1, 0), operations(1, 1, 0)];
const LOSSLESS: Scope = Scope::failover(Failover::Lossless, SHORT, 0);
const LOSSY: Scope = Scope::failover(Failover::Lossy, SHORT, 0);
const LOSSY_RETRY: Scope = Scope::failover(Failover::Lossy, SHORT, 1);
const LOSSY_LONG: Scope = Scope::failover(
    Failover::Lossy,
    [operations(2, 1, 0), operations(2, 0, 0)],
    0,
);

/// Rules, a scope in which they go wrong, and a property that they violate there.
const KNOWN_BAD: [(Protocol, Scope, &str); 17] = [
    (
        bad(Flaw::NoTokenMemory),
        STABLE,
        RETRY_GETS_THE_FIRST_RESULT,
    ),
    (bad(Flaw::TxnNotRecorded), TXNS, RETRY_GETS_THE_FIRST_RESULT),
    (bad(Flaw::BlindWrite), LATE, NO_WRITE_IS_APPLIED_TWICE),
    (
        bad(Flaw::TwoStepWrite),
        STABLE,
        NO_UNSEEN_PAYLOAD_IS_OVERWRITTEN,
    ),
    (bad(Flaw::UnfencedRead), LOSSLESS, NO_ANSWER_IS_STALE),
    (bad(Flaw::UnfencedWriteReply), LOSSLESS, NO_ANSWER_IS_STALE),
    (
        bad(Flaw::NotFoundIfUnknown),
        STABLE,
        NOT_FOUND_ONLY_AFTER_THE_END,
    ),
    (
        bad(Flaw::NotFoundIfDeleteWasResent),
        STABLE,
        NOT_FOUND_ONLY_AFTER_THE_END,
    ),
    (
        bad(Flaw::StaysOnOldPrimary),
        LOSSY,
        NO_ANSWER_FROM_THE_OLD_PRIMARY,
    ),
    (
        OURS.with_wait_for_replica()
            .with_flaw(Flaw::RetryDoesNotWait),
        LOSSY_RETRY,
        ACKNOWLEDGED_WRITE_IS_KEPT,
    ),
    (
        COUNTER.with_flaw(Flaw::RetryMatchedByTokenOnly),
        STABLE,
        ACKNOWLEDGED_WRITE_IS_KEPT,
    ),
    (PAYLOAD_DIGEST, EQUAL, NO_TOKEN_COMES_BACK),
    (RESENT, CREATION, ENDED_SESSION_STAYS_GONE),
    (RESENT, CREATION, ACKNOWLEDGED_WRITE_IS_KEPT),
    (COUNTER, LOSSY, TOKEN_HAS_ONE_PAYLOAD),
    (COUNTER, LOSSY, UNCHANGED_IS_UNCHANGED),
    (COUNTER, LOSSY_LONG, NO_TOKEN_IS_REUSED),
];

const RESENT: Protocol = OURS.with_creation_resent();
const PAYLOAD_DIGEST: Protocol = Protocol {
    scheme: TokenScheme::PayloadDigest,
    ..OURS
};

const fn bad(flaw: Flaw) -> Protocol {
    OURS.with_flaw(flaw)
}

#[test]
fn each_flaw_is_found() {
    for (protocol, scope, property) in KNOWN_BAD {
        let violated = explore(protocol, scope).violated();
        assert!(
            violated.contains(&property),
            "{protocol:?}: expected {property}, found {violated:?}"
        );
    }
}

/// Without its flaw, each of these passes in the same scope. So the flaw is what the checker found.
#[test]
fn flawless_rules_pass_in_the_scopes_of_the_flaws() {
    for (protocol, scope, _) in KNOWN_BAD {
        if protocol.flaw.is_some() {
            let flawless = Protocol {
                flaw: None,
                ..protocol
            };
            explore(flawless, scope).assert_holds();
        }
    }
    explore(OURS, CREATION).assert_holds();
}

#[test]
fn each_property_can_fail() {
    for (name, _) in MUST_HOLD {
        let fails = |(_, _, property): &(_, _, &str)| *property == name;
        assert!(
            KNOWN_BAD.iter().any(fails),
            "no known-bad rules violate: {name}"
        );
    }
}

/// As long as no failover loses a write, a counter is as good as the hash chain.
#[test]
fn counter_holds_without_a_lossy_failover() {
    explore(COUNTER, LATE).assert_holds();
    explore(COUNTER, TXNS).assert_holds();
    explore(COUNTER, LOSSLESS).assert_holds();
}

#[test]
fn counter_repeats_a_token_after_a_lossy_failover() {
    explore(COUNTER, LOSSY_LONG).assert_violates(&[
        TOKEN_HAS_ONE_PAYLOAD,
        UNCHANGED_IS_UNCHANGED,
        NO_TOKEN_IS_REUSED,
        NO_UNSEEN_PAYLOAD_IS_OVERWRITTEN,
    ]);
    explore(OURS, LOSSY_LONG).assert_holds();
}

/// The counterexample that docs/consistency.md shows is one of the shortest.
#[test]
fn counter_misses_a_message_in_ten_steps() {
    let steps = vec![
        Step::Start(A, Kind::Write, 0),
        Step::Run(A),
        Step::Respond(A),
        Step::Promote,
        Step::Announce,
        Step::Start(B, Kind::Write, 0),
        Step::Run(B),
        Step::Start(A, Kind::Read, 0),
        Step::Run(A),
        Step::Respond(A),
    ];
    let found = shortest_counterexample(COUNTER, LOSSY, UNCHANGED_IS_UNCHANGED);
    assert_eq!(found.len(), steps.len(), "{found:#?}");
    let model = Rendezvous {
        protocol: COUNTER,
        scope: LOSSY,
    };
    let checker = model.checker().spawn_bfs().join();
    checker.assert_discovery(UNCHANGED_IS_UNCHANGED, steps);
}
