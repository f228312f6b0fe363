//! What counts as one client: an IPv4 address or an IPv6 /64, as forwarded by trusted proxies.

use serde_json::json;

use super::{CREATES, TRUSTED, start};
use crate::server::Server;
use testkit::api::UNSTABLE;
use testkit::eventually;
use testkit::http::{Reply, Request};

fn create_as(server: &Server, forwarded_for: &[&str]) -> Reply {
    let create = Request::post(UNSTABLE).json(&json!({"data": "x"}));
    let named = forwarded_for.iter().fold(create, |create, value| {
        create.header("X-Forwarded-For", value)
    });
    server.call(&named)
}

/// Whether both are one client: the second is rejected once the first has used its creations.
#[track_caller]
fn are_one_client(server: &Server, one: &str, other: &str) -> bool {
    create_as(server, &[one]).expect(200);
    create_as(server, &[one]).expect(200);
    create_as(server, &[one]).expect_error(429, "M_LIMIT_EXCEEDED");
    create_as(server, &[other]).status == 429
}

#[test]
fn clients_behind_a_trusted_proxy_are_distinguished() {
    let server = start(&CREATES, &[TRUSTED]);
    assert!(!are_one_client(&server, "203.0.113.1", "203.0.113.2"));
    assert!(!are_one_client(
        &server,
        "2001:db8:0:1::1",
        "2001:db8:0:2::1"
    ));
}

#[test]
fn addresses_of_one_ipv6_64_are_one_client() {
    let server = start(&CREATES, &[TRUSTED]);
    assert!(are_one_client(
        &server,
        "2001:db8:0:1::1",
        "2001:db8:0:1:ffff:ffff:ffff:ffff"
    ));
}

/// RFC 6052: a server that is reached through NAT64 sees IPv4 clients in `64:ff9b::/96`.
#[test]
fn ipv4_clients_behind_nat64_are_distinguished() {
    let server = start(&CREATES, &[TRUSTED]);
    let same = |one, other| are_one_client(&server, one, other);
    assert!(!same("64:ff9b::203.0.113.1", "64:ff9b::203.0.113.2"));
    assert!(same("64:ff9b::203.0.113.3", "203.0.113.3"));
}

/// Else a client of the translator could write a trusted proxy's address after the prefix.
#[test]
fn translated_address_is_not_a_trusted_proxy() {
    let server = start(&CREATES, &[TRUSTED]);
    let [one, other] = [1, 2].map(|n| format!("203.0.113.{n}, 64:ff9b::10.0.0.1"));
    assert!(are_one_client(&server, &one, &other));
}

#[test]
fn forwarded_header_from_an_untrusted_peer_is_ignored() {
    for trusted in [&[][..], &[("http.trusted_proxies", "10.0.0.0/8")]] {
        let server = start(&CREATES, trusted);
        assert!(are_one_client(&server, "203.0.113.1", "203.0.113.2"));
    }
}

/// A client can write anything to the left. The rightmost address that is not a trusted proxy is
/// its own.
#[test]
fn rightmost_untrusted_address_is_the_client() {
    let server = start(&CREATES, &[TRUSTED]);
    for (one, other, same) in [
        (
            "198.51.100.1, 203.0.113.1",
            "198.51.100.2, 203.0.113.1",
            true,
        ),
        (
            "198.51.100.1, 203.0.113.2, 10.1.2.3",
            "198.51.100.2,203.0.113.2,10.3.2.1",
            true,
        ),
        ("203.0.113.3, 10.0.0.1", "203.0.113.4, 10.0.0.1", false),
        ("203.0.113.5", "198.51.100.1, 203.0.113.5, 127.0.0.1", true),
    ] {
        assert_eq!(
            are_one_client(&server, one, other),
            same,
            "{one} and {other}"
        );
    }
}

#[test]
fn repeated_forwarding_headers_form_one_list() {
    let server = start(&CREATES, &[TRUSTED]);
    create_as(&server, &["198.51.100.1", "203.0.113.1"]).expect(200);
    create_as(&server, &["198.51.100.2, 203.0.113.1", "10.0.0.1"]).expect(200);
    create_as(&server, &["198.51.100.3", "203.0.113.1"]).expect_error(429, "M_LIMIT_EXCEEDED");
    create_as(&server, &["203.0.113.1", "198.51.100.4"]).expect(200);
}

#[test]
fn invalid_forwarded_address_does_not_evade_limits() {
    let server = start(&CREATES, &[TRUSTED]);
    let mut statuses = Vec::new();
    for nonsense in [
        "nonsense",
        "",
        "unknown",
        "203.0.113",
        ",",
        "::zz",
        "256.1.1.1",
    ] {
        statuses.push(create_as(&server, &[nonsense]).status);
    }
    assert_eq!(statuses, [200, 200, 429, 429, 429, 429, 429]);
}

/// An unbounded table of addresses would let strangers fill the memory.
#[test]
fn client_table_is_bounded() {
    let server = start(&CREATES, &[TRUSTED, ("limits.max_keys", "64")]);
    for n in 0..250 {
        let reply = create_as(&server, &[&format!("203.0.113.{n}")]);
        assert!([200, 429].contains(&reply.status), "{reply}");
    }
    let keys = eventually("the table has been counted", || {
        let keys = server
            .metrics()
            .sum("rendezvous_limiter_keys", &[("limiter", "create_client")]);
        (keys > 0).then_some(keys)
    });
    assert!(keys <= 64, "{keys}");
}
