//! `PUT /rendezvous/{id}` without a txnId: compare-and-swap, and an applied write is a success.
//!
//! Sections 1.3 and 1.4 of docs/protocol.md. The order of the four rules is tested with requests
//! that match two of them.

use std::collections::HashSet;

use serde_json::json;

use crate::protocol_sessions::assert_is_a_token;
use crate::server::{Server, on_both_stores};
use testkit::api::{CONFLICT, UNSTABLE, at};
use testkit::http::Request;

on_both_stores! {
    current_token_writes,
    write_returns_only_the_new_token,
    every_write_produces_a_new_token,
    earlier_tokens_stay_invalid,
    stale_token_with_new_data_is_a_conflict,
    stale_token_with_current_data_gets_current_token,
    retry_after_the_peers_write_gets_its_own_token,
    retry_after_two_more_writes_gets_its_own_token,
    current_data_takes_precedence_over_a_retry,
    same_data_under_another_stale_token_is_a_conflict,
    foreign_token_is_stale,
    conflict_without_txn_id_is_not_recorded,
    escapes_are_decoded_before_comparison,
    one_of_two_writers_wins_and_the_other_can_go_on,
}

// R1.19
fn current_token_writes(server: &Server) {
    let session = server.create("zero");
    let token = server.write(&session.id, &session.token, "one");
    server.assert_holds(&session.id, "one", &token);
    let token = server.write(&session.id, &token, "two");
    server.assert_holds(&session.id, "two", &token);
}

// R1.7, R1.14
fn write_returns_only_the_new_token(server: &Server) {
    let session = server.create("zero");
    let reply = server.put(&session.id, &session.token, "one").expect(200);
    let token = reply.text("sequence_token");
    assert_is_a_token(&token);
    assert_eq!(reply.json(), json!({"sequence_token": token}));
}

// R1.13, R1.15
fn every_write_produces_a_new_token(server: &Server) {
    let session = server.create("equal");
    let mut seen = HashSet::from([session.token.clone()]);
    let mut token = session.token;
    for data in ["equal", "equal", "other", "equal", "", ""] {
        token = server.write(&session.id, &token, data);
        assert!(seen.insert(token.clone()), "{token} came back");
        server.assert_holds(&session.id, data, &token);
    }
}

// R1.15
fn earlier_tokens_stay_invalid(server: &Server) {
    let session = server.create("a");
    let mut tokens = vec![session.token];
    for data in ["b", "a", "b", "a"] {
        tokens.push(server.write(&session.id, tokens.last().unwrap(), data));
    }
    let current = tokens.pop().unwrap();
    for stale in &tokens {
        server
            .put(&session.id, stale, "late")
            .expect_error(409, CONFLICT);
        server.assert_holds(&session.id, "a", &current);
    }
}

// R1.22, R1.40
fn stale_token_with_new_data_is_a_conflict(server: &Server) {
    let session = server.create("zero");
    let token = server.write(&session.id, &session.token, "one");
    let before = server.read(&session.id);
    server
        .put(&session.id, &session.token, "late")
        .expect_error(409, CONFLICT);
    let after = server.read(&session.id);
    assert_eq!((after.data, after.token), ("one".to_owned(), token.clone()));
    assert!(after.expires_in_ms <= before.expires_in_ms);
    server.write(&session.id, &token, "two");
}

// R1.20
fn stale_token_with_current_data_gets_current_token(server: &Server) {
    let session = server.create("zero");
    let one = server.write(&session.id, &session.token, "one");
    let two = server.write(&session.id, &one, "two");
    let three = server.write(&session.id, &two, "three");
    for stale in [&session.token, &one, &two, "never a token of this session"] {
        assert_eq!(
            server.write(&session.id, stale, "three"),
            three,
            "with {stale}"
        );
        server.assert_holds(&session.id, "three", &three);
    }
}

// R1.21
fn retry_after_the_peers_write_gets_its_own_token(server: &Server) {
    let session = server.create("zero");
    let mine = server.write(&session.id, &session.token, "mine");
    let theirs = server.write(&session.id, &mine, "theirs");
    assert_eq!(server.write(&session.id, &session.token, "mine"), mine);
    server.assert_holds(&session.id, "theirs", &theirs);
    // The sign-in continues from there.
    server.write(&session.id, &theirs, "mine again");
}

