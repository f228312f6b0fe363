//! The password that sentinels require, rotated while the server runs.

use nix::sys::signal::Signal;
use tempfile::NamedTempFile;

use super::{assert_serves, write};
use crate::cli::file;
use crate::server::{NO_ACCESS_LOG, Server, ready_on};
use testkit::redis::sentinels::{Sentinels, SentinelsConfig};
use testkit::until;

/// Sentinels that require the password `one`, the file with it, and a worker that follows them.
fn start() -> (Sentinels, NamedTempFile, Server) {
    let trio = Sentinels::start(&SentinelsConfig::steady());
    trio.require("one");
    let password = file("one");
    let path = password.path().to_str().expect("a path");
    let setting = ("store.redis.sentinel_password_file", path);
    let worker = ready_on(&trio.url(), &[NO_ACCESS_LOG, &[setting]].concat());
    until("the worker follows the sentinels", || {
        trio.are_followed("one")
    });
    (trio, password, worker)
}

fn readyz(worker: &Server) -> String {
    let page = worker.admin_get("/readyz?verbose").body;
    String::from_utf8(page).expect("text")
}

#[test]
fn rotated_sentinel_password_file_is_read_at_the_reconnect() {
    let (trio, password, worker) = start();
    let session = worker.create("hello");
    write(password.path(), "two");
    trio.rotate_password("one", "two");
    until("the worker follows the sentinels", || {
        trio.are_followed("two")
    });
    assert_serves(&worker, &session);
}

/// The sentinels have the new password before the file does. Sessions are served meanwhile.
#[test]
fn sentinel_password_file_that_is_rotated_late_is_read() {
    let (trio, password, worker) = start();
    let session = worker.create("hello");
    trio.rotate_password("one", "two");
    until("/readyz says why the sentinels are not followed", || {
        readyz(&worker).contains("WRONGPASS")
    });
    assert!(!trio.are_followed("two"));
    assert_serves(&worker, &session);
    write(password.path(), "two");
    until("the worker follows the sentinels", || {
        trio.are_followed("two")
    });
    until("/readyz says nothing of it", || {
        !readyz(&worker).contains("WRONGPASS")
    });
}

#[test]
fn invalid_sentinel_password_file_is_reported_at_sighup() {
    let (_trio, password, worker) = start();
    write(password.path(), "\n");
    worker.signal(Signal::SIGHUP);
    until("the log names the file's key", || {
        worker.log().contains("store.redis.sentinel_password_file")
    });
}
