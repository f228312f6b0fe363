//! `PUT /rendezvous/{id}/{txnId}`: the first answer to a txnId is the only one.
//!
//! Row of the contract: "PUT with txnId". The record alone decides, 200 and 409 are recorded and nothing
//! else is. Which txnIds there are, and how many, is in `protocol_txns/bounds.rs`.

mod bounds;

use serde_json::json;

use crate::harness::api::{CONFLICT, at, body};
use crate::harness::http::{Reply, Request};
use crate::harness::on_both_stores;
use crate::harness::server::Server;

on_both_stores! {
    the_first_attempt_writes,
    a_replay_repeats_the_answer_and_writes_nothing,
    a_replay_is_answered_after_the_other_side_wrote,
    a_replay_does_not_look_at_the_body_again,
    a_recorded_conflict_stays_one_when_the_token_is_the_current_one,
    equal_data_is_a_conflict_under_another_txn_id,
    an_applied_write_is_a_conflict_under_another_txn_id,
    a_txn_id_belongs_to_its_session,
    a_replay_after_a_put_without_txn_id_is_still_the_recorded_answer,
    a_put_without_txn_id_keeps_its_own_rules_beside_records,
    a_body_that_does_not_parse_is_refused_before_any_record_is_asked,
    a_refused_body_is_not_recorded,
    the_same_txn_id_at_once_writes_once,
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
fn the_first_attempt_writes(server: &Server) {
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
fn a_replay_repeats_the_answer_and_writes_nothing(server: &Server) {
    let session = server.create("zero");
    let first = server
        .put_txn(&session.id, "txn", &session.token, "one")
        .expect(200);
    let again = server.put_txn(&session.id, "txn", &session.token, "one");
    assert_same_words(&first, &again);
    server.assert_holds(&session.id, "one", &first.text("sequence_token"));
}

// R1.25
fn a_replay_is_answered_after_the_other_side_wrote(server: &Server) {
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
fn a_replay_does_not_look_at_the_body_again(server: &Server) {
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
fn a_recorded_conflict_stays_one_when_the_token_is_the_current_one(server: &Server) {
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
fn equal_data_is_a_conflict_under_another_txn_id(server: &Server) {
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
fn an_applied_write_is_a_conflict_under_another_txn_id(server: &Server) {
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
fn a_txn_id_belongs_to_its_session(server: &Server) {
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
fn a_replay_after_a_put_without_txn_id_is_still_the_recorded_answer(server: &Server) {
    let session = server.create("zero");
    let first = server
        .put_txn(&session.id, "txn", &session.token, "one")
        .expect(200);
    let next = server.write(&session.id, &first.text("sequence_token"), "two");
    assert_same_words(&first, &server.put_txn(&session.id, "txn", &next, "three"));
    server.assert_holds(&session.id, "two", &next);
}

// R1.20, R1.21, R1.22
fn a_put_without_txn_id_keeps_its_own_rules_beside_records(server: &Server) {
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
fn a_body_that_does_not_parse_is_refused_before_any_record_is_asked(server: &Server) {
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
fn a_refused_body_is_not_recorded(server: &Server) {
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
fn the_same_txn_id_at_once_writes_once(server: &Server) {
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
