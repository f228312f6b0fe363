//! Paths and methods, and the errors of all others.
//!
//! Unknown path, wrong method, `HEAD`, leading `//`, splitting before decoding, the grammar of an
//! id (docs/protocol.md, 0.2 and 0.6). Modes and prefixes are in `protocol_modes.rs`.

use crate::server::{Server, on_both_stores};
use serde_json::json;
use testkit::api::{UNSTABLE, at, body};
use testkit::http::{Connection, Request};

on_both_stores! {
    unknown_path_is_unrecognized,
    wrong_method_is_405_with_allow,
    head_is_get_without_a_body,
    leading_double_slash_is_accepted,
    one_trailing_slash_after_rendezvous_is_ignored,
    query_is_ignored,
    path_segments_are_percent_decoded,
    encoded_slash_does_not_split_segments,
    invalid_session_id_is_not_found,
}

const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW",
];

/// Returns the response to any method, including `HEAD`.
#[track_caller]
fn expect_unrecognized(server: &Server, method: &str, path: &str) {
    let reply = server.call(&Request::new(method, path));
    assert_eq!(reply.status, 404, "{method} {path}: {reply}");
    if method != "HEAD" {
        reply.expect_error(404, "M_UNRECOGNIZED");
    }
}

// R0.4
fn unknown_path_is_unrecognized(server: &Server) {
    let session = server.create("hello");
    let id = &session.id;
    let paths = [
        "/".to_owned(),
        "/_matrix/client/versions".to_owned(),
        "/_matrix/client/unstable/io.element.msc4388".to_owned(),
        format!("{UNSTABLE}s"),
        UNSTABLE.to_uppercase(),
        UNSTABLE.replace("io.element", "io.element.other"),
        format!("{UNSTABLE}/{id}/txn/more"),
        format!("/prefix{UNSTABLE}"),
        // Paths of the admin listener do not exist on the public one.
        "/metrics".to_owned(),
        "/healthz".to_owned(),
        "/readyz".to_owned(),
        "/version".to_owned(),
    ];
    for path in paths {
        for method in METHODS {
            expect_unrecognized(server, method, &path);
        }
    }
    server.assert_holds(id, "hello", &session.token);
}

// R0.5
fn wrong_method_is_405_with_allow(server: &Server) {
    let session = server.create("hello");
    let txn = format!("{}/txn", at(&session.id));
    let tables = [
        (UNSTABLE, vec!["GET", "HEAD", "POST"]),
        (&at(&session.id), vec!["DELETE", "GET", "HEAD", "PUT"]),
        (&txn, vec!["PUT"]),
    ];
    for (path, known) in tables {
        for method in METHODS.into_iter().filter(|method| !known.contains(method)) {
            let reply = server.call(&Request::new(method, path));
            assert_eq!(reply.status, 405, "{method} {path}: {reply}");
            if method != "HEAD" {
                assert_eq!(reply.text("errcode"), "M_UNRECOGNIZED", "{method} {path}");
            }
            let allow = reply.header("allow").unwrap_or_default();
            let mut allowed: Vec<_> = allow.split(',').map(str::trim).collect();
            allowed.retain(|method| *method != "OPTIONS");
            allowed.sort_unstable();
            assert_eq!(allowed, known, "{method} {path}");
        }
    }
    server.assert_holds(&session.id, "hello", &session.token);
}

// R0.10
fn head_is_get_without_a_body(server: &Server) {
    let session = server.create("hello");
    let deleted = server.create("hello");
    server.call(&Request::delete(&at(&deleted.id))).expect(200);
    for path in [UNSTABLE, &at(&session.id), &at(&deleted.id), "/unknown"] {
        let get = server.call(&Request::get(path));
        // The bytes of a body, if any, would come before the second response.
        let mut connection = Connection::open(server.http);
        for _ in 0..2 {
            let head = connection.send(&Request::head(path));
            head.assert_common_headers();
            assert_eq!(head.status, get.status, "{path}");
            for name in ["content-type", "content-length"] {
                assert_eq!(head.header(name), get.header(name), "{path}: {name}");
            }
        }
    }
    let navigating = Request::head(&at(&session.id)).header("Sec-Fetch-Mode", "navigate");
    server.call(&navigating).expect(403);
}

