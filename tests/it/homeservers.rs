//! Several homeservers behind one deployment, selected by `Host`: each has its own mode, token
//! verifier and base URL. An unknown host gets 404.

use crate::server::Server;
use nix::sys::signal::Signal;
use serde_json::json;
use std::io::Write;
use testkit::api::UNSTABLE;
use testkit::etag::{ETAG, creation as mailbox};
use testkit::eventually;
use testkit::homeserver::{HomeserverStub, TokenReply};
use testkit::http::{Reply, Request};
use testkit::server::Store;

const ANNAS: &str = "matrix.anna.example";
const BERTAS: &str = "matrix.berta.example";
const OPEN: &str = "open.example";
const OFF: &str = "off.example";

/// Two homeservers in mode authenticated, one in mode open, and one with MSC4388 off.
struct Deployment {
    anna: HomeserverStub,
    berta: HomeserverStub,
    server: Server,
}

impl Deployment {
    fn start(settings: &[(&str, &str)]) -> Self {
        let (anna, berta) = (HomeserverStub::start(), HomeserverStub::start());
        anna.set_reply("annas", TokenReply::user("@anna:anna.example"));
        berta.set_reply("bertas", TokenReply::user("@berta:berta.example"));
        let text = format!(
            r#"
            mode = "authenticated"
            [[auth.homeserver]]
            host = ["{ANNAS}", "{ANNAS}.alias."]
            homeserver_url = "{}"
            public_base_url = "https://{ANNAS}/"
            [[auth.homeserver]]
            host = "{BERTAS}"
            homeserver_url = "{}"
            [[auth.homeserver]]
            host = "{OPEN}"
            mode = "open"
            [[auth.homeserver]]
            host = "{OFF}"
            mode = "off"
            "#,
            anna.url(),
            berta.url()
        );
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        let path = file.path().to_str().expect("a path");
        // The tests set a default `mode` in the environment, which overrides the file.
        let mut all = vec![
            ("config", path),
            ("mode", "authenticated"),
            ("msc4108.enabled", "true"),
        ];
        all.extend(settings);
        let server = Server::start(Store::Memory, &all);
        Self {
            anna,
            berta,
            server,
        }
    }

    fn create(&self, host: &str, token: Option<&str>) -> Reply {
        let create = Request::post(UNSTABLE)
            .host(host)
            .json(&json!({"data": "x"}));
        let create = token.iter().fold(create, |create, token| {
            create.header("Authorization", &format!("Bearer {token}"))
        });
        self.server.call(&create)
    }
}

#[test]
fn each_host_uses_its_own_mode_and_homeserver() {
    let deployment = Deployment::start(&[]);
    deployment.create(ANNAS, Some("annas")).expect(200);
    deployment.create(BERTAS, Some("bertas")).expect(200);
    let foreign = deployment.create(BERTAS, Some("annas"));
    foreign.expect_error(401, "M_UNKNOWN_TOKEN");
    deployment
        .create(ANNAS, None)
        .expect_error(403, "M_FORBIDDEN");
    deployment.create(OPEN, None).expect(200);
    deployment
        .create(OFF, None)
        .expect_error(404, "M_UNRECOGNIZED");
    assert_eq!(deployment.anna.requests_about("annas").len(), 1);
    assert_eq!(deployment.berta.requests_about("annas").len(), 1);
    assert_eq!(deployment.anna.requests_about("bertas").len(), 0);
}

#[test]
fn host_matches_in_any_case_port_and_alias() {
    let deployment = Deployment::start(&[]);
    for host in [
        "MATRIX.anna.Example",
        "matrix.anna.example:8443",
        "matrix.anna.example:",
        "matrix.anna.example.",
        "matrix.anna.example.:8443",
        "matrix.anna.example.alias",
    ] {
        deployment.create(host, Some("annas")).expect(200);
    }
    assert_eq!(
        deployment.anna.requests_about("annas").len(),
        1,
        "one homeserver, whatever it is called"
    );
}

