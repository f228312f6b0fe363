//! `PUT /rendezvous/{id}/{txnId}`: the first response to a txnId is its only one.
//!
//! Section 1.5 of docs/protocol.md. The record alone decides; 200 and 409 are recorded and nothing
//! else. The grammar and number of txnIds are in `protocol_txns/bounds.rs`.

mod bounds;

use serde_json::json;

use crate::server::{Server, on_both_stores};
use testkit::api::{CONFLICT, at, body};
use testkit::http::{Reply, Request};

on_both_stores! {
    first_attempt_is_applied,
    replay_repeats_the_response_and_writes_nothing,
    replay_is_answered_after_the_peers_write,
    replay_ignores_the_body,
    recorded_conflict_is_replayed_for_a_current_token,
    equal_data_under_another_txn_id_is_a_conflict,
    applied_write_under_another_txn_id_is_a_conflict,
    txn_id_is_scoped_to_its_session,
    replay_after_a_put_without_txn_id_is_unchanged,
    put_without_txn_id_ignores_records,
    invalid_body_is_rejected_before_the_record,
    rejected_body_is_not_recorded,
    concurrent_puts_with_one_txn_id_write_once,
}

#[track_caller]
fn assert_same_words(one: &Reply, other: &Reply) {
    assert_eq!(
        (one.status, &one.body),
        (other.status, &other.body),
        "{one}\n{other}"
    );
}

// R1.8, R1.27
fn first_attempt_is_applied(server: &Server) {
    let session = server.create("zero");
    let reply = server
        .put_txn(&session.id, "txn", &session.token, "one")
        .expect(200);
    let token = reply.text("sequence_token");
    assert_eq!(reply.json(), json!({"sequence_token": token}));
    assert_ne!(token, session.token);
    server.assert_holds(&session.id, "one", &token);
}

// R1.24, R1.25
fn replay_repeats_the_response_and_writes_nothing(server: &Server) {
    let session = server.create("zero");
    let first = server
        .put_txn(&session.id, "txn", &session.token, "one")
        .expect(200);
    let again = server.put_txn(&session.id, "txn", &session.token, "one");
    assert_same_words(&first, &again);
    server.assert_holds(&session.id, "one", &first.text("sequence_token"));
}

// R1.25
fn replay_is_answered_after_the_peers_write(server: &Server) {
    let session = server.create("zero");
    let first = server
        .put_txn(&session.id, "mine", &session.token, "one")
        .expect(200);
    let theirs = server.put_txn(&session.id, "theirs", &first.text("sequence_token"), "two");
    let theirs = theirs.expect(200).text("sequence_token");
    let again = server.put_txn(&session.id, "mine", &session.token, "one");
    assert_same_words(&first, &again);
    server.assert_holds(&session.id, "two", &theirs);
}

// R1.25
fn replay_ignores_the_body(server: &Server) {
    let session = server.create("zero");
    let first = server
        .put_txn(&session.id, "txn", &session.token, "one")
        .expect(200);
    let current = first.text("sequence_token");
    for (token, data) in [
        (&current, "two"),
        (&session.token, "two"),
        (&"foreign".into(), ""),
    ] {
        assert_same_words(&first, &server.put_txn(&session.id, "txn", token, data));
        server.assert_holds(&session.id, "one", &current);
    }
}

// R1.24, R1.25
fn recorded_conflict_is_replayed_for_a_current_token(server: &Server) {
    let session = server.create("zero");
    let first = server.put_txn(&session.id, "txn", "not yet", "one");
    let first = first.expect_error(409, CONFLICT);
    for (token, data) in [(&session.token, "one"), (&"not yet".into(), "zero")] {
        assert_same_words(&first, &server.put_txn(&session.id, "txn", token, data));
        server.assert_holds(&session.id, "zero", &session.token);
    }
    let next = server.write(&session.id, &session.token, "next");
    assert_same_words(
        &first,
        &server.put_txn(&session.id, "txn", &next, "after next"),
    );
    server.assert_holds(&session.id, "next", &next);
}

// R1.27
fn equal_data_under_another_txn_id_is_a_conflict(server: &Server) {
    let session = server.create("zero");
    server
        .put_txn(&session.id, "a", "foreign", "zero")
        .expect_error(409, CONFLICT);
    let one = server.write(&session.id, &session.token, "one");
    server
        .put_txn(&session.id, "b", &session.token, "one")
        .expect_error(409, CONFLICT);
    server.assert_holds(&session.id, "one", &one);
}

