//! The metrics that dashboards and alerts rely on: present from the start, counted correctly,
//! without identities.

use crate::server::{Server, on_both_stores};
use testkit::api::{UNSTABLE, at};
use testkit::eventually;
use testkit::http::Request;
use testkit::metrics::Metrics;

on_both_stores! {
    all_metrics_exist_from_the_start,
    counters_start_at_zero,
    sessions_and_writes_are_counted_by_outcome,
    live_sessions_come_from_the_store,
    requests_are_counted_by_route_and_status,
    no_label_contains_a_session_id,
}

on_both_stores! {
    with ["session.max_live" = "1"];
    rejections_are_counted_by_reason,
}

const NAMES: [(&str, &str); 19] = [
    ("rendezvous_http_requests_total", "counter"),
    ("rendezvous_http_request_duration_seconds", "histogram"),
    ("rendezvous_http_requests_in_flight", "gauge"),
    ("rendezvous_connections", "gauge"),
    ("rendezvous_sessions_created_total", "counter"),
    ("rendezvous_sessions_deleted_total", "counter"),
    ("rendezvous_sessions_live", "gauge"),
    ("rendezvous_writes_total", "counter"),
    ("rendezvous_rejections_total", "counter"),
    ("rendezvous_store_operation_duration_seconds", "histogram"),
    ("rendezvous_store_waiting", "gauge"),
    ("rendezvous_store_wait_duration_seconds", "histogram"),
    ("rendezvous_reads_held", "gauge"),
    ("rendezvous_hold_duration_seconds", "histogram"),
    ("rendezvous_store_up", "gauge"),
    ("rendezvous_store_reconnects_total", "counter"),
    ("rendezvous_limiter_keys", "gauge"),
    ("rendezvous_build_info", "gauge"),
    ("process_open_fds", "gauge"),
];

fn all_metrics_exist_from_the_start(server: &Server) {
    let metrics = server.metrics();
    for (name, kind) in NAMES {
        assert!(
            metrics.0.contains(&format!("# HELP {name} ")),
            "no help of {name}"
        );
        assert!(
            metrics.0.contains(&format!("# TYPE {name} {kind}\n")),
            "no {kind} {name}"
        );
        let sample = if kind == "histogram" {
            format!("{name}_count")
        } else {
            name.to_owned()
        };
        assert!(!metrics.samples(&sample).is_empty(), "no sample of {name}");
    }
    let labels = [
        (
            "rendezvous_http_requests_total",
            &["api", "route", "method", "status"][..],
        ),
        (
            "rendezvous_http_request_duration_seconds_count",
            &["api", "route"],
        ),
        ("rendezvous_connections", &["state"]),
        ("rendezvous_sessions_created_total", &["api"]),
        ("rendezvous_sessions_deleted_total", &["api"]),
        ("rendezvous_writes_total", &["api", "outcome"]),
        ("rendezvous_rejections_total", &["reason"]),
        (
            "rendezvous_store_operation_duration_seconds_count",
            &["operation", "outcome"],
        ),
        ("rendezvous_store_wait_duration_seconds_count", &["outcome"]),
        ("rendezvous_hold_duration_seconds_count", &["end"]),
        ("rendezvous_limiter_keys", &["limiter"]),
        ("rendezvous_build_info", &["version", "revision"]),
    ];
    for (name, labels) in labels {
        for (of, _) in metrics.samples(name) {
            let mut named: Vec<_> = of
                .split(',')
                .filter_map(|l| Some(l.split_once('=')?.0))
                .collect();
            let mut labels = labels.to_vec();
            named.sort_unstable();
            labels.sort_unstable();
            assert_eq!(named, labels, "{name}");
        }
    }
}

fn counters_start_at_zero(server: &Server) {
    let metrics = server.metrics();
    let zero = [
        "rendezvous_http_requests_total",
        "rendezvous_http_request_duration_seconds_count",
        "rendezvous_http_requests_in_flight",
        "rendezvous_connections",
        "rendezvous_sessions_created_total",
        "rendezvous_sessions_deleted_total",
        "rendezvous_sessions_live",
        "rendezvous_rejections_total",
        "rendezvous_store_reconnects_total",
        "rendezvous_store_waiting",
        "rendezvous_store_wait_duration_seconds_count",
    ];
    for name in zero {
        assert_eq!(metrics.sum(name, &[]), 0, "{name}");
    }
    for outcome in OUTCOMES {
        assert_eq!(writes(&metrics, outcome), 0, "{outcome}");
    }
    assert_eq!(metrics.sum("rendezvous_store_up", &[]), 1);
}

const OUTCOMES: [&str; 4] = ["written", "retried", "replayed", "conflict"];

