//! What each client sees after a failover that lost acknowledged writes, case by case, with the hash
//! chain and with a counter: one test per row of the table in docs/consistency.md.

use protocol_model::ClientIndex::{A, B};
use protocol_model::Sight::{
    Applied, Conflict, Deleted, LivesAgain, MissedPayload, NewPayload, NotFound, NothingNew,
    OldPayload, OverwroteUnseen, ReusedToken,
};
use protocol_model::{
    ClientIndex, Failover, Kind, OperationCounts, Protocol, Rendezvous, Scope, Sight, State, Step,
};
use stateright::Model;

/// A run whose steps the test chooses. Worker 0 stays with the old primary until the announcement.
struct Run {
    model: Rendezvous,
    state: State,
    seen: Vec<Sight>,
}

impl Run {
    fn new(protocol: Protocol, change: impl Fn(&mut Scope)) -> Self {
        let clients = OperationCounts {
            writes: 3,
            reads: 3,
            deletes: 1,
        };
        let mut scope = Scope::failover(Failover::Lossy, [clients; 2], 2);
        change(&mut scope);
        let model = Rendezvous { protocol, scope };
        let state = model.init_states().pop().expect("a state");
        let seen = Vec::new();
        Self { model, state, seen }
    }

    fn step(&mut self, step: Step) {
        let mut allowed = Vec::new();
        self.model.actions(&self.state, &mut allowed);
        assert!(allowed.contains(&step), "{step:?} is none of {allowed:?}");
        self.state = self.model.next_state(&self.state, step).expect("a state");
    }

    /// A request with its response. Records what the client sees.
    fn send(&mut self, client: ClientIndex, kind: Kind, worker: usize) {
        self.step(Step::Start(client, kind, worker));
        self.finish(client);
    }

    fn finish(&mut self, client: ClientIndex) {
        self.step(Step::Run(client));
        self.step(Step::Respond(client));
        self.seen.push(self.state.answer.expect("an answer").sight);
    }

    fn write(&mut self, client: ClientIndex) {
        self.send(client, Kind::Write, 0);
    }

    fn read(&mut self, client: ClientIndex) {
        self.send(client, Kind::Read, 0);
    }

    /// A write that runs, and whose response is lost.
    fn write_unanswered(&mut self, client: ClientIndex) {
        self.step(Step::Start(client, Kind::Write, 0));
        self.step(Step::Run(client));
        let stray = false;
        self.step(Step::Fail { client, stray });
    }

    fn retry(&mut self, client: ClientIndex) {
        self.step(Step::Retry(client, 0));
        self.finish(client);
    }

    fn fail_over(&mut self) {
        self.step(Step::Promote);
        self.step(Step::Announce);
        self.step(Step::Demote);
    }
}

/// Runs a case with both token schemes, and compares what the clients see.
fn assert_case(case: fn(&mut Run), chain: &[Sight], counter: &[Sight]) {
    assert_case_in(|_| {}, case, chain, counter);
}

fn assert_case_in(change: fn(&mut Scope), case: fn(&mut Run), chain: &[Sight], counter: &[Sight]) {
    for (protocol, expected) in [
        (Protocol::hash_chain(), chain),
        (Protocol::counter(), counter),
    ] {
        let mut run = Run::new(protocol, change);
        case(&mut run);
        assert!(run.state.audit.lossy, "nothing was lost");
        assert_eq!(run.seen, expected, "{:?}", protocol.scheme);
    }
}

fn assert_same_with_both(case: fn(&mut Run), expected: &[Sight]) {
    assert_case(case, expected, expected);
}

#[test]
fn lost_write_that_the_peer_has_not_read() {
    let case = |run: &mut Run| {
        run.write(A);
        run.fail_over();
        run.read(B);
        run.read(A);
    };
    assert_same_with_both(case, &[Applied, NothingNew, OldPayload]);
}

#[test]
fn lost_write_that_the_peer_read_and_answers() {
    let case = |run: &mut Run| {
        run.write(A);
        run.read(B);
        run.fail_over();
        run.write(B);
        run.read(B);
    };
    assert_same_with_both(case, &[Applied, NewPayload, Conflict, OldPayload]);
}

#[test]
fn peer_writes_over_the_state_before_and_writer_reads() {
    let case = |run: &mut Run| {
        run.write(A);
        run.fail_over();
        run.write(B);
        run.read(A);
        run.write(A);
    };
    assert_case(
        case,
        &[Applied, Applied, NewPayload, Applied],
        &[Applied, Applied, MissedPayload, OverwroteUnseen],
    );
}

