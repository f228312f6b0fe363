//! `Sec-Fetch-*`: a browser's script may poll a session, and a browser must not open one as a page.
//!
//! Rule R0.26. Only reads of a session check these headers.

use serde_json::json;

use crate::server::{Server, on_both_stores};
use testkit::api::{UNSTABLE, at, body};
use testkit::http::Request;

on_both_stores! {
    navigation_or_subresource_read_is_forbidden,
    read_by_script_is_answered,
    one_forbidden_fetch_metadata_header_is_enough,
    only_reads_check_fetch_metadata,
}

const FORBIDDEN: [(&str, &str); 12] = [
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Dest", "iframe"),
    ("Sec-Fetch-Dest", "image"),
    ("Sec-Fetch-Dest", "script"),
    ("Sec-Fetch-Dest", "style"),
    ("Sec-Fetch-Dest", "object"),
    ("Sec-Fetch-Dest", "worker"),
    ("Sec-Fetch-Dest", ""),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-User", "?1"),
    ("Sec-Fetch-Site", "none"),
    ("sec-fetch-mode", "navigate"),
];

// R0.26
fn navigation_or_subresource_read_is_forbidden(server: &Server) {
    let session = server.create("hello");
    for (name, value) in FORBIDDEN {
        let read = Request::get(&at(&session.id)).header(name, value);
        let reply = server.call(&read);
        assert_eq!(reply.status, 403, "{name}: {value}: {reply}");
        reply.expect_error(403, "M_FORBIDDEN");
    }
    server.assert_holds(&session.id, "hello", &session.token);
}

// R0.26
fn read_by_script_is_answered(server: &Server) {
    let session = server.create("hello");
    for (mode, site) in [
        ("cors", "cross-site"),
        ("same-origin", "same-origin"),
        ("cors", "same-site"),
    ] {
        let read = Request::get(&at(&session.id))
            .header("Sec-Fetch-Dest", "empty")
            .header("Sec-Fetch-Mode", mode)
            .header("Sec-Fetch-Site", site);
        assert_eq!(server.call(&read).expect(200).text("data"), "hello");
    }
}

// R0.26
fn one_forbidden_fetch_metadata_header_is_enough(server: &Server) {
    let session = server.create("hello");
    for (name, value) in FORBIDDEN {
        let mut read = Request::get(&at(&session.id));
        let good = [
            ("Sec-Fetch-Dest", "empty"),
            ("Sec-Fetch-Mode", "cors"),
            ("Sec-Fetch-Site", "cross-site"),
        ];
        for (other, harmless) in good
            .into_iter()
            .filter(|(other, _)| !other.eq_ignore_ascii_case(name))
        {
            read = read.header(other, harmless);
        }
        server
            .call(&read.header(name, value))
            .expect_error(403, "M_FORBIDDEN");
    }
}

// R0.26
fn only_reads_check_fetch_metadata(server: &Server) {
    for (name, value) in FORBIDDEN {
        let with = |request: Request| server.call(&request.header(name, value));
        with(Request::get(UNSTABLE)).expect(200);
        let created = with(Request::post(UNSTABLE).json(&json!({"data": "hello"}))).expect(200);
        let (path, token) = (at(&created.text("id")), created.text("sequence_token"));
        let written = with(Request::put(&path).json(&body(&token, "next"))).expect(200);
        let next = body(&written.text("sequence_token"), "after next");
        with(Request::put(&format!("{path}/txn")).json(&next)).expect(200);
        with(Request::delete(&path)).expect(200);
    }
}
