//! Holds over replicas: a write through one replica ends the hold on another.

use super::{ON, ended, hold, until_held, until_hints_are_complete, written_mailbox};
use crate::server::ready_on;
use testkit::http::Request;
use testkit::redis::RedisServer;

// R2.41, R2.42, R2.47
#[test]
fn write_and_deletion_through_another_replica_end_the_hold() {
    let redis = RedisServer::start();
    let [reading, writing] = [(); 2].map(|()| ready_on(&redis.url(), &ON));
    until_hints_are_complete(&reading);
    let (mailbox, etag) = written_mailbox(&writing);
    let mut reader = hold(&reading, &mailbox.poll(&etag), 1);
    let next = writing.call(&mailbox.put(&etag, "next")).expect(202).etag();
    let reply = reader.reply().expect(200);
    assert_eq!(
        (reply.body.as_slice(), reply.etag()),
        (&b"next"[..], next.clone())
    );
    let mut reader = hold(&reading, &mailbox.poll(&next), 1);
    writing.call(&Request::delete(&mailbox.path)).expect(204);
    reader.reply().expect_error(404, "M_NOT_FOUND");
    until_held(&reading, 0);
    assert_eq!(
        [ended(&reading, "written"), ended(&reading, "gone")],
        [1, 1]
    );
}

/// A worker that holds no reads has no subscription, and its scripts publish nothing.
#[test]
fn worker_without_holds_publishes_nothing() {
    let redis = RedisServer::start();
    let worker = ready_on(
        &redis.url(),
        &[
            ("msc4108.enabled", "true"),
            ("msc4108.long_poll.timeout", "0s"),
        ],
    );
    until_hints_are_complete(&worker);
    let (mailbox, _) = written_mailbox(&worker);
    worker.call(&Request::delete(&mailbox.path)).expect(204);
    let calls = redis.command(&["INFO", "commandstats"]).text();
    assert!(calls.contains("cmdstat_hset"), "{calls}");
    for denied in ["cmdstat_publish", "cmdstat_subscribe"] {
        assert!(!calls.contains(denied), "{calls}");
    }
}
