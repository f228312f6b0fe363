//! Every request series is 0 from the start: no request of either dialect creates one. A rate over
//! a series that appears with its first event misses that event.

use crate::server::{Server, on_both_stores};
use std::collections::BTreeSet;
use testkit::api::{STABLE, UNSTABLE, at};
use testkit::etag::{ETAG, creation};
use testkit::http::Request;

on_both_stores! {
    with ["msc4108.enabled" = "true"];
    requests_create_no_new_series,
}

fn requests_create_no_new_series(server: &Server) {
    let series = || {
        let metrics = server.metrics();
        let samples = metrics.samples("rendezvous_http_requests_total");
        samples
            .into_iter()
            .map(|(labels, _)| labels.to_owned())
            .collect::<BTreeSet<_>>()
    };
    let from_the_start = series();
    let mailbox = server.open_mailbox("hello");
    let session = server.create("hello");
    let page = |path: &str| Request::get(path).header("Sec-Fetch-Mode", "navigate");
    let txn = |data: &str| {
        Request::put(&format!("{}/txn", at(&session.id))).body(format!(
            r#"{{"sequence_token":"{}","data":"{data}"}}"#,
            session.token
        ))
    };
    for (status, request) in [
        (304, mailbox.poll(&mailbox.etag)),
        (412, mailbox.put("\"stale\"", "x")),
        (202, mailbox.put(&mailbox.etag, "x")),
        (400, Request::put(&mailbox.path).body("x")),
        (413, creation("x".repeat(5000))),
        (400, Request::post(ETAG)),
        (403, page(&mailbox.path)),
        (405, Request::get(ETAG)),
        (405, Request::post(&mailbox.path)),
        (404, Request::get(&format!("{ETAG}/x/y"))),
        (204, Request::options(&mailbox.path)),
        (200, Request::new("HEAD", &mailbox.path)),
        (204, Request::delete(&mailbox.path)),
        (404, mailbox.get()),
        (200, txn("next")),
        (403, page(&at(&session.id))),
        (404, Request::get(&format!("{UNSTABLE}/x/y/z"))),
        (404, Request::get(STABLE)),
        (404, Request::new("PATCH", STABLE)),
        (405, Request::new("PATCH", UNSTABLE)),
        (200, Request::get(UNSTABLE)),
        (404, Request::get("/unknown")),
        (200, Request::delete(&at(&session.id))),
    ] {
        server.call(&request).expect(status);
    }
    let made: Vec<_> = series().difference(&from_the_start).cloned().collect();
    assert_eq!(made, Vec::<String>::new());
}
