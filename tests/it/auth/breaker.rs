//! The circuit breaker of token checks: an outage opens it, and clients cannot.

use super::{assert_not_available, creation, discovery, start_with, with_token};
use crate::server::Server;
use std::thread;
use testkit::eventually;
use testkit::homeserver::{HomeserverStub, TokenReply};
use testkit::http::{Reply, Request};

/// A server that takes the address of a client from `X-Forwarded-For`.
fn start() -> (HomeserverStub, Server) {
    let verifier = HomeserverStub::start();
    let proxy = ("http.trusted_proxies", "127.0.0.1");
    let server = start_with(&verifier, "authenticated", &[proxy]);
    (verifier, server)
}

fn create_from(server: &Server, address: &str, token: &str) -> Reply {
    server.call(&with_token(creation(), token).header("X-Forwarded-For", address))
}

/// The requests without a token, which are the breaker's probes.
fn probes(verifier: &HomeserverStub) -> usize {
    let requests = verifier.requests().into_iter();
    requests
        .filter(|asked| asked.authorization.is_empty())
        .count()
}

/// Each of 32 users creates a session with a token that was not checked before.
#[track_caller]
fn assert_users_create(verifier: &HomeserverStub, server: &Server, round: &str) {
    for user in 0..32 {
        let token = format!("user-{round}-{user}");
        verifier.set_reply(&token, TokenReply::user(&format!("@{user}:example.org")));
        create_from(server, &format!("198.51.100.{user}"), &token).expect(200);
    }
    assert_eq!(server.metrics().sum("rendezvous_auth_circuit_open", &[]), 0);
}

/// A firewall in front of the homeserver may answer 429 or 502 to what it does not like, or close the
/// connection.
// R1.44
#[test]
fn made_up_tokens_of_one_client_open_no_breaker() {
    let (verifier, server) = start();
    let replies = [
        ("429", TokenReply::Body(429, String::new())),
        ("502", TokenReply::Body(502, String::new())),
        ("closed", TokenReply::Close),
    ];
    for (name, reply) in replies {
        let token = format!("made-up-{name}");
        verifier.set_reply(&token, reply);
        for number in 0..32 {
            // One IPv4 client, and many of one IPv6 /48.
            create_from(&server, "192.0.2.66", &token).expect_error(503, "M_UNKNOWN");
            let address = format!("2001:db8:66:{number:x}::1");
            create_from(&server, &address, &token).expect_error(503, "M_UNKNOWN");
        }
        assert_users_create(&verifier, &server, name);
    }
    assert_eq!(probes(&verifier), 0, "two networks request no probe");
}

// R1.44
#[test]
fn late_answers_to_one_client_open_no_breaker() {
    let (verifier, server) = start();
    thread::scope(|scope| {
        for number in 0..32 {
            let token = format!("late-{number}");
            verifier.set_reply(&token, TokenReply::Hang);
            // Eight checks of a client run at a time; the others are rejected at once.
            let server = &server;
            scope.spawn(move || create_from(server, "192.0.2.66", &token).expect(503));
        }
        assert_users_create(&verifier, &server, "meanwhile");
    });
    assert_users_create(&verifier, &server, "afterwards");
    assert_eq!(probes(&verifier), 0, "one network requests no probe");
}

/// The homeserver answers the probe, so the failures are those of the clients.
// R1.44
#[test]
fn made_up_tokens_of_many_clients_open_no_breaker() {
    let (verifier, server) = start();
    verifier.set_reply("made-up", TokenReply::Body(502, String::new()));
    for round in 1..=3 {
        for number in 0..32 {
            let address = format!("192.0.2.{number}");
            create_from(&server, &address, "made-up").expect_error(503, "M_UNKNOWN");
        }
        eventually("the breaker probes", || {
            (probes(&verifier) >= round).then_some(())
        });
        assert_users_create(&verifier, &server, &round.to_string());
    }
}

/// The breaker does not open before the probe has failed.
// R1.44
#[test]
fn users_create_while_the_probe_is_in_flight() {
    let (verifier, server) = start();
    verifier.set_reply("made-up", TokenReply::Body(502, String::new()));
    verifier.set_default_reply(Some(TokenReply::Hang));
    for number in 0..5 {
        let address = format!("192.0.2.{number}");
        create_from(&server, &address, "made-up").expect_error(503, "M_UNKNOWN");
    }
    eventually("the breaker probes", || {
        (probes(&verifier) == 1).then_some(())
    });
    assert_users_create(&verifier, &server, "meanwhile");
}