// R1.21, R1.23
fn retry_after_two_more_writes_gets_its_own_token(server: &Server) {
    let session = server.create("zero");
    let one = server.write(&session.id, &session.token, "one");
    let two = server.write(&session.id, &one, "two");
    let three = server.write(&session.id, &two, "three");
    assert_eq!(server.write(&session.id, &session.token, "one"), one);
    assert_eq!(server.write(&session.id, &one, "two"), two);
    server.assert_holds(&session.id, "three", &three);
}

// R1.20 comes before R1.21
fn current_data_takes_precedence_over_a_retry(server: &Server) {
    let session = server.create("zero");
    let one = server.write(&session.id, &session.token, "equal");
    let two = server.write(&session.id, &one, "between");
    let three = server.write(&session.id, &two, "equal");
    assert_eq!(server.write(&session.id, &session.token, "equal"), three);
}

// R1.21, R1.22
fn same_data_under_another_stale_token_is_a_conflict(server: &Server) {
    let session = server.create("zero");
    let one = server.write(&session.id, &session.token, "one");
    let two = server.write(&session.id, &one, "two");
    server
        .put(&session.id, "foreign", "one")
        .expect_error(409, CONFLICT);
    server
        .put(&session.id, &one, "one")
        .expect_error(409, CONFLICT);
    server.assert_holds(&session.id, "two", &two);
}

// R1.18
fn foreign_token_is_stale(server: &Server) {
    let session = server.create("zero");
    let padded = format!("{}=", session.token);
    let upper = session.token.to_uppercase();
    let shorter = &session.token[..session.token.len() - 1];
    let endless = "t".repeat(20_000);
    let quoted = format!("\"{}\"", session.token);
    let foreign = [
        "",
        " ",
        "\u{0}",
        "漢字 😀",
        "\"",
        "*",
        &padded,
        &upper,
        shorter,
        &quoted,
        &endless,
    ];
    for token in foreign.into_iter().filter(|token| *token != session.token) {
        server
            .put(&session.id, token, "other")
            .expect_error(409, CONFLICT);
        assert_eq!(
            server.write(&session.id, token, "zero"),
            session.token,
            "with {token:?}"
        );
        server.assert_holds(&session.id, "zero", &session.token);
    }
}

fn conflict_without_txn_id_is_not_recorded(server: &Server) {
    let session = server.create("zero");
    let one = server.write(&session.id, &session.token, "one");
    server.put(&session.id, &session.token, "two").expect(409);
    let two = server.write(&session.id, &one, "two");
    server.assert_holds(&session.id, "two", &two);
}

// R1.19, R1.22
fn one_of_two_writers_wins_and_the_other_can_go_on(server: &Server) {
    let session = server.create("zero");
    let mut statuses = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|n| {
                scope.spawn({
                    let session = &session;
                    move || {
                        server
                            .put(&session.id, &session.token, &format!("writer {n}"))
                            .status
                    }
                })
            })
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect::<Vec<_>>()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
    let now = server.read(&session.id);
    server.write(&session.id, &now.token, "next");
}

// R1.20
fn escapes_are_decoded_before_comparison(server: &Server) {
    let reply =
        server.call(&Request::post(UNSTABLE).body(r#"{"d\u0061ta":"\ud83d\ude00\u0000\/\n"}"#));
    let (id, token) = (reply.text("id"), reply.text("sequence_token"));
    server.assert_holds(&id, "😀\u{0}/\n", &token);
    let first = u32::from(token.as_bytes()[0]);
    let escaped = format!(r"\u{first:04x}{}", &token[1..]);
    let body = format!(r#"{{"sequence_token":"{escaped}","data":"next"}}"#);
    let next = server.call(&Request::put(&at(&id)).body(body)).expect(200);
    server.assert_holds(&id, "next", &next.text("sequence_token"));
    // Data that is equal after decoding counts as equal.
    let body = r#"{"sequence_token":"stale","data":"n\u0065xt"}"#;
    let same = server.call(&Request::put(&at(&id)).body(body)).expect(200);
    assert_eq!(same.text("sequence_token"), next.text("sequence_token"));
}