// R0.35, R0.36
#[test]
fn unknown_host_is_404_in_both_dialects() {
    let deployment = Deployment::start(&[]);
    let unknown = [
        "matrix.example.org",
        "example",
        "xmatrix.anna.example",
        "matrix.anna.example..",
        "matrix.anna.example:https",
        "matrix.anna.example:65536",
        "anna@matrix.anna.example",
        "",
    ];
    for host in unknown {
        let refused = deployment.create(host, Some("annas"));
        refused.expect_error(404, "M_UNRECOGNIZED");
        let refused = deployment.server.call(&mailbox("x").host(host));
        refused.expect_error(404, "M_UNRECOGNIZED");
    }
    // The log lets an operator distinguish a proxy that sends another host from a misconfigured
    // client.
    let reason = [("reason", "unknown_host")];
    let counted = deployment
        .server
        .metrics()
        .sum("rendezvous_rejections_total", &reason);
    assert_eq!(counted, 2 * unknown.len() as u64);
    let both = mailbox("x").host(OPEN).header("Host", ANNAS);
    deployment.server.call(&both).expect_error(400, "M_UNKNOWN");
    // A preflight asks no host, and a session none that is its own.
    deployment
        .server
        .call(&Request::options(UNSTABLE).host("nobody"))
        .expect(204);
    let id = deployment.create(OPEN, None).expect(200).text("id");
    let read = Request::get(&format!("{UNSTABLE}/{id}"));
    deployment
        .server
        .call(&read.clone().host(ANNAS))
        .expect(200);
    let refused = deployment.server.call(&read.host("nobody"));
    refused.expect_error(404, "M_UNRECOGNIZED");
}

/// RFC 9112, 3.2.2: if the target is in absolute form, the Host header is ignored.
#[test]
fn absolute_target_overrides_the_host_header() {
    let deployment = Deployment::start(&[]);
    let create = |target: &str, header: &str| {
        let create = Request::post(&format!("http://{target}{UNSTABLE}")).host(header);
        deployment.server.call(&create.json(&json!({"data": "x"})))
    };
    create(OPEN, ANNAS).expect(200);
    create(OPEN, "nobody").expect(200);
    create(ANNAS, OPEN).expect_error(403, "M_FORBIDDEN");
    create("nobody", OPEN).expect_error(404, "M_UNRECOGNIZED");
}

/// Each homeserver is probed once at the start, even with several host names, and the log names it.
#[test]
fn each_homeserver_is_probed_once_at_start() {
    let deployment = Deployment::start(&[]);
    let probe_line = |verifier: &HomeserverStub| {
        format!("access tokens can be checked verifier={}/", verifier.url())
    };
    eventually("both are tried", || {
        let log = deployment.server.log();
        let both = [&deployment.anna, &deployment.berta];
        both.iter()
            .all(|verifier| log.contains(&probe_line(verifier)))
            .then_some(())
    });
    for verifier in [&deployment.anna, &deployment.berta] {
        assert_eq!(verifier.requests().len(), 1, "{:?}", verifier.requests());
    }
    // A homeserver with MSC4388 off is not probed.
    let asked = HomeserverStub::start();
    let url = asked.url();
    let settings = [
        ("mode", "off"),
        ("msc4108.enabled", "true"),
        ("auth.homeserver_url", &*url),
    ];
    let server = Server::start(Store::Memory, &settings);
    server.open_mailbox("hello");
    server.signal(Signal::SIGTERM);
    server.signal(Signal::SIGTERM);
    server.ended();
    assert_eq!(asked.requests().len(), 0);
}

#[test]
fn each_host_uses_its_own_base_url() {
    let deployment = Deployment::start(&[]);
    let url = |host: &str| {
        let created = deployment.server.call(&mailbox("x").host(host)).expect(201);
        created.text("url")
    };
    assert!(url(ANNAS).starts_with(&format!("https://{ANNAS}{ETAG}/")));
    assert!(url(OFF).starts_with(&format!("http://{OFF}{ETAG}/")));
    let log = deployment.server.log();
    assert!(!log.contains("auth.homeserver.0.public_base_url"), "{log}");
    assert!(
        log.contains("auth.homeserver.1.public_base_url is not set"),
        "{log}"
    );
}

/// With introspection two homeservers can both have a user `alice`; these are two users.
#[test]
fn equal_user_ids_of_two_homeservers_are_distinct() {
    let deployment = Deployment::start(&[("limits.enabled", "true"), ("limits.live.user", "1")]);
    for verifier in [&deployment.anna, &deployment.berta] {
        verifier.set_reply("alices", TokenReply::user("alice"));
    }
    deployment.create(ANNAS, Some("alices")).expect(200);
    deployment.create(BERTAS, Some("alices")).expect(200);
    for host in [ANNAS, BERTAS] {
        let refused = deployment.create(host, Some("alices"));
        refused.expect_error(429, "M_LIMIT_EXCEEDED");
    }
}

/// One homeserver that is down must not look like all of them.
#[test]
fn each_homeserver_has_a_circuit_breaker_series() {
    let deployment = Deployment::start(&[]);
    let metrics = deployment.server.metrics();
    let series = metrics.samples("rendezvous_auth_circuit_open");
    let expected = [ANNAS, BERTAS].map(|host| (format!("homeserver=\"{host}\""), "0"));
    for (labels, value) in expected {
        assert!(series.contains(&(&*labels, value)), "{series:?}");
    }
    assert_eq!(series.len(), 2, "the others have no verifier: {series:?}");
}
