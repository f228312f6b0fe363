//! Attempts to evade limits, or to make the server reject other clients.

use super::{TRUSTED, start};
use crate::server::{Server, ready_on};
use serde_json::json;
use testkit::api::{UNSTABLE, at, body};
use testkit::etag::ETAG;
use testkit::eventually;
use testkit::http::{Connection, Reply, Request};
use testkit::redis::RedisServer;

const ON: (&str, &str) = ("limits.enabled", "true");

fn creation() -> Request {
    Request::post(UNSTABLE).json(&json!({"data": "x"}))
}

fn create_as(server: &Server, forwarded_for: &str) -> Reply {
    server.call(&creation().header("X-Forwarded-For", forwarded_for))
}

/// A proxy appends to whatever the client wrote.
#[test]
fn client_sent_header_does_not_hide_its_address() {
    let server = start(&[("limits.deny.create", "203.0.113.9")], &[TRUSTED]);
    for written in [
        "zz",
        "\u{e9}",
        "\u{ff}\u{ff}",
        "",
        ",",
        "\"",
        "198.51.100.1,",
    ] {
        let refused = create_as(&server, &format!("{written}, 203.0.113.9"));
        refused.expect_error(403, "M_FORBIDDEN");
    }
    create_as(&server, "203.0.113.9,").expect_error(403, "M_FORBIDDEN");
    create_as(&server, "203.0.113.9, 198.51.100.1").expect(200);
}

/// A range is what an operator wrote: one host, or a network in any notation.
#[test]
fn denied_range_matches_every_address_notation() {
    let denied = "2001:db8:0:1::5,2001:db8:0:2:ffff::/80,::ffff:203.0.113.0/120,::ffff:192.0.2.1,\
                  64:ff9b::198.51.100.0/120";
    let server = start(&[("limits.deny.create", denied)], &[TRUSTED]);
    for client in [
        "2001:db8:0:1::5",
        "2001:db8:0:2:ffff::1",
        "203.0.113.77",
        "::ffff:203.0.113.77",
        "192.0.2.1",
        "64:ff9b::192.0.2.1",
        "64:ff9b::203.0.113.77",
        "64:ff9b::198.51.100.1",
    ] {
        create_as(&server, client).expect_error(403, "M_FORBIDDEN");
    }
    for client in [
        "2001:db8:0:1::6",
        "2001:db8:0:2::1",
        "203.0.114.1",
        "192.0.2.2",
        "64:ff9b::192.0.2.2",
        "198.51.100.1",
    ] {
        create_as(&server, client).expect(200);
    }
}

/// Its /64 networks would fill the table twice, and all new clients would share the rest.
#[test]
fn rotating_network_leaves_room_for_other_clients() {
    let settings = [
        ON,
        ("limits.max_keys", "512"),
        ("limits.create.client.burst", "1"),
        ("limits.create.client.per_second", "0.001"),
        ("limits.create.network.burst", "4"),
        ("limits.create.network.per_second", "0.001"),
    ];
    let server = start(&settings, &[TRUSTED]);
    for subnet in 0..1000 {
        let reply = create_as(&server, &format!("2001:db8:1:{subnet:x}::1"));
        assert_eq!(reply.status, if subnet < 4 { 200 } else { 429 }, "{subnet}");
    }
    for client in 0..32 {
        create_as(&server, &format!("203.0.113.{client}")).expect(200);
    }
    let overflows = "rendezvous_limiter_overflows_total";
    assert_eq!(server.metrics().sum(overflows, &[]), 0);
}

/// A write without a body: a rejected one is answered at once and holds nothing.
// R2.14, R2.15
#[test]
fn rejected_request_body_is_not_awaited() {
    let settings = [
        ON,
        ("msc4108.enabled", "true"),
        ("limits.deny.requests", "203.0.113.9"),
        ("limits.requests.client.burst", "1"),
        ("limits.requests.client.per_second", "0.001"),
        // Longer than this test waits.
        ("http.body_timeout", "300s"),
        ("http.request_timeout", "300s"),
    ];
    let server = start(&settings, &[TRUSTED]);
    let letters = server.open_mailbox("hello");
    let json = at(letters.id());
    let spent = "203.0.113.1";
    server
        .call(&letters.get().header("X-Forwarded-For", spent))
        .expect(200);
    for (client, expected) in [("203.0.113.9", 403), (spent, 429)] {
        for (path, head) in [
            (
                &letters.path,
                format!("If-Match: {}\r\nContent-Type: text/plain", letters.etag),
            ),
            (&json, "Content-Type: application/json".to_owned()),
        ] {
            let mut connection = Connection::open(server.http);
            let head = format!(
                "PUT {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\n{head}\r\nContent-Length: 9\r\n\r\nhalf"
            );
            connection.write(head.as_bytes());
            let reply = connection.reply();
            assert_eq!(reply.status, expected, "{path}: {reply}");
            assert!(reply.says_close(), "{reply}");
        }
    }
    // If the body has arrived, the response names the state that the write would have produced
    // (docs/protocol.md, R2.14).
    let write = letters.put(&letters.etag, "next");
    let refused = server
        .call(&write.header("X-Forwarded-For", spent))
        .expect(429);
    let written = server.call(&letters.put(&letters.etag, "next")).expect(202);
    assert_eq!(refused.etag(), written.etag());
}