/// A dead homeserver costs nothing, and is not flooded when it returns: only probes reach it.
// R1.44
#[test]
fn outage_opens_the_breaker_and_a_probe_closes_it() {
    let (verifier, server) = start();
    verifier.set_default_reply(Some(TokenReply::Close));
    for number in 0..5 {
        let (address, token) = (format!("192.0.2.{number}"), format!("failing-{number}"));
        create_from(&server, &address, &token).expect_error(503, "M_UNKNOWN");
    }
    eventually("the breaker is open", || {
        (server.metrics().sum("rendezvous_auth_circuit_open", &[]) == 1).then_some(())
    });
    let component = |line: &str| {
        // Readiness does not change, because all replicas use the same homeserver.
        let page = server.admin_get("/readyz?verbose").expect(200);
        let page = String::from_utf8(page.body).expect("text");
        assert!(page.contains(line), "{page}");
    };
    component("[!] homeserver: did not answer");
    component("get a 503: the token verifier cannot be reached: 127.0.0.1:");
    for number in 5..50 {
        let (address, token) = (format!("192.0.2.{number}"), format!("failing-{number}"));
        create_from(&server, &address, &token).expect_error(503, "M_UNKNOWN");
        assert_eq!(verifier.requests_about(&token).len(), 0, "not sent");
    }
    let count = |text: &str| server.log().matches(text).count();
    let once = |text: &str| {
        eventually(text, || (count(text) > 0).then_some(()));
        assert_eq!(count(text), 1, "{}", server.log());
    };
    once("circuit breaker open");
    assert_eq!(count("can be checked again"), 0);
    // Cached results stay valid, and requests without a token are not affected.
    assert_not_available(&server, &discovery());
    let asked = verifier.requests().len();
    verifier.set_default_reply(None);
    // No client sends a token: the probe alone closes the breaker.
    eventually("the breaker is closed", || {
        (server.metrics().sum("rendezvous_auth_circuit_open", &[]) == 0).then_some(())
    });
    assert!(verifier.requests().len() > asked);
    component("[+] homeserver: checks");
    once("can be checked again");
    verifier.set_reply("new", TokenReply::user("@new:example.org"));
    create_from(&server, "192.0.2.1", "new").expect(200);
    // The log line always has the whole cause.
    once("circuit breaker open");
    let log = server.log();
    let cause =
        |line: &&str| line.contains("circuit breaker open") && line.contains("connection closed");
    assert_eq!(log.lines().filter(cause).count(), 1, "{log}");
}

/// An OAuth 2.0 server is probed without a token, too, with this server's credentials.
#[test]
fn introspection_endpoint_is_probed_without_a_token() {
    let verifier = HomeserverStub::start();
    let endpoint = format!("{}/oauth2/introspect", verifier.url());
    let settings = [
        ("mode", "authenticated"),
        ("auth.introspection.endpoint", &*endpoint),
        ("auth.introspection.client_secret", "shared"),
        ("limits.enabled", "false"),
        ("http.trusted_proxies", "127.0.0.1"),
    ];
    let server = Server::start(testkit::server::Store::Memory, &settings);
    verifier.set_default_reply(Some(TokenReply::Body(503, String::new())));
    for number in 0..5 {
        create_from(&server, &format!("192.0.2.{number}"), "failing").expect(503);
    }
    eventually("the breaker is open", || {
        (server.metrics().sum("rendezvous_auth_circuit_open", &[]) == 1).then_some(())
    });
    let requests = verifier.requests();
    let probe = requests.iter().find(|asked| asked.body.is_empty());
    let probe = probe.expect("a probe");
    assert_eq!(probe.line, "POST /oauth2/introspect HTTP/1.1");
    assert_eq!(probe.authorization, "Bearer shared");
    // An OAuth 2.0 server answers a request without a token like this.
    let invalid = r#"{"error":"invalid_request"}"#.to_owned();
    verifier.set_default_reply(Some(TokenReply::Body(400, invalid)));
    eventually("the breaker is closed", || {
        (server.metrics().sum("rendezvous_auth_circuit_open", &[]) == 0).then_some(())
    });
}

#[test]
fn breaker_probe_without_requests_is_never_sent() {
    let (verifier, server) = start();
    server.call(&Request::get("/nowhere"));
    verifier.set_reply("good", TokenReply::user("@user:example.org"));
    create_from(&server, "192.0.2.1", "good").expect(200);
    assert_eq!(probes(&verifier), 0);
}
