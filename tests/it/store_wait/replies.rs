//! Which error replies of Redis are waited for, and which are 503 at once.

use super::{WAITS, send, until_waiting, waits};
use crate::server::{Server, ready_on};
use testkit::api::{Session, request};
use testkit::proxy::{Alteration, Fault, Proxy, Target};
use testkit::redis::RedisServer;

/// Errors that end when Redis has recovered.
const TRANSIENT: [Alteration; 10] = [
    |_| b"-LOADING Redis is loading the dataset in memory\r\n".to_vec(),
    |_| b"-READONLY You can't write against a read only replica.\r\n".to_vec(),
    |_| b"-MASTERDOWN Link with MASTER is down\r\n".to_vec(),
    |_| b"-CLUSTERDOWN The cluster is down\r\n".to_vec(),
    |_| b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n".to_vec(),
    |_| b"-NOREPLICAS Not enough good replicas to write.\r\n".to_vec(),
    |_| b"-MOVED 1 127.0.0.1:1\r\n".to_vec(),
    |_| b"-ASK 1 127.0.0.1:1\r\n".to_vec(),
    |_| b"-NOAUTH Authentication required.\r\n".to_vec(),
    |_| b"-WRONGPASS invalid username-password pair or user is disabled.\r\n".to_vec(),
];

/// Errors that stay until an operator acts.
const FINAL: [Alteration; 4] = [
    |_| b"-OOM command not allowed when used memory > 'maxmemory'.\r\n".to_vec(),
    |_| b"-MISCONF Redis is configured to save RDB snapshots\r\n".to_vec(),
    |_| b"-NOPERM User default has no permissions to run the 'evalsha' command\r\n".to_vec(),
    |_| b"-ERR Error running script\r\n".to_vec(),
];

fn start() -> (RedisServer, Proxy, Server, Session) {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address());
    let worker = ready_on(&proxy.url(), &[]);
    let session = worker.create("hello");
    (redis, proxy, worker, session)
}

// R0.3
#[test]
fn transient_errors_are_waited_for() {
    let (_redis, proxy, worker, session) = start();
    for (number, error) in TRANSIENT.into_iter().enumerate() {
        proxy.every(Target::Session, Fault::Alter(error));
        let mut waiting = send(&worker, &request::read(&session.id));
        until_waiting(&worker, 1);
        proxy.heal();
        let read = waiting.reply().expect(200);
        assert_eq!(read.text("data"), "hello", "error {number}");
    }
    assert_eq!(waits(&worker, "answered"), TRANSIENT.len() as u64);
}

/// Found in a fault run: a restarted Redis has no scripts, and a deadline that passed between NOSCRIPT
/// and the reply to EVAL was taken for a final error.
// R0.3
#[test]
fn deadline_after_noscript_is_waited_for() {
    let (redis, proxy, worker, session) = start();
    assert_eq!(redis.command(&["SCRIPT", "FLUSH"]).text(), "OK");
    proxy.after(1, Target::Session, Fault::HoldReply);
    // The deadline of the operation must pass before that of the second command.
    redis.command(&["CLIENT", "PAUSE", "300", "ALL"]);
    let mut waiting = send(&worker, &request::read(&session.id));
    until_waiting(&worker, 1);
    proxy.heal();
    assert_eq!(waiting.reply().expect(200).text("data"), "hello");
}

// R0.3
#[test]
fn final_errors_are_503_at_once() {
    let (_redis, proxy, worker, session) = start();
    for error in FINAL {
        proxy.every(Target::Session, Fault::Alter(error));
        worker.assert_refused(&request::read(&session.id));
        let write = request::write(&session.id, None, &session.token, "ECDH");
        worker.assert_refused(&write);
        proxy.heal();
    }
    assert_eq!(worker.metrics().sum(WAITS, &[]), 0);
}

// R0.3
#[test]
fn final_error_ends_a_wait() {
    let (_redis, proxy, worker, session) = start();
    proxy.every(Target::Session, Fault::Alter(TRANSIENT[5]));
    let mut waiting = send(&worker, &request::read(&session.id));
    until_waiting(&worker, 1);
    proxy.every(Target::Session, Fault::Alter(FINAL[2]));
    waiting.reply().expect_error(503, "M_UNKNOWN");
    assert_eq!(waits(&worker, "failed"), 1);
    until_waiting(&worker, 0);
    proxy.heal();
}

/// Redis itself denies the script, and allows it again.
// R0.3
#[test]
fn permission_that_redis_denies_is_503_at_once() {
    let redis = RedisServer::start();
    let worker = ready_on(&redis.url(), &[]);
    let session = worker.create("hello");
    redis.command(&["ACL", "SETUSER", "default", "-evalsha", "-eval"]);
    worker.assert_refused(&request::read(&session.id));
    let write = request::write(&session.id, None, &session.token, "ECDH");
    worker.assert_refused(&write);
    assert_eq!(worker.metrics().sum(WAITS, &[]), 0);
    redis.command(&["ACL", "SETUSER", "default", "+evalsha", "+eval"]);
    worker.assert_holds(&session.id, "hello", &session.token);
}