/// Through a proxy that does not buffer, a client could otherwise have as many unfinished requests
/// as the proxy has connections.
#[test]
fn requests_in_flight_per_client_are_limited() {
    assert_in_flight_limit_of_creations(UNSTABLE);
}

#[test]
fn etag_creations_in_flight_per_client_are_limited() {
    assert_in_flight_limit_of_creations(ETAG);
}

/// 256 creations without their bodies use up the client's requests in flight, and no other client's.
fn assert_in_flight_limit_of_creations(path: &str) {
    let settings = [
        ON,
        ("limits.create.client.burst", "1000"),
        ("http.body_timeout", "300s"),
        ("msc4108.enabled", "true"),
        ("http.public_base_url", "https://rendezvous.test"),
    ];
    let server = start(&settings, &[TRUSTED]);
    let session = server.create("x");
    let head = |client: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\n\
             Content-Type: text/plain\r\nContent-Length: 9\r\n\r\n"
        )
    };
    let busy = "203.0.113.1";
    let mut slow: Vec<_> = (0..256).map(|_| Connection::open(server.http)).collect();
    for connection in &mut slow {
        connection.write(head(busy).as_bytes());
    }
    eventually("256 requests are in flight", || {
        let metrics = server.metrics();
        (metrics.sum("rendezvous_http_requests_in_flight", &[]) == 256).then_some(())
    });
    let read = |client: &str| {
        let read = Request::get(&at(&session.id)).header("X-Forwarded-For", client);
        server.call(&read)
    };
    read(busy).expect_error(429, "M_LIMIT_EXCEEDED");
    let reason = [("reason", "client_busy")];
    assert_eq!(
        server.metrics().sum("rendezvous_rejections_total", &reason),
        1
    );
    read("203.0.113.2").expect(200);
    drop(slow);
    eventually("they are over", || (read(busy).status == 200).then_some(()));
}

/// Redis' clock was set back, or another program wrote the key.
#[test]
fn future_rate_state_blocks_at_most_one_burst() {
    let redis = RedisServer::start();
    let settings = [
        ON,
        ("limits.create.client.burst", "4"),
        ("limits.create.client.per_second", "1"),
    ];
    let worker = ready_on(&redis.url(), &settings);
    worker.create("one");
    let rate = redis.command(&["KEYS", "mrv:{lease}:c:*:r"]).texts();
    let [rate] = &rate[..] else {
        panic!("{rate:?}")
    };
    let seconds: u64 = redis.command(&["TIME"]).texts()[0]
        .parse()
        .expect("a number");
    let later = ((seconds + 3600) * 1_000_000).to_string();
    redis.command(&["SET", rate, &later]);
    // One creation of the burst is left, and the next is a second away.
    worker.create("two");
    let refused = worker
        .try_create("three")
        .expect_error(429, "M_LIMIT_EXCEEDED");
    assert!(refused.number("retry_after_ms") <= 1000, "{refused}");
    redis.command(&["SET", rate, "not a number"]);
    worker.create("three");
}

/// Twenty people behind one address discover and create.
#[test]
fn discovery_does_not_use_up_the_creation_rate() {
    let server = start(&[ON], &[TRUSTED]);
    for _ in 0..20 {
        server
            .call(&Request::get(UNSTABLE).header("X-Forwarded-For", "203.0.113.1"))
            .expect(200);
        create_as(&server, "203.0.113.1").expect(200);
    }
    create_as(&server, "203.0.113.1").expect_error(429, "M_LIMIT_EXCEEDED");
}

/// With the defaults, 50 sign-ins behind one address, with two devices each that poll once a second
/// for a minute and write eight times, cause 100 polls a second and a few writes, all at the same
/// moment.
#[test]
fn all_sessions_of_one_address_can_poll() {
    let settings = [ON, ("limits.create.client.burst", "50")];
    let server = start(&settings, &[TRUSTED]);
    let mine = |request: Request| server.call(&request.header("X-Forwarded-For", "203.0.113.1"));
    let mut sessions: Vec<_> = (0..50)
        .map(|_| {
            let created = mine(creation()).expect(200);
            (created.text("id"), created.text("sequence_token"))
        })
        .collect();
    // Ten seconds of polls in less than ten seconds: the burst alone must hold them.
    for second in 0..10 {
        for (id, token) in &mut sessions {
            for _device in 0..2 {
                mine(Request::get(&at(id))).expect(200);
            }
            if second % 2 == 0 {
                let write = Request::put(&at(id)).json(&body(token, &second.to_string()));
                *token = mine(write).expect(200).text("sequence_token");
            }
        }
    }
}