// R1.27
fn applied_write_under_another_txn_id_is_a_conflict(server: &Server) {
    let session = server.create("zero");
    let one = server
        .put_txn(&session.id, "a", &session.token, "one")
        .expect(200);
    let two = server.write(&session.id, &one.text("sequence_token"), "two");
    server
        .put_txn(&session.id, "b", &session.token, "one")
        .expect_error(409, CONFLICT);
    server.assert_holds(&session.id, "two", &two);
}

// R1.28
fn txn_id_is_scoped_to_its_session(server: &Server) {
    let [one, two] = [server.create("zero"), server.create("zero")];
    let first = server
        .put_txn(&one.id, "txn", &one.token, "one")
        .expect(200);
    let second = server
        .put_txn(&two.id, "txn", &two.token, "two")
        .expect(200);
    assert_ne!(first.body, second.body);
    server.assert_holds(&one.id, "one", &first.text("sequence_token"));
    server.assert_holds(&two.id, "two", &second.text("sequence_token"));
}

// R1.25
fn replay_after_a_put_without_txn_id_is_unchanged(server: &Server) {
    let session = server.create("zero");
    let first = server
        .put_txn(&session.id, "txn", &session.token, "one")
        .expect(200);
    let next = server.write(&session.id, &first.text("sequence_token"), "two");
    assert_same_words(&first, &server.put_txn(&session.id, "txn", &next, "three"));
    server.assert_holds(&session.id, "two", &next);
}

// R1.20, R1.21, R1.22
fn put_without_txn_id_ignores_records(server: &Server) {
    let session = server.create("zero");
    let one = server
        .put_txn(&session.id, "a", &session.token, "one")
        .expect(200);
    let one = one.text("sequence_token");
    let two = server.put_txn(&session.id, "b", &one, "two").expect(200);
    let two = two.text("sequence_token");
    assert_eq!(server.write(&session.id, "foreign", "two"), two);
    assert_eq!(server.write(&session.id, &session.token, "one"), one);
    server
        .put(&session.id, &session.token, "late")
        .expect_error(409, CONFLICT);
    server.assert_holds(&session.id, "two", &two);
}

fn put_bytes(server: &Server, id: &str, txn: &str, bytes: &[u8]) -> Reply {
    server.call(&Request::put(&format!("{}/{txn}", at(id))).body(bytes))
}

// R1.26
fn invalid_body_is_rejected_before_the_record(server: &Server) {
    let session = server.create("zero");
    let first = server
        .put_txn(&session.id, "txn", &session.token, "one")
        .expect(200);
    put_bytes(server, &session.id, "txn", b"{").expect_error(400, "M_NOT_JSON");
    put_bytes(server, &session.id, "txn", b"{}").expect_error(400, "M_MISSING_PARAM");
    let large = body(&session.token, &"x".repeat(4097)).to_string();
    put_bytes(server, &session.id, "txn", large.as_bytes()).expect_error(413, "M_TOO_LARGE");
    assert_same_words(&first, &server.put_txn(&session.id, "txn", "any", "any"));
}

// R1.24, R1.40
fn rejected_body_is_not_recorded(server: &Server) {
    let session = server.create("zero");
    let large = body(&session.token, &"x".repeat(4097)).to_string();
    let enveloped = " ".repeat(32 * 1024 + 1);
    let refused: [(&[u8], u16); 4] = [
        (b"{", 400),
        (b"{}", 400),
        (large.as_bytes(), 413),
        (enveloped.as_bytes(), 413),
    ];
    let mut token = session.token;
    for (n, (bytes, status)) in refused.into_iter().enumerate() {
        let txn = format!("txn{n}");
        put_bytes(server, &session.id, &txn, bytes).expect(status);
        let reply = server.put_txn(&session.id, &txn, &token, &txn).expect(200);
        token = reply.text("sequence_token");
        server.assert_holds(&session.id, &txn, &token);
    }
}

// R1.30
fn concurrent_puts_with_one_txn_id_write_once(server: &Server) {
    let session = server.create("zero");
    let replies = std::thread::scope(|scope| {
        let attempt = || server.put_txn(&session.id, "txn", &session.token, "one");
        let attempts: Vec<_> = (0..8).map(|_| scope.spawn(attempt)).collect();
        attempts
            .into_iter()
            .map(|attempt| attempt.join().unwrap())
            .collect::<Vec<_>>()
    });
    let token = server.read(&session.id).token;
    for reply in replies {
        assert_eq!(reply.expect(200).text("sequence_token"), token);
    }
}