// R0.11
fn leading_double_slash_is_accepted(server: &Server) {
    let session = server.create("hello");
    server
        .call(&Request::get(&format!("/{UNSTABLE}")))
        .expect(200);
    let path = format!("/{}", at(&session.id));
    let read = server.call(&Request::get(&path)).expect(200);
    assert_eq!(read.text("sequence_token"), session.token);
    let txn = format!("{path}/txn");
    server
        .call(&Request::put(&txn).json(&body(&session.token, "next")))
        .expect(200);
    server.call(&Request::delete(&path)).expect(200);
    server.assert_gone(&session.id);
    // Elsewhere an empty segment counts as a segment.
    expect_unrecognized(server, "GET", &UNSTABLE.replace("/client/", "/client//"));
}

// R0.40
fn one_trailing_slash_after_rendezvous_is_ignored(server: &Server) {
    let path = format!("{UNSTABLE}/");
    server.call(&Request::get(&path)).expect(200);
    server
        .call(&Request::get(&format!("/{path}?a=b")))
        .expect(200);
    let create = Request::post(&path).json(&json!({"data": "hello"}));
    let id = server.call(&create).expect(200).text("id");
    assert_eq!(server.read(&id).data, "hello");
    server
        .call(&Request::delete(&path))
        .expect_error(405, "M_UNRECOGNIZED");
    // A second slash is one too many, and behind an id it begins a txnId.
    let twice = server.call(&Request::put(&format!("{path}/")));
    twice.expect_error(404, "M_NOT_FOUND");
    let write = Request::put(&format!("{}/", at(&id)));
    let token = server.read(&id).token;
    server
        .call(&write.json(&body(&token, "next")))
        .expect_error(400, "M_INVALID_PARAM");
    server.assert_holds(&id, "hello", &token);
}

// R1.12
fn query_is_ignored(server: &Server) {
    let session = server.create("hello");
    server
        .call(&Request::get(&format!("{UNSTABLE}?a=b")))
        .expect(200);
    let read = server.call(&Request::get(&format!("{}?x=/y", at(&session.id))));
    assert_eq!(read.expect(200).text("data"), "hello");
}

// R0.12
fn path_segments_are_percent_decoded(server: &Server) {
    let session = server.create("hello");
    let encoded: Vec<_> = session
        .id
        .bytes()
        .map(|byte| format!("%{byte:02x}"))
        .collect();
    let encoded = encoded.concat();
    assert_eq!(server.read(&encoded).token, session.token);
    server.write(&encoded, &session.token, "next");
    assert_eq!(server.read(&encoded.to_uppercase()).data, "next");
    let path = UNSTABLE
        .replace("_matrix", "%5Fmatrix")
        .replace("rendezvous", "rende%7avous");
    server.call(&Request::get(&path)).expect(200);
}

// R0.12
fn encoded_slash_does_not_split_segments(server: &Server) {
    let session = server.create("hello");
    for slash in ["%2F", "%2f"] {
        let txn = format!("{}{slash}txn", at(&session.id));
        let write = Request::put(&txn).json(&body(&session.token, "next"));
        server.call(&write).expect_error(404, "M_NOT_FOUND");
        let path = format!("{UNSTABLE}{slash}{}", session.id);
        expect_unrecognized(server, "GET", &path);
    }
    server.assert_holds(&session.id, "hello", &session.token);
}

// R0.7, R0.20
fn invalid_session_id_is_not_found(server: &Server) {
    let session = server.create("hello");
    let id = &session.id;
    let endless = "a".repeat(256);
    let padded = format!("{id}%20");
    let cut = format!("{id}%00");
    let bad = [
        "a+b", "a:b", "a%20b", "a%2Fb", "%FF", "%C3%A4", "a%", "%zz", &endless, &padded, &cut,
    ];
    for id in bad {
        server
            .call(&Request::get(&at(id)))
            .expect_error(404, "M_NOT_FOUND");
        server
            .put(id, &session.token, "next")
            .expect_error(404, "M_NOT_FOUND");
        server
            .put_txn(id, "txn", &session.token, "next")
            .expect_error(404, "M_NOT_FOUND");
        server
            .call(&Request::delete(&at(id)))
            .expect_error(404, "M_NOT_FOUND");
    }
    server.assert_holds(id, "hello", &session.token);
}
