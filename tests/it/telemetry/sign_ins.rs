//! Sign-in metrics: created, scanned, answered, number of writes, end.

use crate::server::{Server, on_both_stores};
use testkit::api::at;
use testkit::http::Request;

on_both_stores! {
    with ["msc4108.enabled" = "true"];
    all_sign_in_series_start_at_zero,
    etag_sign_in_is_counted_step_by_step,
    json_sign_in_is_counted_step_by_step,
    mangled_etags_are_counted_by_form,
}

/// The funnel of one API: created, scanned, written for the first to the fourth time, deleted.
fn funnel(server: &Server, api: &str) -> [u64; 7] {
    let metrics = server.metrics();
    let of = |name: &str, labels: &[(&str, &str)]| {
        metrics.sum(
            &format!("rendezvous_sessions_{name}_total"),
            &[labels, &[("api", api)]].concat(),
        )
    };
    let written = |write| of("written", &[("write", write)]);
    [
        of("created", &[]),
        of("scanned", &[]),
        written("1"),
        written("2"),
        written("3"),
        written("4"),
        of("deleted", &[]),
    ]
}

fn reads(server: &Server, api: &str) -> [u64; 3] {
    let metrics = server.metrics();
    ["found", "unchanged", "gone"].map(|outcome| {
        let labels = [("api", api), ("outcome", outcome)];
        metrics.sum("rendezvous_reads_total", &labels)
    })
}

fn all_sign_in_series_start_at_zero(server: &Server) {
    for api in ["msc4388", "v1", "msc4108"] {
        assert_eq!(funnel(server, api), [0; 7]);
        assert_eq!(reads(server, api), [0; 3]);
        let metrics = server.metrics();
        for histogram in [
            "rendezvous_session_step_seconds",
            "rendezvous_payload_bytes",
        ] {
            let count = metrics.sum(&format!("{histogram}_count"), &[("api", api)]);
            assert_eq!(count, 0, "{histogram}");
        }
        for write in 5..=8 {
            let write = write.to_string();
            let labels = [("api", api), ("write", &*write)];
            for counter in [
                "rendezvous_sessions_written_total",
                "rendezvous_session_step_seconds_count",
            ] {
                assert_eq!(metrics.sum(counter, &labels), 0, "{counter}");
            }
        }
    }
    let metrics = server.metrics();
    assert_eq!(metrics.sum("rendezvous_sessions_expired_total", &[]), 0);
}

fn etag_sign_in_is_counted_step_by_step(server: &Server) {
    let mailbox = server.open_mailbox("");
    server.call(&mailbox.poll(&mailbox.etag)).expect(304);
    server.call(&mailbox.poll(&mailbox.etag)).expect(304);
    assert_eq!(funnel(server, "msc4108"), [1, 0, 0, 0, 0, 0, 0], "waiting");
    // The other device has scanned the code.
    server.call(&mailbox.get()).expect(200);
    assert_eq!(funnel(server, "msc4108"), [1, 1, 0, 0, 0, 0, 0]);
    let mut etag = mailbox.etag.clone();
    for number in 0..3 {
        let written = server.call(&mailbox.put(&etag, &format!("message {number}")));
        etag = written.expect(202).etag();
    }
    // A read without a token comes late now, and does not count as a scan.
    server.call(&mailbox.get()).expect(200);
    server.call(&Request::delete(&mailbox.path)).expect(204);
    server.call(&mailbox.get()).expect(404);
    assert_eq!(funnel(server, "msc4108"), [1, 1, 1, 1, 1, 0, 1]);
    assert_eq!(reads(server, "msc4108"), [2, 2, 1]);
    assert_eq!(funnel(server, "msc4388"), [0; 7], "each API for itself");
    let metrics = server.metrics();
    let steps = ["1", "2", "3", "4"].map(|write| {
        let soon = [("api", "msc4108"), ("write", write), ("le", "120")];
        metrics.sum("rendezvous_session_step_seconds_bucket", &soon)
    });
    assert_eq!(steps, [1, 1, 1, 0]);
}

fn json_sign_in_is_counted_step_by_step(server: &Server) {
    let session = server.create("hello");
    server.read(&session.id);
    let one = server.write(&session.id, &session.token, "one");
    // Neither a retry nor a conflict is a step.
    server.write(&session.id, &session.token, "one");
    server.put(&session.id, &session.token, "late").expect(409);
    server.put_txn(&session.id, "txn", &one, "two").expect(200);
    server.put_txn(&session.id, "txn", &one, "two").expect(200);
    server.call(&Request::delete(&at(&session.id))).expect(200);
    assert_eq!(funnel(server, "msc4388"), [1, 1, 1, 1, 0, 0, 1]);
    let metrics = server.metrics();
    let payloads = |le: &str| {
        let labels = [("api", "msc4388"), ("le", le)];
        metrics.sum("rendezvous_payload_bytes_bucket", &labels)
    };
    assert_eq!(payloads("64"), 3, "three were stored");
    let large = server.create(&"x".repeat(4096));
    server.call(&Request::delete(&at(&large.id))).expect(200);
    let metrics = server.metrics();
    let labels = |le| [("api", "msc4388"), ("le", le)];
    let payloads = "rendezvous_payload_bytes_bucket";
    assert_eq!(metrics.sum(payloads, &labels("2048")), 3);
    assert_eq!(metrics.sum(payloads, &labels("4096")), 4);
}

fn mangled_etags_are_counted_by_form(server: &Server) {
    let mailbox = server.open_mailbox("hello");
    let etag = mailbox.etag.clone();
    let token = etag.trim_matches('"');
    let counted = || {
        let metrics = server.metrics();
        ["weak", "unquoted", "gzip", "br", "zstd", "deflate"].map(|form| {
            let labels = [("form", form)];
            metrics.sum("rendezvous_etags_mangled_total", &labels)
        })
    };
    server.call(&mailbox.poll(&etag)).expect(304);
    server.call(&mailbox.poll("\"nonsense-gzip\"")).expect(200);
    assert_eq!(counted(), [0; 6]);
    for sent in [
        format!("W/\"{token}\""),
        token.to_owned(),
        format!("\"{token}-gzip\""),
        format!("W/\"{token}--gzip\""),
        format!("\"{token}-br\""),
    ] {
        server.call(&mailbox.poll(&sent)).expect(304);
    }
    assert_eq!(counted(), [1, 1, 2, 1, 0, 0]);
    let write = mailbox.put(&format!("\"{token};gzip\""), "x");
    server.call(&write).expect(202);
    assert_eq!(counted(), [1, 1, 3, 1, 0, 0]);
}
