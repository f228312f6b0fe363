//! Results of token checks are cached, and concurrent checks of one token share one query.

use super::{assert_refused, creation, discovery, start, start_with, with_token};
use serde_json::json;
use std::thread;
use testkit::api::at;
use testkit::homeserver::{HomeserverStub, TokenReply};
use testkit::http::Request;

/// Concurrent requests in total, and requests in sequence per client.
const CLIENTS: usize = 50;
const EACH: usize = 20;

#[test]
fn concurrent_requests_with_one_token_query_once() {
    let (verifier, server) = start("authenticated");
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    server.call(&with_token(creation(), "good")).expect(200);
                }
            });
        }
    });
    assert_eq!(verifier.requests_about("good").len(), 1);
    let metrics = server.metrics();
    let checks = |cached: &str| {
        let labels = [("outcome", "accepted"), ("cached", cached)];
        metrics.sum("rendezvous_auth_checks_total", &labels)
    };
    assert_eq!(checks("false"), 1);
    assert_eq!(checks("true"), (CLIENTS * EACH - 1) as u64);
}

#[test]
fn rejected_token_is_cached() {
    let (verifier, server) = start("authenticated");
    for _ in 0..20 {
        assert_refused(
            server.call(&with_token(creation(), "gone")),
            "M_UNKNOWN_TOKEN",
            false,
        );
    }
    // The result is cached for 5 s, and this takes milliseconds. If the machine stalls for seconds,
    // there are two queries.
    let asked = verifier.requests_about("gone").len();
    assert!((1..=2).contains(&asked), "{asked}");
}

#[test]
fn cache_distinguishes_tokens() {
    let (verifier, server) = start("authenticated");
    verifier.set_reply(
        "guest",
        TokenReply::json(200, &json!({"user_id": "@1:example.org", "is_guest": true})),
    );
    server.call(&with_token(creation(), "good")).expect(200);
    server
        .call(&with_token(creation(), "guest"))
        .expect_error(403, "M_FORBIDDEN");
    assert_refused(
        server.call(&with_token(creation(), "good2")),
        "M_UNKNOWN_TOKEN",
        false,
    );
    assert_refused(
        server.call(&with_token(creation(), "goo")),
        "M_UNKNOWN_TOKEN",
        false,
    );
    server.call(&with_token(creation(), "good")).expect(200);
}

/// A flood of made-up tokens from one address exceeds that address's rate before any query. Clients
/// at other addresses are served.
#[test]
fn flood_of_made_up_tokens_spares_honest_users() {
    let verifier = HomeserverStub::start();
    let more = [
        ("limits.enabled", "true"),
        ("limits.create.client.burst", "5"),
        ("limits.create.client.per_second", "0.001"),
        ("http.trusted_proxies", "127.0.0.1"),
    ];
    let server = start_with(&verifier, "authenticated", &more);
    let from = |request, address: &str| -> testkit::http::Request {
        let request: testkit::http::Request = request;
        request.header("X-Forwarded-For", address)
    };
    thread::scope(|scope| {
        for client in 0..4 {
            let (server, from) = (&server, &from);
            scope.spawn(move || {
                for number in 0..2500 {
                    let token = format!("made-up-{client}-{number}");
                    let reply = server.call(&from(with_token(creation(), &token), "192.0.2.66"));
                    assert!([401, 429].contains(&reply.status), "{reply}");
                }
            });
        }
        for user in 0..50 {
            let token = format!("user-{user}");
            verifier.set_reply(&token, TokenReply::user(&format!("@{user}:example.org")));
            let reply = server.call(&from(
                with_token(creation(), &token),
                &format!("198.51.100.{user}"),
            ));
            reply.expect(200);
        }
    });
    let made_up = verifier
        .requests()
        .iter()
        .filter(|asked| asked.authorization.contains("made-up"))
        .count();
    assert_eq!(made_up, 5, "no more than the burst");
}

/// Two devices at two addresses with one user.
#[test]
fn user_quota_holds_across_addresses() {
    let verifier = HomeserverStub::start();
    verifier.set_reply("phone", TokenReply::user("@anna:example.org"));
    verifier.set_reply("laptop", TokenReply::user("@anna:example.org"));
    verifier.set_reply("other", TokenReply::user("@berta:example.org"));
    let settings = [
        ("limits.enabled", "true"),
        ("limits.live.user", "2"),
        ("http.trusted_proxies", "127.0.0.1"),
    ];
    let server = start_with(&verifier, "authenticated", &settings);
    let create = |token, address| {
        server.call(&with_token(creation(), token).header("X-Forwarded-For", address))
    };
    let first = create("phone", "192.0.2.1").expect(200).text("id");
    create("laptop", "192.0.2.2").expect(200);
    create("phone", "192.0.2.3").expect_error(429, "M_LIMIT_EXCEEDED");
    create("other", "192.0.2.1").expect(200);
    let refused = server
        .metrics()
        .sum("rendezvous_rejections_total", &[("reason", "live_user")]);
    assert_eq!(refused, 1);
    server.call(&Request::delete(&at(&first))).expect(200);
    create("laptop", "192.0.2.3").expect(200);
}

/// Devices at many addresses, and discoveries, which do not count as creations.
#[test]
fn user_creation_rate_holds_across_addresses() {
    let verifier = HomeserverStub::start();
    verifier.set_reply("phone", TokenReply::user("@anna:example.org"));
    verifier.set_reply("other", TokenReply::user("@berta:example.org"));
    let settings = [
        ("limits.enabled", "true"),
        ("limits.create.user.burst", "2"),
        ("limits.create.user.per_second", "0.001"),
        ("http.trusted_proxies", "127.0.0.1"),
    ];
    let server = start_with(&verifier, "authenticated", &settings);
    let from = |request, token, number: u8| {
        let address = format!("192.0.2.{number}");
        server.call(&with_token(request, token).header("X-Forwarded-For", &address))
    };
    for number in 0..4 {
        from(discovery(), "phone", number).expect(200);
    }
    from(creation(), "phone", 1).expect(200);
    from(creation(), "phone", 2).expect(200);
    from(creation(), "phone", 3).expect_error(429, "M_LIMIT_EXCEEDED");
    let labels = [("reason", "create_user")];
    let refused = server.metrics().sum("rendezvous_rejections_total", &labels);
    assert_eq!(refused, 1);
    from(creation(), "other", 3).expect(200);
}
