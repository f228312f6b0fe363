//! The token of the admin API: without it no call passes, and without a file there is no API.

use super::{Api, ONE, PATH, TOKEN, token_file};
use crate::server::{Server, command};
use nix::sys::signal::Signal;
use testkit::eventually;
use testkit::http::{Connection, Request};
use testkit::server::Store;

#[test]
fn api_is_404_without_a_token_file() {
    let server = Server::start(Store::Memory, &[]);
    server.admin_get(PATH).expect(404);
    let delete = Request::delete(&format!("{PATH}?all=true"));
    let delete = delete.header("Authorization", &format!("Bearer {TOKEN}"));
    let reply = Connection::open(server.admin).send(&delete).expect(405);
    assert_eq!(reply.header("allow"), Some("GET, HEAD"));
}

#[test]
fn wrong_or_missing_token_is_401_and_ends_nothing() {
    let api = Api::start(Store::Memory, &[]);
    let id = api.create_from(ONE);
    let longer = format!("{TOKEN}x");
    for token in [None, Some("wrong"), Some(&TOKEN[1..]), Some(&longer)] {
        for method in ["GET", "DELETE", "POST"] {
            let reply = api.send(method, "?all=true", token).expect(401);
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
            assert!(reply.text("error").contains("Authorization: Bearer TOKEN"));
            // Accepted, so that the next one is not one too many.
            api.counts();
        }
    }
    assert_eq!(api.server.read(&id).data, "x");
    // The other pages need no token.
    for page in ["/healthz", "/readyz", "/metrics", "/version"] {
        api.server.admin_get(page).expect(200);
    }
    api.server.admin_get("/admin/v1").expect(404);
}

#[test]
fn wrong_tokens_are_limited_and_logged_once_a_second() {
    let api = Api::start(Store::Memory, &[]);
    let attempts = 40;
    let mut limited = 0;
    for _ in 0..attempts {
        let reply = api.send("GET", "", Some("wrong"));
        if reply.status == 429 {
            let wait = reply.header("retry-after").expect("a time");
            assert!((1..=6).contains(&wait.parse::<u64>().expect("seconds")));
            limited += 1;
        } else {
            reply.expect(401);
        }
    }
    assert!(limited > 0);
    // The token is not even looked at.
    let reply = api.call("GET", "");
    assert!([200, 429].contains(&reply.status));
    let log = eventually("a line about it", || {
        let log = api.server.log();
        log.contains("a call to the admin API is rejected")
            .then_some(log)
    });
    let lines = log.matches("a call to the admin API is rejected").count();
    assert!(lines * 2 < attempts, "{lines} lines for {attempts} calls");
    assert!(!log.contains("\"wrong\""), "{log}");
}

#[test]
fn sighup_reads_the_token_again() {
    let api = Api::start(Store::Memory, &[]);
    api.counts();
    let next = "another-token-of-more-than-32-characters";
    std::fs::write(api.file.path(), next).expect("a file");
    api.server.signal(Signal::SIGHUP);
    eventually("the new token is accepted", || {
        (api.send("GET", "", Some(next)).status == 200).then_some(())
    });
    api.call("GET", "").expect(401);
    // A file that is too short changes nothing.
    std::fs::write(api.file.path(), "short").expect("a file");
    api.server.signal(Signal::SIGHUP);
    eventually("the reload is rejected", || {
        let log = api.server.log();
        log.contains("the configuration is rejected").then_some(())
    });
    api.send("GET", "", Some(next)).expect(200);
}

#[test]
fn unfit_token_is_rejected_with_an_example() {
    for token in [&TOKEN[2..], "0123456789 0123456789 0123456789 0123456789"] {
        let file = token_file(token);
        let mut check = command();
        check.args(["config", "check"]);
        check.env("RENDEZVOUS_ADMIN__TOKEN_FILE", file.path());
        let output = check.output().expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{errors}");
        for part in ["admin.token_file: ", "32 to 4096", "openssl rand -hex 32"] {
            assert!(errors.contains(part), "{errors}");
        }
        assert!(!errors.contains(token), "{errors}");
    }
}
