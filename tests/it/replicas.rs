//! Any replica serves any request of any session, and killing one loses nothing.
//!
//! Three workers on one Redis: sign-ins with each request on another worker while workers are
//! killed and replaced, races for one token through all of them, and one session limit for all.

mod fleet;
mod shares;

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

use crate::server::{Server, ready_on};
use fleet::{Fleet, sign_in};
use testkit::api::request;
use testkit::http::{Connection, Reply, Request};
use testkit::redis::RedisServer;
use testkit::until;

#[test]
fn sign_ins_survive_killed_workers() {
    const DEVICE_PAIRS: usize = 6;
    const KILLS: usize = 9;
    let redis = RedisServer::start();
    let fleet = Fleet::start(&redis.url());
    let (finished, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let pairs: Vec<_> = (0..DEVICE_PAIRS)
            .map(|_| {
                scope.spawn(|| {
                    while !over.load(Ordering::SeqCst) {
                        sign_in(&fleet);
                        finished.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for victim in 0..KILLS {
            // Sign-ins progress between two kills, so each kill hits some of them in the middle.
            let before = fleet.requests();
            until("the sign-ins go on", || {
                fleet.requests() > before + 20 || pairs.iter().any(ScopedJoinHandle::is_finished)
            });
            fleet.kill_and_replace(victim % fleet.size());
        }
        over.store(true, Ordering::SeqCst);
    });
    assert!(finished.load(Ordering::SeqCst) >= DEVICE_PAIRS);
    assert_eq!(
        redis.command(&["KEYS", "mrv:s:*"]).array().len(),
        0,
        "all were deleted"
    );
}

// R1.19, R1.22
#[test]
fn one_of_100_racing_writers_wins_each_round() {
    let redis = RedisServer::start();
    let workers = [(); 3].map(|()| ready_on(&redis.url(), &[]));
    let session = workers[0].create("start");
    let mut token = session.token;
    for round in 0..5 {
        token = race(&workers, &session.id, |device| {
            request::write(
                &session.id,
                None,
                &token,
                &format!("round {round}, device {device}"),
            )
        });
    }
}

// R1.25, R1.30
#[test]
fn one_racing_writer_with_txn_id_wins_and_replays() {
    let redis = RedisServer::start();
    let workers = [(); 3].map(|()| ready_on(&redis.url(), &[("session.max_txn_ids", "1000")]));
    let session = workers[0].create("start");
    let mut token = session.token;
    for round in 0..3 {
        let write = |device| {
            let (txn, data) = (
                format!("{round}-{device}"),
                format!("round {round}, device {device}"),
            );
            request::write(&session.id, Some(&txn), &token, &data)
        };
        let next = race(&workers, &session.id, write);
        // The records decide now, so a second race has the same winner and changes nothing.
        assert_eq!(race(&workers, &session.id, write), next);
        token = next;
    }
}

/// A hundred devices write through all workers at once. One succeeds and all others are conflicts.
/// The session holds the winner's payload and token.
#[track_caller]
fn race(workers: &[Server], id: &str, write: impl Fn(usize) -> Request + Sync) -> String {
    const DEVICES: usize = 100;
    let start = Barrier::new(DEVICES);
    let replies: Vec<(usize, Reply)> = std::thread::scope(|scope| {
        let (start, write) = (&start, &write);
        let devices: Vec<_> = (0..DEVICES)
            .map(|device| {
                scope.spawn(move || {
                    let mut connection = Connection::open(workers[device % workers.len()].http);
                    start.wait();
                    (device, connection.send(&write(device)))
                })
            })
            .collect();
        devices
            .into_iter()
            .map(|device| device.join().expect("an answer"))
            .collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|(_, reply)| reply.status == 200);
    for (_, reply) in &lost {
        assert_eq!(reply.status, 409, "{reply}");
    }
    let [(winner, reply)] = won[..] else {
        panic!("{} devices won", won.len())
    };
    let token = reply.text("sequence_token");
    let held = workers[0].read(id);
    assert_eq!(held.token, token);
    assert!(
        held.data.ends_with(&format!("device {winner}")),
        "{winner} won, {} is held",
        held.data
    );
    token
}

#[test]
fn session_limit_holds_over_all_workers() {
    let redis = RedisServer::start();
    let workers = [(); 3].map(|()| ready_on(&redis.url(), &[("session.max_live", "5")]));
    let mut live = create_at_once(&workers);
    assert_eq!(live.len(), 5);
    for worker in &workers {
        until("each worker counts the sessions of all", || {
            worker.metrics().sum("rendezvous_sessions_live", &[]) == 5
        });
    }
    assert!(create_at_once(&workers).is_empty());
    let assert_all_live = |live: &BTreeSet<String>| {
        for (id, worker) in live.iter().zip(workers.iter().cycle()) {
            worker.call(&request::read(id)).expect(200);
        }
    };
    assert_all_live(&live);

    let ended = live.pop_first().expect("five");
    workers[1].call(&request::delete(&ended)).expect(200);
    let after_delete = create_at_once(&workers);
    assert_eq!(after_delete.len(), 1, "a deleted session frees one place");
    live.extend(after_delete);
    assert_all_live(&live);

    // Two sessions expire: each key and one lease reach their end. The count does not depend on
    // which lease belongs to which session.
    let leases = redis.command(&["ZRANGE", "mrv:{lease}:live", "0", "1"]);
    for lease in leases.array() {
        redis.command(&[
            b"ZADD",
            &b"mrv:{lease}:live"[..],
            b"XX",
            b"1",
            lease.bytes(),
        ]);
        let ended = live.pop_first().expect("five");
        redis.command(&["PEXPIRE", &format!("mrv:s:{{{ended}}}"), "1"]);
        until("it expires", || {
            workers[2].call(&request::read(&ended)).status == 404
        });
    }
    let after_expiry = create_at_once(&workers);
    assert_eq!(
        after_expiry.len(),
        2,
        "each expired session frees one place"
    );
    live.extend(after_expiry);
    assert_eq!(live.len(), 5);
    assert_all_live(&live);
}

/// Thirty devices create at once through all workers. Returns the ids of the successful ones; all
/// others got a 429.
#[track_caller]
fn create_at_once(workers: &[Server]) -> BTreeSet<String> {
    const DEVICES: usize = 30;
    let start = Barrier::new(DEVICES);
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let start = &start;
        let devices: Vec<_> = (0..DEVICES)
            .map(|device| {
                scope.spawn(move || {
                    start.wait();
                    workers[device % workers.len()].call(&request::create("x"))
                })
            })
            .collect();
        devices
            .into_iter()
            .map(|device| device.join().expect("an answer"))
            .collect()
    });
    let (created, refused): (Vec<_>, Vec<_>) =
        replies.into_iter().partition(|reply| reply.status == 200);
    for reply in refused {
        reply.expect_error(429, "M_LIMIT_EXCEEDED");
    }
    created.iter().map(|reply| reply.text("id")).collect()
}
