//! Invalid bodies, on each request that takes a body.
//!
//! Section 1.6 of docs/protocol.md, and that no 4xx changes anything stored (R1.40). Unusual but
//! valid bodies are accepted.

use serde_json::json;

use crate::server::{Server, on_both_stores};
use testkit::api::{UNSTABLE, at};
use testkit::http::{Reply, Request};

on_both_stores! {
    invalid_json_is_not_json,
    invalid_utf8_is_not_json,
    non_object_is_bad_json,
    duplicate_key_is_bad_json,
    missing_field_is_missing_param,
    wrong_field_type_is_invalid_param,
    lone_surrogate_is_rejected,
    unknown_fields_are_ignored,
    any_content_type_is_accepted,
}

on_both_stores! {
    with ["session.max_live" = "2"];
    rejected_creation_takes_no_lease,
}

/// Bodies that every request rejects, whatever fields it needs.
const NOT_JSON: [&[u8]; 10] = [
    b"",
    b" ",
    b"data",
    b"{",
    br#"{"data":"x","sequence_token":"t""#,
    br#"{"data":"x","sequence_token":"t"} {}"#,
    br#"{"data":"x","sequence_token":"t",}"#,
    br"{'data':'x','sequence_token':'t'}",
    b"{\"data\":\"a\nb\",\"sequence_token\":\"t\"}",
    b"\xef\xbb\xbf{\"data\":\"x\",\"sequence_token\":\"t\"}",
];

/// Sends the body to each request that takes one, and checks that no session was created or
/// changed.
#[track_caller]
fn refused_everywhere(server: &Server, body: &[u8], errcodes: &[&str]) {
    refused_by_create(server, body, errcodes);
    refused_by_writes(server, body, errcodes);
}

#[track_caller]
fn refused_by_create(server: &Server, body: &[u8], errcodes: &[&str]) {
    assert_refused(
        &server.call(&Request::post(UNSTABLE).body(body)),
        body,
        errcodes,
    );
}

#[track_caller]
fn refused_by_writes(server: &Server, body: &[u8], errcodes: &[&str]) {
    let session = server.create("before");
    for path in [at(&session.id), format!("{}/txn", at(&session.id))] {
        assert_refused(
            &server.call(&Request::put(&path).body(body)),
            body,
            errcodes,
        );
        server.assert_holds(&session.id, "before", &session.token);
    }
}

#[track_caller]
fn assert_refused(reply: &Reply, body: &[u8], errcodes: &[&str]) {
    let body = String::from_utf8_lossy(body);
    assert_eq!(reply.status, 400, "to {body}: {reply}");
    assert!(
        errcodes.contains(&&*reply.text("errcode")),
        "to {body}: {reply}"
    );
}

// R1.31
fn invalid_json_is_not_json(server: &Server) {
    for body in NOT_JSON {
        refused_everywhere(server, body, &["M_NOT_JSON"]);
    }
}

// R1.31
fn invalid_utf8_is_not_json(server: &Server) {
    let in_data = b"{\"sequence_token\":\"t\",\"data\":\"\xff\"}";
    let in_a_token = b"{\"sequence_token\":\"\xff\",\"data\":\"x\"}";
    let overlong = b"{\"sequence_token\":\"t\",\"data\":\"\xc0\xaf\"}";
    let surrogate = b"{\"sequence_token\":\"t\",\"data\":\"\xed\xa0\x80\"}";
    let in_an_ignored_field = b"{\"sequence_token\":\"t\",\"data\":\"x\",\"ignored\":\"\xff\"}";
    let utf16 = b"{\0\"\0d\0\"\0}\0";
    let bodies: [&[u8]; 6] = [
        in_data,
        in_a_token,
        overlong,
        surrogate,
        in_an_ignored_field,
        utf16,
    ];
    for body in bodies {
        refused_everywhere(server, body, &["M_NOT_JSON"]);
    }
}

// R1.32
fn non_object_is_bad_json(server: &Server) {
    let values = [
        "[]",
        "null",
        "true",
        "0",
        " -1e400 ",
        "[1e400]",
        "\"x\"",
        r#"["x"]"#,
        r#"["t","x"]"#,
        r#"[{"data":"x"}]"#,
    ];
    for body in values {
        refused_everywhere(server, body.as_bytes(), &["M_BAD_JSON"]);
    }
}

// R1.33
fn duplicate_key_is_bad_json(server: &Server) {
    let bodies = [
        r#"{"sequence_token":"t","data":"a","data":"b"}"#,
        r#"{"sequence_token":"t","data":"a","data":"a"}"#,
        r#"{"sequence_token":"t","data":"a","d\u0061ta":"b"}"#,
    ];
    for body in bodies {
        refused_everywhere(server, body.as_bytes(), &["M_BAD_JSON"]);
    }
    let twice = br#"{"sequence_token":"a","sequence_token":"b","data":"x"}"#;
    refused_by_writes(server, twice, &["M_BAD_JSON"]);
}

