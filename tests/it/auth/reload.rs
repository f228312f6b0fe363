//! Credentials and certificate authorities for the token verifier that change while the server runs:
//! SIGHUP reads their files again.

use super::{creation, with_token};
use crate::cli::file;
use crate::server::Server;
use nix::sys::signal::Signal;
use serde_json::json;
use std::path::Path;
use tempfile::NamedTempFile;
use testkit::certificates::Certificates;
use testkit::eventually;
use testkit::homeserver::{HomeserverStub, TokenReply};

/// A server that introspects tokens with the secret in a file.
struct Introspecting {
    verifier: HomeserverStub,
    secret: NamedTempFile,
    config: NamedTempFile,
    server: Server,
}

impl Introspecting {
    fn start() -> Self {
        let verifier = HomeserverStub::start();
        let active = json!({
            "active": true,
            "scope": "openid urn:matrix:client:api:*",
            "username": "user",
        });
        for token in ["token-1", "token-2", "token-3"] {
            verifier.set_reply(token, TokenReply::json(200, &active));
        }
        let (secret, config) = (file("one"), file(""));
        write(&config, &text(&verifier.url(), secret.path()));
        let server = launch(&config);
        Self {
            verifier,
            secret,
            config,
            server,
        }
    }

    /// Creates a session with this token. Returns the `Authorization` of each check of it so far.
    fn credentials_for(&self, token: &str) -> Vec<String> {
        self.server.call(&with_token(creation(), token)).expect(200);
        let checks = self.verifier.requests_about(token);
        checks
            .into_iter()
            .map(|check| check.authorization)
            .collect()
    }
}

fn text(verifier: &str, secret_file: &Path) -> String {
    format!(
        "mode = \"authenticated\"\nlimits.enabled = false\n[auth.introspection]\n\
         endpoint = \"{verifier}/introspect\"\nclient_secret_file = \"{}\"\n",
        secret_file.display()
    )
}

/// Starts a server with this configuration file, and no setting that overrides it.
fn launch(config: &NamedTempFile) -> Server {
    Server::launch(&[("config", config.path().to_str().expect("a path"))])
}

fn write(file: &NamedTempFile, text: &str) {
    std::fs::write(file.path(), text).expect("a file");
}

/// Sends SIGHUP, and waits until the configuration was read again with this outcome.
#[track_caller]
fn reload(server: &Server, outcome: &str) {
    let labels = [("outcome", outcome)];
    let count = || {
        server
            .metrics()
            .sum("rendezvous_config_reloads_total", &labels)
    };
    let before = count();
    server.signal(Signal::SIGHUP);
    eventually("the configuration was read again", || {
        (count() > before).then_some(())
    });
}

#[track_caller]
fn assert_log(server: &Server, texts: &[&str]) {
    eventually("a line of the log has these texts", || {
        let log = server.log();
        let has_all = |line: &str| texts.iter().all(|text| line.contains(text));
        log.lines().any(has_all).then_some(())
    });
}

#[test]
fn rotated_client_secret_is_used_after_sighup() {
    let running = Introspecting::start();
    assert_eq!(running.credentials_for("token-1"), ["Bearer one"]);
    write(&running.secret, "two\n");
    assert_eq!(running.credentials_for("token-2"), ["Bearer one"]);
    reload(&running.server, "applied");
    assert_eq!(running.credentials_for("token-3"), ["Bearer two"]);
    let cached = running.credentials_for("token-1");
    assert_eq!(cached, ["Bearer one"], "accepted tokens stay cached");
    assert!(!running.server.log().contains("need a restart"));
}

/// A reload shows in the log whether the verifier accepts the new secret.
#[test]
fn reload_probes_the_token_verifier() {
    let running = Introspecting::start();
    let invalid = json!({"error": "invalid_client"});
    let probe = "matrix-rendezvous-probe";
    running
        .verifier
        .set_reply(probe, TokenReply::json(401, &invalid));
    write(&running.secret, "mistyped");
    reload(&running.server, "applied");
    assert_log(
        &running.server,
        &["access tokens cannot be checked", "/introspect"],
    );
    // The probe of the start may arrive after it.
    eventually("a probe with the new secret", || {
        let probes = running.verifier.requests_about(probe);
        let mut secrets = probes.iter().map(|probe| &*probe.authorization);
        secrets
            .any(|secret| secret == "Bearer mistyped")
            .then_some(())
    });
}