#[test]
fn peer_writes_over_the_state_before_and_writer_writes() {
    let case = |run: &mut Run| {
        run.write(A);
        run.fail_over();
        run.write(B);
        run.write(A);
    };
    assert_case(
        case,
        &[Applied, Applied, Conflict],
        &[Applied, Applied, OverwroteUnseen],
    );
}

#[test]
fn writer_writes_something_else_after_the_peer_read() {
    let case = |run: &mut Run| {
        run.write(A);
        run.read(B);
        run.fail_over();
        run.read(A);
        run.write(A);
        run.read(B);
    };
    assert_case(
        case,
        &[Applied, NewPayload, OldPayload, Applied, NewPayload],
        &[Applied, NewPayload, OldPayload, Applied, MissedPayload],
    );
}

#[test]
fn two_lost_writes_and_another_one() {
    let case = |run: &mut Run| {
        run.write(A);
        run.read(B);
        run.write(B);
        run.read(A);
        run.fail_over();
        run.read(B);
        run.write(B);
        run.read(A);
    };
    let before = [Applied, NewPayload, Applied, NewPayload];
    let after = |last| [&before[..], &[OldPayload, Applied, last]].concat();
    assert_case(case, &after(NewPayload), &after(ReusedToken));
}

#[test]
fn lost_write_whose_response_was_lost_is_sent_again() {
    let case = |run: &mut Run| {
        run.write_unanswered(A);
        run.fail_over();
        run.retry(A);
        run.read(B);
    };
    assert_same_with_both(case, &[Applied, NewPayload]);
}

#[test]
fn lost_write_is_sent_again_after_the_peer_wrote() {
    let case = |run: &mut Run| {
        run.write_unanswered(A);
        run.fail_over();
        run.write(B);
        run.retry(A);
    };
    assert_same_with_both(case, &[Applied, Conflict]);
}

#[test]
fn lost_write_whose_payload_the_peer_writes_too() {
    let case = |run: &mut Run| {
        run.write(A);
        run.fail_over();
        run.write(B);
        run.read(A);
    };
    let equal = |scope: &mut Scope| scope.equal_data = true;
    let expected = [Applied, Applied, NothingNew];
    assert_case_in(equal, case, &expected, &expected);
}

// R1.25
#[test]
fn lost_record_of_a_txn_is_evaluated_anew() {
    let case = |run: &mut Run| {
        run.write(B);
        run.write_unanswered(A);
        run.fail_over();
        run.retry(A);
    };
    let txns = |scope: &mut Scope| scope.txns = true;
    let expected = [Applied, Applied];
    assert_case_in(txns, case, &expected, &expected);
}

#[test]
fn lost_deletion() {
    let case = |run: &mut Run| {
        run.send(A, Kind::Delete, 0);
        run.fail_over();
        run.read(B);
        run.write(B);
        run.read(A);
    };
    assert_same_with_both(case, &[Deleted, NothingNew, Applied, LivesAgain]);
}

#[test]
fn lost_creation() {
    let case = |run: &mut Run| {
        run.fail_over();
        run.read(A);
        run.write(B);
    };
    let empty = |scope: &mut Scope| scope.replica_may_be_empty = true;
    let expected = [NotFound, NotFound];
    assert_case_in(empty, case, &expected, &expected);
}

/// Worker 1 has followed, worker 0 has not: the clients do not see each other's writes.
#[test]
fn two_primaries_until_the_announcement() {
    let case = |run: &mut Run| {
        run.step(Step::Promote);
        run.step(Step::Follow(1));
        run.send(B, Kind::Write, 1);
        run.send(A, Kind::Write, 0);
        run.step(Step::Announce);
        run.read(A);
    };
    assert_case(
        case,
        &[Applied, Applied, NewPayload],
        &[Applied, Applied, MissedPayload],
    );
}

#[test]
fn old_primary_returns_an_old_state_until_the_announcement() {
    let case = |run: &mut Run| {
        run.write(A);
        run.step(Step::Promote);
        run.step(Step::Follow(1));
        run.send(B, Kind::Read, 1);
        run.send(B, Kind::Read, 0);
        run.send(A, Kind::Read, 1);
    };
    assert_same_with_both(case, &[Applied, NothingNew, NewPayload, OldPayload]);
}
