//! Secrets of Redis that are rotated while the server runs: passwords, URL file, CA file, client
//! certificate.
//!
//! Found in a fault run: the files were read once, at the start. Redis gets the new secret and
//! closes its connections, and the worker must return with what its file holds by then.

mod certificates;
mod sentinels;

use std::path::Path;

use nix::sys::signal::Signal;

use crate::cli::file;
use crate::server::{NO_ACCESS_LOG, Server, ready_on};
use testkit::api::{Session, request};
use testkit::certificates::Certificates;
use testkit::redis::acl_rule::documented_rule;
use testkit::redis::tls::TlsRedis;
use testkit::redis::{RedisServer, Reply};
use testkit::until;

const USER: &str = "rendezvous";

/// Gives [`USER`] this password alone.
#[track_caller]
fn set_password(redis: &RedisServer, password: &str) {
    let command = ["ACL", "SETUSER", USER, "on", "resetpass"].map(str::to_owned);
    let password = [format!(">{password}")];
    let reply = redis.command(&[&command[..], &password, &documented_rule()].concat());
    assert_eq!(reply.text(), "OK");
}

#[track_caller]
fn close_connections(redis: &RedisServer) {
    let killed = redis.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    assert!(matches!(killed, Reply::Integer(1..)), "{killed:?}");
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
}

/// The worker serves an earlier session at once, and new ones soon.
#[track_caller]
fn assert_serves(worker: &Server, earlier: &Session) {
    worker.assert_holds(&earlier.id, "hello", &earlier.token);
    worker.retry_while_503(&request::create("x")).expect(200);
}

/// A worker that reads the password of [`USER`] from this file.
fn worker_with(redis: &RedisServer, password_file: &Path) -> Server {
    let url = format!("redis://{USER}@127.0.0.1:{}", redis.port());
    let path = password_file.to_str().expect("a path");
    let settings = [NO_ACCESS_LOG, &[("store.redis.password_file", path)]].concat();
    ready_on(&url, &settings)
}

#[test]
fn rotated_password_file_is_read_at_the_reconnect() {
    let redis = RedisServer::start();
    set_password(&redis, "one");
    let password = file("one");
    let worker = worker_with(&redis, password.path());
    let session = worker.create("hello");
    for next in ["two", "three"] {
        write(password.path(), next);
        set_password(&redis, next);
        close_connections(&redis);
        assert_serves(&worker, &session);
    }
}

/// Redis has the new password before the file does: the worker is rejected until then.
#[test]
fn password_file_that_is_rotated_late_is_read() {
    let redis = RedisServer::start();
    set_password(&redis, "one");
    let password = file("one");
    let worker = worker_with(&redis, password.path());
    let session = worker.create("hello");
    set_password(&redis, "two");
    close_connections(&redis);
    worker.assert_refused(&request::create("x"));
    write(password.path(), "two");
    assert_serves(&worker, &session);
}

/// A worker that reads its URL from this file.
fn worker_with_url(url_file: &str) -> Server {
    let settings = [
        ("mode", "open"),
        ("limits.enabled", "false"),
        ("store.backend", "redis"),
        ("store.redis.url_file", url_file),
    ];
    let worker = Server::launch(&[NO_ACCESS_LOG, &settings].concat());
    until("the worker is ready", || worker.is_ready());
    worker
}

#[test]
fn rotated_url_file_is_read_at_the_reconnect() {
    let redis = RedisServer::start();
    set_password(&redis, "one");
    let url = |password| format!("redis://{USER}:{password}@127.0.0.1:{}", redis.port());
    let url_file = file(&url("one"));
    let path = url_file.path().to_str().expect("a path");
    let worker = worker_with_url(path);
    let session = worker.create("hello");
    write(url_file.path(), &url("two"));
    set_password(&redis, "two");
    close_connections(&redis);
    assert_serves(&worker, &session);
}

#[test]
fn rotated_ca_file_is_read_at_the_reconnect() {
    let redis = TlsRedis::start();
    let ca = file(&std::fs::read_to_string(redis.ca_file()).expect("a CA"));
    let path = ca.path().to_str().expect("a path");
    let settings = [NO_ACCESS_LOG, &[("store.redis.ca_file", path)]].concat();
    let worker = ready_on(&redis.url(), &settings);
    let session = worker.create("hello");
    let next = Certificates::make();
    let files = [next.ca_file(), next.cert_file(), next.key_file()];
    let [ca_file, cert, key] = files.each_ref().map(|path| path.to_str().expect("UTF-8"));
    write(ca.path(), &std::fs::read_to_string(ca_file).expect("a CA"));
    let set = [
        ["CONFIG", "SET"],
        ["tls-ca-cert-file", ca_file],
        ["tls-cert-file", cert],
        ["tls-key-file", key],
    ];
    assert_eq!(redis.server.command(&set.concat()).text(), "OK");
    close_connections(&redis.server);
    assert_serves(&worker, &session);
}

/// At SIGHUP the files are read too, so that a mistake is reported before a connection is lost.
#[test]
fn invalid_secret_file_is_reported_at_sighup() {
    let redis = RedisServer::start();
    set_password(&redis, "one");
    let password = file("one");
    let worker = worker_with(&redis, password.path());
    let session = worker.create("hello");
    write(password.path(), "\n");
    worker.signal(Signal::SIGHUP);
    until("the log names the file's key", || {
        worker.log().contains("store.redis.password_file")
    });
    assert_serves(&worker, &session);
}

/// Workers that move one by one, with each connection, lose each other's sessions.
#[test]
fn url_file_with_another_redis_or_database_needs_a_restart() {
    let redis = [(); 2].map(|()| RedisServer::start());
    let url = format!("redis://127.0.0.1:{}", redis[0].port());
    for other in [redis[1].url(), format!("{url}/1")] {
        let url_file = file(&url);
        let path = url_file.path().to_str().expect("a path");
        let worker = worker_with_url(path);
        let session = worker.create("hello");
        write(url_file.path(), &other);
        worker.signal(Signal::SIGHUP);
        until("the log names the key", || {
            worker.log().contains("store.redis.url_file")
        });
        close_connections(&redis[0]);
        assert_serves(&worker, &session);
    }
}
