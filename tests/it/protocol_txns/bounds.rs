//! The grammar of a txnId, and the number that one session records.

use super::assert_same_words;
use crate::server::{Server, on_both_stores};
use testkit::api::{CONFLICT, at};
use testkit::http::{Reply, Request};

on_both_stores! {
    txn_id_grammar_applies_after_decoding,
    invalid_txn_id_is_invalid_param,
    default_txn_id_limit_is_64,
}

on_both_stores! {
    with ["session.max_txn_ids" = "3"];
    txn_id_limit_rejects_and_session_lives_on,
}

// R0.12, R0.20
fn txn_id_grammar_applies_after_decoding(server: &Server) {
    let session = server.create("zero");
    let plain = server
        .put_txn(&session.id, "m1.~_-Z", &session.token, "one")
        .expect(200);
    assert_same_words(
        &plain,
        &server.put_txn(&session.id, "%6D1%2E~_-%5a", "any", "any"),
    );
    let mut token = plain.text("sequence_token");
    let longest = "t".repeat(255);
    // The first is 255 characters long after decoding, 257 before.
    for txn in [
        format!("%61{}", &longest[1..]),
        longest,
        "~".into(),
        "0".into(),
    ] {
        let reply = server.put_txn(&session.id, &txn, &token, &txn).expect(200);
        token = reply.text("sequence_token");
    }
}

// R0.8
fn invalid_txn_id_is_invalid_param(server: &Server) {
    let session = server.create("zero");
    let endless = "t".repeat(256);
    let invalid = [
        "a+b", "a:b", "a@b", "a%20b", "a%2Fb", "a%2fb", "a%00b", "%FF", "%C3%A4", "a%", "a%2",
        "a%zz",
    ];
    for txn in invalid.into_iter().chain([endless.as_str()]) {
        let reply = server.put_txn(&session.id, txn, &session.token, "one");
        assert_eq!(reply.status, 400, "{txn}: {reply}");
        reply.expect_error(400, "M_INVALID_PARAM");
        server.assert_holds(&session.id, "zero", &session.token);
    }
}

/// Fills the session's records and returns the response to the first txnId over the limit.
fn fill(server: &Server, id: &str, bound: usize) -> Reply {
    let mut token = server.read(id).token;
    for n in 0..bound {
        // Conflicts are recorded like writes: every other one is a conflict.
        let sent = if n % 2 == 0 {
            token.clone()
        } else {
            "stale".to_owned()
        };
        let reply = server.put_txn(id, &format!("txn{n}"), &sent, &format!("data {n}"));
        if n % 2 == 0 {
            token = reply.expect(200).text("sequence_token");
        } else {
            reply.expect_error(409, CONFLICT);
        }
    }
    server.put_txn(id, "past", &token, "past")
}

// R1.29
fn default_txn_id_limit_is_64(server: &Server) {
    let session = server.create("zero");
    fill(server, &session.id, 64).expect_error(429, "M_LIMIT_EXCEEDED");
}

// R1.29
fn txn_id_limit_rejects_and_session_lives_on(server: &Server) {
    let session = server.create("zero");
    let refused = fill(server, &session.id, 3).expect_error(429, "M_LIMIT_EXCEEDED");
    assert!(refused.number("retry_after_ms") > 0, "{refused}");
    let now = server.read(&session.id);
    assert_eq!(now.data, "data 2");
    // Recorded txnIds replay, the PUT without txnId writes, and another session has its own
    // records.
    let replay = server
        .put_txn(&session.id, "txn2", "any", "any")
        .expect(200);
    assert_eq!(replay.text("sequence_token"), now.token);
    server
        .put_txn(&session.id, "txn1", &now.token, "any")
        .expect_error(409, CONFLICT);
    let next = server.write(&session.id, &now.token, "next");
    server
        .put_txn(&session.id, "past", &next, "past")
        .expect_error(429, "M_LIMIT_EXCEEDED");
    server.assert_holds(&session.id, "next", &next);
    let other = server.create("zero");
    server
        .put_txn(&other.id, "past", &other.token, "one")
        .expect(200);
    server.call(&Request::delete(&at(&session.id))).expect(200);
}