#[test]
fn rotated_homeserver_ca_is_trusted_after_sighup() {
    let [old, new] = [(); 2].map(|()| Certificates::make());
    let read = |certificates: &Certificates| {
        std::fs::read_to_string(certificates.ca_file()).expect("a CA")
    };
    let verifier = HomeserverStub::start_tls(&new);
    verifier.set_reply("good", TokenReply::user("@user:example.org"));
    let ca = file(&read(&old));
    let config = file(&format!(
        "mode = \"authenticated\"\nlimits.enabled = false\n[auth]\nhomeserver_url = \"{}\"\n\
         ca_file = \"{}\"\n",
        verifier.url(),
        ca.path().display()
    ));
    let server = launch(&config);
    let create = || server.call(&with_token(creation(), "good"));
    create().expect_error(503, "M_UNKNOWN");
    write(&ca, "no certificate");
    reload(&server, "refused");
    assert_log(&server, &["auth.ca_file"]);
    create().expect_error(503, "M_UNKNOWN");
    write(&ca, &read(&new));
    reload(&server, "applied");
    create().expect(200);
}

#[test]
fn invalid_secret_file_rejects_the_whole_reload() {
    let running = Introspecting::start();
    let url = running.verifier.url();
    let maintenance = format!("maintenance = true\n{}", text(&url, running.secret.path()));
    write(&running.config, &maintenance);
    write(&running.secret, "\n");
    reload(&running.server, "refused");
    assert_log(&running.server, &["auth.introspection.client_secret_file"]);
    assert_eq!(running.credentials_for("token-1"), ["Bearer one"]);
}

/// The cache belongs to the server that accepted its tokens.
#[test]
fn changed_verifier_url_needs_a_restart() {
    let running = Introspecting::start();
    let other = HomeserverStub::start();
    write(&running.secret, "two");
    write(&running.config, &text(&other.url(), running.secret.path()));
    reload(&running.server, "applied");
    let keys = "\"auth.introspection.endpoint\"";
    assert_log(&running.server, &["need a restart", keys]);
    assert_eq!(running.credentials_for("token-1"), ["Bearer one"]);
    assert_eq!(other.requests().len(), 0);
}

#[test]
fn reload_changes_the_secret_of_one_homeserver() {
    let stubs = [(); 2].map(|()| HomeserverStub::start());
    let active = json!({
        "active": true,
        "scope": "urn:matrix:client:api:*",
        "username": "user",
    });
    for stub in &stubs {
        stub.set_reply("token-1", TokenReply::json(200, &active));
    }
    let text = |secrets: [&str; 2], mode| {
        let entry = |number: usize| {
            format!(
                "[[auth.homeserver]]\nhost = [\"h{number}.example\", \"alias{number}.example\"]\n\
                 {mode}\nintrospection = {{ endpoint = \"{}\", client_secret = \"{}\" }}\n",
                stubs[number].url(),
                secrets[number]
            )
        };
        format!(
            "mode = \"authenticated\"\nlimits.enabled = false\n{}{}",
            entry(0),
            entry(1)
        )
    };
    let config = file(&text(["zero", "one"], ""));
    let server = launch(&config);
    write(&config, &text(["zero", "changed"], "mode = \"open\""));
    reload(&server, "applied");
    let keys = "\"auth.homeserver.0.mode, auth.homeserver.1.mode\"";
    assert_log(&server, &["need a restart", keys]);
    for (number, secret) in ["Bearer zero", "Bearer changed"].into_iter().enumerate() {
        let create = with_token(creation(), "token-1");
        let create = create.host(&format!("alias{number}.example"));
        server.call(&create).expect(200);
        let checks = stubs[number].requests_about("token-1");
        assert_eq!(checks[0].authorization, secret);
    }
}