// R1.35
fn missing_field_is_missing_param(server: &Server) {
    for body in [
        "{}",
        r#"{"Data":"x"}"#,
        r#"{"sequence_token":"t"}"#,
        r#"{"":"x"}"#,
    ] {
        refused_everywhere(server, body.as_bytes(), &["M_MISSING_PARAM"]);
    }
    refused_by_writes(server, br#"{"data":"x"}"#, &["M_MISSING_PARAM"]);
}

// R1.36
fn wrong_field_type_is_invalid_param(server: &Server) {
    for value in [
        "null",
        "true",
        "0",
        "1.5",
        "1e400",
        "-1e400",
        "[]",
        r#"["x"]"#,
        "{}",
        r#"{"data":"x"}"#,
    ] {
        let data = format!(r#"{{"sequence_token":"t","data":{value}}}"#);
        refused_everywhere(server, data.as_bytes(), &["M_INVALID_PARAM"]);
        let token = format!(r#"{{"sequence_token":{value},"data":"x"}}"#);
        refused_by_writes(server, token.as_bytes(), &["M_INVALID_PARAM"]);
    }
}

// R1.34
fn lone_surrogate_is_rejected(server: &Server) {
    for text in [
        r"\ud800",
        r"\udc00",
        r"\ude00\ud83d",
        r"a\ud83db",
        r"\uD83D\u0041",
    ] {
        let data = format!(r#"{{"sequence_token":"t","data":"{text}"}}"#);
        refused_everywhere(server, data.as_bytes(), &["M_NOT_JSON"]);
        let token = format!(r#"{{"sequence_token":"{text}","data":"before"}}"#);
        refused_by_writes(server, token.as_bytes(), &["M_NOT_JSON"]);
        // Ignored fields are still parsed: an invalid string anywhere makes the body invalid JSON.
        for member in [
            format!(r#""a":"{text}""#),
            format!(r#""{text}":1"#),
            format!(r#""a":["{text}"]"#),
            format!(r#""a":{{"b":[{{"{text}":null}}]}}"#),
        ] {
            let ignored = format!(r#"{{{member},"sequence_token":"t","data":"x"}}"#);
            refused_everywhere(server, ignored.as_bytes(), &["M_NOT_JSON"]);
        }
        let whole = format!(r#"["{text}"]"#);
        refused_everywhere(server, whole.as_bytes(), &["M_NOT_JSON"]);
    }
}

// R1.39
fn unknown_fields_are_ignored(server: &Server) {
    let ignored = [
        r#""a":null"#,
        r#""a":{"data":1,"b":[[],{}]}"#,
        r#""DATA":"y""#,
        r#""a":1e400"#,
        r#""a":123456789012345678901234567890"#,
        r#""id":"x","expires_in_ms":-1"#,
        r#""a\ud83d\ude00":"\ud83d\ude00 \\ud800""#,
    ];
    for member in ignored {
        let body = format!(r#"{{{member},"data":"x"}}"#);
        let reply = server.call(&Request::post(UNSTABLE).body(body));
        assert_eq!(reply.status, 200, "{member}: {reply}");
        let (id, token) = (reply.text("id"), reply.text("sequence_token"));
        server.assert_holds(&id, "x", &token);
        let body = format!(r#" {{"data":"y",{member}, "sequence_token":"{token}"}} "#);
        let reply = server.call(&Request::put(&at(&id)).body(body));
        assert_eq!(reply.status, 200, "{member}: {reply}");
    }
}

// R1.39
fn any_content_type_is_accepted(server: &Server) {
    let odd = [
        "text/plain",
        "application/xml",
        "application/json; charset=utf-16",
        "nonsense",
        "",
    ];
    for content_type in odd.map(Some).into_iter().chain([None]) {
        let typed = |request: Request| match content_type {
            Some(value) => request.header("Content-Type", value),
            None => request,
        };
        let reply = server.call(&typed(Request::post(UNSTABLE)).body(r#"{"data":"x"}"#));
        let reply = reply.expect(200);
        let body = json!({"sequence_token": reply.text("sequence_token"), "data": "y"});
        let write = typed(Request::put(&at(&reply.text("id"))));
        server.call(&write.body(body.to_string())).expect(200);
    }
}

// R1.40
fn rejected_creation_takes_no_lease(server: &Server) {
    for body in NOT_JSON {
        refused_by_create(server, body, &["M_NOT_JSON"]);
    }
    let large = json!({"data": "x".repeat(4097)}).to_string();
    server
        .call(&Request::post(UNSTABLE).body(large))
        .expect(413);
    server.create("first");
    server.create("second");
    server
        .try_create("third")
        .expect_error(429, "M_LIMIT_EXCEEDED");
}
