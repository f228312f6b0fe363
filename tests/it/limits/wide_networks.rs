//! Wide networks count a sample of their sessions. No client can find out which.

use crate::server::{Server, on_both_stores};
use serde_json::json;
use testkit::api::{UNSTABLE, at};
use testkit::http::{Reply, Request};
use testkit::server::{Store, shared_redis};

/// A /16 may have one session of the sample.
const SETTINGS: [(&str, &str); 4] = [
    ("limits.enabled", "true"),
    ("http.trusted_proxies", "127.0.0.1"),
    ("session.max_live", "4096"),
    ("limits.live.ipv4_16", "0.003"),
];

/// Creations until one is rejected. That none of them is in the sample of one in eight has a chance of
/// 10^-17.
const ATTEMPTS: usize = 300;

on_both_stores! {
    with [
        "limits.enabled" = "true",
        "http.trusted_proxies" = "127.0.0.1",
        "session.max_live" = "4096",
        "limits.live.ipv4_16" = "0.003"
    ];
    sample_is_checked_and_outlives_deletions,
}

/// Client number `number` of a /16.
fn create(server: &Server, network: &str, number: usize) -> Reply {
    let creation = Request::post(UNSTABLE).json(&json!({"data": "x"}));
    let client = format!("{network}.{}.{}", number / 50, number % 50);
    server.call(&creation.header("X-Forwarded-For", &client))
}

/// Creates sessions of a /16 until it has one in the sample. Returns their ids, and the rejection of the
/// next.
fn use_up(server: &Server, network: &str) -> (Vec<String>, Reply) {
    let mut ids = Vec::new();
    for number in 0..ATTEMPTS {
        let reply = create(server, network, number);
        if reply.status == 429 {
            return (ids, reply);
        }
        ids.push(reply.expect(200).text("id"));
    }
    panic!("{ATTEMPTS} sessions, and none is counted");
}

fn sample_is_checked_and_outlives_deletions(server: &Server) {
    let (mut ids, _) = use_up(server, "203.0");
    // Sessions that would not be counted are rejected, too.
    for number in 0..20 {
        create(server, "203.0", number).expect_error(429, "M_LIMIT_EXCEEDED");
    }
    let elsewhere = create(server, "203.1", 0).expect(200);
    ids.push(elsewhere.text("id"));
    for id in ids {
        server.call(&Request::delete(&at(&id))).expect(200);
    }
    // Otherwise a client could delete the sample, and fill the store with the rest.
    let rejected = create(server, "203.0", 0).expect_error(429, "M_LIMIT_EXCEEDED");
    // No session is left that could expire first.
    assert!(rejected.number("retry_after_ms") > 100_000, "{rejected}");
}

/// The time until a retry is that of the first lease of all, and not that of the network's.
#[test]
fn rejection_does_not_show_the_sample() {
    let server = Server::start(Store::Redis, &SETTINGS);
    let (_, rejected) = use_up(&server, "203.0");
    assert!(rejected.number("retry_after_ms") > 100_000, "{rejected}");
    let now = shared_redis().command(&["TIME"]).texts();
    let in_a_minute = 1000 * (now[0].parse::<u64>().expect("seconds") + 60);
    let prefix = server.prefix.as_ref().expect("a prefix");
    let index = format!("{prefix}{{lease}}:live");
    let add = ["ZADD", &index, &in_a_minute.to_string(), "other"];
    assert_eq!(shared_redis().command(&add).int(), 1);
    let rejected = create(&server, "203.0", 0);
    assert!(rejected.number("retry_after_ms") <= 60_000, "{rejected}");
}
