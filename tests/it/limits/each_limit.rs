//! Each limit on its own: per network, per session, by address; and all of them in shadow mode.

use super::{TRUSTED, start};
use crate::server::{Server, on_both_stores};
use serde_json::json;
use testkit::api::{UNSTABLE, at};
use testkit::etag::{ETAG, creation as mailbox};
use testkit::eventually;
use testkit::http::{Connection, Reply, Request};
use testkit::server::Store;

const ON: (&str, &str) = ("limits.enabled", "true");

fn creation() -> Request {
    Request::post(UNSTABLE).json(&json!({"data": "x"}))
}

fn from(server: &Server, client: &str, request: Request) -> Reply {
    server.call(&request.header("X-Forwarded-For", client))
}

fn refusals(server: &Server, reason: &str) -> u64 {
    let labels = [("reason", reason)];
    server.metrics().sum("rendezvous_rejections_total", &labels)
}

fn shadowed(server: &Server, limit: &str) -> u64 {
    let labels = [("limit", limit)];
    server.metrics().sum("rendezvous_shadowed_total", &labels)
}

#[test]
fn clients_of_one_48_share_its_creation_rate() {
    let settings = [
        ON,
        ("limits.create.network.burst", "3"),
        ("limits.create.network.per_second", "0.001"),
    ];
    let server = start(&settings, &[TRUSTED]);
    for subnet in 0..3 {
        from(&server, &format!("2001:db8:1:{subnet}::1"), creation()).expect(200);
    }
    let refused = from(&server, "2001:db8:1:77::1", creation());
    refused.expect_error(429, "M_LIMIT_EXCEEDED");
    assert_eq!(refusals(&server, "create_network"), 1);
    from(&server, "2001:db8:2::1", creation()).expect(200);
    from(&server, "203.0.113.1", creation()).expect(200);
}

#[test]
fn clients_of_one_48_share_its_request_rate() {
    let settings = [
        ON,
        ("limits.requests.network.burst", "3"),
        ("limits.requests.network.per_second", "0.001"),
    ];
    let server = start(&settings, &[TRUSTED]);
    let path = at(&server.create("x").id);
    for subnet in 0..3 {
        let client = format!("2001:db8:1:{subnet}::1");
        from(&server, &client, Request::get(&path)).expect(200);
    }
    let refused = from(&server, "2001:db8:1:77::1", Request::get(&path));
    refused.expect_error(429, "M_LIMIT_EXCEEDED");
    assert_eq!(refusals(&server, "requests_network"), 1);
    from(&server, "2001:db8:2::1", Request::get(&path)).expect(200);
}

on_both_stores! {
    with [
        "limits.enabled" = "true",
        "http.trusted_proxies" = "127.0.0.1",
        "session.max_live" = "20",
        "limits.live.ipv4_24" = "0.1",
        "limits.live.ipv4_16" = "0.2",
        "limits.live.ipv6_40" = "0.1",
        "limits.live.ipv6_32" = "0.2",
        "limits.shadow" = "live_ipv6_32"
    ];
    wide_networks_share_live_sessions,
}

fn wide_networks_share_live_sessions(server: &Server) {
    let creates = |client: &str, expected| {
        from(server, client, creation()).expect(expected);
    };
    // Two of each /24 and /40, four of each /16 and /32.
    for (client, expected) in [
        ("203.0.1.1", 200),
        ("203.0.1.2", 200),
        ("203.0.1.3", 429),
        ("203.0.2.1", 200),
        ("203.0.3.1", 200),
        ("203.0.4.1", 429),
        ("203.1.1.1", 200),
        ("2001:db8:100::1", 200),
        ("2001:db8:101::1", 200),
        ("2001:db8:102::1", 429),
        ("2001:db8:200::1", 200),
        ("2001:db8:300::1", 200),
        // In shadow mode.
        ("2001:db8:400::1", 200),
    ] {
        creates(client, expected);
    }
    for limit in ["live_ipv4_24", "live_ipv4_16", "live_ipv6_40"] {
        assert_eq!(refusals(server, limit), 1, "{limit}");
    }
    assert_eq!(refusals(server, "live_ipv6_32"), 0);
    assert_eq!(shadowed(server, "live_ipv6_32"), 1);
}

#[test]
fn session_rate_holds_across_clients() {
    let settings = [
        ON,
        ("limits.requests.session.burst", "3"),
        ("limits.requests.session.per_second", "0.001"),
    ];
    let server = start(&settings, &[TRUSTED]);
    let [one, other] = [(); 2].map(|()| at(&server.create("x").id));
    for client in 0..3 {
        from(&server, &format!("203.0.113.{client}"), Request::get(&one)).expect(200);
    }
    let refused = from(&server, "203.0.113.9", Request::get(&one));
    refused.expect_error(429, "M_LIMIT_EXCEEDED");
    assert_eq!(refusals(&server, "requests_session"), 1);
    from(&server, "203.0.113.9", Request::get(&other)).expect(200);
}

/// A rejection because of a full table would end sign-ins that have begun.
#[test]
fn session_requests_pass_when_the_table_is_full() {
    let settings = [
        ON,
        ("limits.max_keys", "1"),
        ("limits.requests.client.burst", "1"),
        ("limits.requests.client.per_second", "0.001"),
        // All requests are on one session.
        ("limits.requests.session.burst", "1000"),
    ];
    let server = start(&settings, &[TRUSTED]);
    let path = at(&server.create("x").id);
    // Each of the 16 shards tracks one key, so after this number none is free.
    for client in 0..400 {
        let client = format!("198.51.{}.{}", client / 200, client % 200);
        from(&server, &client, Request::get(&path)).expect(200);
    }
    for _ in 0..5 {
        from(&server, "203.0.113.9", Request::get(&path)).expect(200);
    }
}

