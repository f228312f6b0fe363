//! Why a reconnect fails: each new reason is in the log once, with the host, and on
//! `/readyz?verbose`.
//!
//! Found in a fault run: only the first loss of a connection was logged. If Redis came back with
//! another password or certificate, no line said so.

use crate::server::{NO_ACCESS_LOG, Server, ready_on};
use testkit::redis::RedisServer;
use testkit::redis::tls::TlsRedis;
use testkit::until;

/// Waits until one of `words`, with `host`, is on the page and in the log.
#[track_caller]
fn assert_reported(worker: &Server, words: &[&str], host: &str) {
    let has_reason = |text: &str| {
        let mut lines = text.lines().map(str::to_lowercase);
        lines.any(|line| words.iter().any(|word| line.contains(word)) && line.contains(host))
    };
    until(&format!("{words:?} on /readyz?verbose"), || {
        let page = worker.admin_get("/readyz?verbose").body;
        has_reason(&String::from_utf8(page).expect("text"))
    });
    until(&format!("{words:?} in the log"), || {
        has_reason(&worker.log())
    });
}

#[track_caller]
fn assert_logged_once(worker: &Server, words: &[&str]) {
    let log = worker.log().to_lowercase();
    let has_reason = |line: &&str| words.iter().any(|word| line.contains(word));
    let count = log.lines().filter(has_reason).count();
    assert_eq!(count, 1, "{words:?}");
}

#[test]
fn each_reason_of_a_failed_reconnect_is_reported_once() {
    const REFUSED: &[&str] = &["refused"];
    const PASSWORD: &[&str] = &["noauth", "wrongpass", "authentication"];
    let mut redis = RedisServer::start();
    let host = redis.address().to_string();
    let worker = ready_on(&redis.url(), NO_ACCESS_LOG);
    redis.kill();
    assert_reported(&worker, REFUSED, &host);
    redis.restart_with(&["--requirepass", "another"]);
    assert_reported(&worker, PASSWORD, &host);
    redis.kill();
    redis.restart();
    until("creations succeed again", || {
        worker.try_create("x").status == 200
    });
    until("the page shows no reason", || {
        let page = worker.admin_get("/readyz?verbose").expect(200).body;
        let page = String::from_utf8(page).expect("text").to_lowercase();
        !PASSWORD
            .iter()
            .chain(REFUSED)
            .any(|word| page.contains(word))
    });
    assert_logged_once(&worker, REFUSED);
    assert_logged_once(&worker, PASSWORD);
}

#[test]
fn certificate_that_is_not_trusted_is_a_reason() {
    let mut redis = TlsRedis::start();
    let host = format!("127.0.0.1:{}", redis.server.announced_port());
    let ca = redis.ca_file();
    let ca = [("store.redis.ca_file", ca.to_str().expect("UTF-8"))];
    let worker = ready_on(&redis.url(), &[NO_ACCESS_LOG, &ca].concat());
    let other = TlsRedis::start();
    let [cert, key] = [
        other.certificates().cert_file(),
        other.certificates().key_file(),
    ];
    redis.server.kill();
    redis.server.restart_with(&[
        "--tls-cert-file",
        cert.to_str().expect("UTF-8"),
        "--tls-key-file",
        key.to_str().expect("UTF-8"),
    ]);
    assert_reported(
        &worker,
        &["invalid certificate: not signed by a trusted certificate authority"],
        &host,
    );
}