#[track_caller]
fn writes(metrics: &Metrics, outcome: &str) -> u64 {
    metrics.sum("rendezvous_writes_total", &[("outcome", outcome)])
}

fn sessions_and_writes_are_counted_by_outcome(server: &Server) {
    let session = server.create("zero");
    let other = server.create("other");
    let one = server.write(&session.id, &session.token, "one");
    server.write(&session.id, &session.token, "one");
    server.put(&session.id, &session.token, "late").expect(409);
    let two = server
        .put_txn(&session.id, "txn", &one, "two")
        .expect(200)
        .text("sequence_token");
    server.put_txn(&session.id, "txn", &one, "two").expect(200);
    server.put_txn(&session.id, "txn", &one, "two").expect(200);
    server
        .put_txn(&session.id, "late", &one, "late")
        .expect(409);
    server.write(&session.id, &session.token, "one");
    server.write(&session.id, &two, "three");
    server.call(&Request::delete(&at(&other.id))).expect(200);
    server.call(&Request::delete(&at(&other.id))).expect(404);
    let metrics = server.metrics();
    assert_eq!(
        OUTCOMES.map(|outcome| writes(&metrics, outcome)),
        [3, 2, 2, 2]
    );
    assert_eq!(metrics.sum("rendezvous_sessions_created_total", &[]), 2);
    assert_eq!(metrics.sum("rendezvous_sessions_deleted_total", &[]), 1);
}

fn live_sessions_come_from_the_store(server: &Server) {
    let gone = server.create("hello");
    server.create("hello");
    let live = |count: u64| {
        eventually("the gauge follows the store", || {
            (server.metrics().sum("rendezvous_sessions_live", &[]) == count).then_some(())
        });
    };
    live(2);
    server.call(&Request::delete(&at(&gone.id))).expect(200);
    live(1);
}

fn requests_are_counted_by_route_and_status(server: &Server) {
    let count = |method: &str, status: &str| {
        let labels = [("method", method), ("status", status)];
        let metrics = server.metrics();
        let samples = metrics.samples("rendezvous_http_requests_total");
        let fits = |of: &str| {
            labels
                .iter()
                .all(|(k, v)| of.split(',').any(|label| label == format!("{k}=\"{v}\"")))
        };
        let values = samples
            .iter()
            .filter(|(of, _)| fits(of))
            .map(|(_, value)| value.parse::<u64>());
        values.map(|value| value.expect("a number")).sum::<u64>()
    };
    let session = server.create("hello");
    for _ in 0..3 {
        server.read(&session.id);
    }
    server.assert_gone("nothing-is-here");
    server.put(&session.id, "stale", "late").expect(409);
    server.call(&Request::get("/unknown")).expect(404);
    server.call(&Request::new("BREW", UNSTABLE)).expect(405);
    assert_eq!(count("POST", "200"), 1);
    assert_eq!(count("GET", "200"), 3);
    assert_eq!(count("GET", "404"), 2);
    assert_eq!(count("PUT", "409"), 1);
    assert_eq!(
        server.metrics().sum("rendezvous_http_requests_total", &[]),
        8
    );
    let timed = server
        .metrics()
        .sum("rendezvous_http_request_duration_seconds_count", &[]);
    assert_eq!(timed, 8);
}

fn no_label_contains_a_session_id(server: &Server) {
    let session = server.create("some payload of mine");
    server
        .put_txn(&session.id, "some-txn-of-mine", &session.token, "next")
        .expect(200);
    server.call(&Request::get("/some/path/of/mine")).expect(404);
    server.call(&Request::new("MYMETHOD", UNSTABLE)).expect(405);
    let text = server.metrics().0;
    let secrets = [
        &*session.id,
        &*session.token,
        "of mine",
        "some-txn",
        "/some/path",
        "MYMETHOD",
    ];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} stands in the metrics");
    }
}

fn rejections_are_counted_by_reason(server: &Server) {
    let refused = || {
        let metrics = server.metrics();
        let samples = metrics.samples("rendezvous_rejections_total");
        let counted = samples.iter().filter(|(_, count)| *count != "0");
        counted
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(refused(), Vec::<String>::new());
    let session = server.create("hello");
    let navigation = Request::get(&at(&session.id)).header("Sec-Fetch-Mode", "navigate");
    for seen in 1..=2 {
        server.try_create("too many").expect(429);
        server.call(&navigation).expect(403);
        server
            .call(&Request::post(UNSTABLE).body(vec![b' '; 40_000]))
            .expect(413);
        let counted = refused();
        assert_eq!(counted.len(), 3, "{counted:?}");
        assert!(
            counted
                .iter()
                .all(|line| line.ends_with(&format!(" {seen}"))),
            "{counted:?}"
        );
    }
}