// R0.31
#[test]
fn requests_in_flight_per_session_are_limited() {
    let server = Server::start(Store::Memory, &[]);
    let [session, other] = [(); 2].map(|()| server.create("x"));
    // Writes stay in flight until their bodies arrive.
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
        at(&session.id)
    );
    let mut under_way: Vec<_> = (0..64).map(|_| Connection::open(server.http)).collect();
    for connection in &mut under_way {
        connection.write(head.as_bytes());
    }
    eventually("all are under way", || {
        let count = server
            .metrics()
            .sum("rendezvous_http_requests_in_flight", &[]);
        (count == 64).then_some(())
    });
    let refused = server.call(&Request::get(&at(&session.id)));
    refused.expect_error(429, "M_LIMIT_EXCEEDED");
    assert_eq!(refusals(&server, "session_busy"), 1);
    server.call(&Request::get(&at(&other.id))).expect(200);
    drop(under_way);
    eventually("they are over", || {
        let reply = server.call(&Request::get(&at(&session.id)));
        (reply.status == 200).then_some(())
    });
}

// R0.24
#[test]
fn write_limit_holds_in_both_dialects() {
    let settings = [("session.max_writes", "16"), ("msc4108.enabled", "true")];
    let server = Server::start(Store::Memory, &settings);
    let session = server.create("x");
    let mut token = session.token.clone();
    for number in 0..16 {
        token = server.write(&session.id, &token, &number.to_string());
    }
    let refused = server.put(&session.id, &token, "more");
    refused.expect_error(429, "M_LIMIT_EXCEEDED");
    let put = Request::put(&format!("{ETAG}/{}", session.id))
        .header("If-Match", &format!("\"{token}\""))
        .header("Content-Type", "text/plain")
        .body("more");
    server.call(&put).expect_error(429, "M_LIMIT_EXCEEDED");
    server.assert_holds(&session.id, "15", &token);
    assert_eq!(refusals(&server, "writes_full"), 2);
}

// R0.32
#[test]
fn deny_create_still_allows_reads() {
    let settings = [
        ("limits.deny.create", "203.0.113.0/24,2001:db8::/32"),
        ("msc4108.enabled", "true"),
    ];
    let server = start(&settings, &[TRUSTED]);
    let path = at(&server.create("x").id);
    for client in ["203.0.113.7", "2001:db8:7::7"] {
        for request in [creation(), mailbox("x"), Request::get(UNSTABLE)] {
            from(&server, client, request).expect_error(403, "M_FORBIDDEN");
        }
        from(&server, client, Request::get(&path)).expect(200);
    }
    assert_eq!(refusals(&server, "deny_create"), 6);
    from(&server, "198.51.100.1", creation()).expect(200);
}

// R0.32
#[test]
fn deny_requests_rejects_every_session_request() {
    let settings = [
        ("limits.deny.requests", "203.0.113.7"),
        ("msc4108.enabled", "true"),
    ];
    let server = start(&settings, &[TRUSTED]);
    let session = server.create("x");
    let mailbox = format!("{ETAG}/{}", session.id);
    for request in [
        Request::get(&at(&session.id)),
        Request::delete(&at(&session.id)),
        Request::get(&mailbox),
        Request::delete(&mailbox),
    ] {
        from(&server, "203.0.113.7", request).expect_error(403, "M_FORBIDDEN");
    }
    assert_eq!(refusals(&server, "deny_requests"), 4);
    from(&server, "203.0.113.7", creation()).expect(200);
    from(&server, "203.0.113.8", Request::get(&at(&session.id))).expect(200);
}

on_both_stores! {
    with [
        "limits.enabled" = "true",
        "http.trusted_proxies" = "127.0.0.1",
        "limits.create.client.burst" = "1",
        "limits.create.client.per_second" = "0.001",
        "limits.live.client" = "1",
        "limits.deny.create" = "203.0.113.0/24",
        "limits.shadow" = "create_client,live_client,deny_create"
    ];
    shadow_mode_passes_and_counts,
}

fn shadow_mode_passes_and_counts(server: &Server) {
    for _ in 0..3 {
        from(server, "203.0.113.1", creation()).expect(200);
    }
    assert_eq!(shadowed(server, "deny_create"), 3);
    assert_eq!(shadowed(server, "live_client"), 2);
    // Checked by this replica, and again where the store counts for all replicas.
    let expected = if server.prefix.is_some() { 4 } else { 2 };
    assert_eq!(shadowed(server, "create_client"), expected);
    for reason in ["deny_create", "live_client", "create_client"] {
        assert_eq!(refusals(server, reason), 0);
    }
}

/// Shadow mode of one limit does not affect another.
#[test]
fn shadow_mode_affects_only_the_named_limit() {
    let settings = [
        ON,
        ("limits.create.client.burst", "1"),
        ("limits.create.client.per_second", "0.001"),
        ("limits.live.client", "2"),
        ("limits.requests.client.burst", "1"),
        ("limits.requests.client.per_second", "0.001"),
        ("limits.shadow", "create_client"),
    ];
    let server = start(&settings, &[]);
    server.create("x");
    let path = at(&server.create("x").id);
    server.call(&Request::get(&path)).expect(200);
    let refused = server.call(&Request::get(&path));
    refused.expect_error(429, "M_LIMIT_EXCEEDED");
    server.try_create("x").expect_error(429, "M_LIMIT_EXCEEDED");
    assert_eq!(refusals(&server, "live_client"), 1);
}
