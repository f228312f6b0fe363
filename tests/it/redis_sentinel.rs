//! Failovers by Sentinel: planned, and with an old primary that lives on.
//!
//! Between the promotion and the moment at which a sentinel demotes it, about ten seconds later, the
//! old primary accepts writes that are lost. A worker must leave it as soon as the sentinels
//! announce the new one.

use std::time::{Duration, Instant};

use crate::server::{NO_ACCESS_LOG, Server, ready_on};
use testkit::api::{Session, request};
use testkit::background::{Client, Samples, run_clients, wait_for_each};
use testkit::redis::sentinels::{Sentinels, SentinelsConfig};
use testkit::until;

/// The contract: a worker follows `+switch-master`, and is answered 0.5 s later. As much again is for a
/// loaded machine, since tests run beside each other.
const FOLLOWED: Duration = Duration::from_secs(1);

/// Without the event, the question of every second comes first.
const FOLLOWED_WITHOUT_EVENTS: Duration = Duration::from_secs(2);

/// Asserts that no request failed, but writes that the old primary had acknowledged before the
/// worker left it: the first write on the new primary then conflicts.
#[track_caller]
fn assert_followed(samples: &Samples, recovered: Instant) {
    for sample in samples.failed() {
        let is_conflict = sample.status == 409 && sample.called < recovered;
        let after = sample.called.saturating_duration_since(recovered);
        assert!(
            is_conflict,
            "{} at {after:?} after the recovery",
            sample.status
        );
    }
}

/// Asserts that no creation was refused from `recovered` on, and that each session that was created
/// since then exists. Prints how many of the earlier sessions are lost.
#[track_caller]
fn assert_creations_followed(worker: &Server, samples: &Samples, recovered: Instant) {
    let (mut lost, mut lost_late, mut refused_late, mut late) = (0, 0, 0, 0);
    for sample in samples.all() {
        let is_late = sample.called > recovered;
        late += usize::from(is_late);
        match sample.session {
            None => refused_late += usize::from(is_late),
            Some(session) => {
                let is_lost = worker.call(&request::read(&session.id)).status == 404;
                lost += usize::from(is_lost && !is_late);
                lost_late += usize::from(is_lost && is_late);
            }
        }
    }
    println!("lost before the worker left the old primary: {lost}");
    assert!(late > 0, "no session was created after the announcement");
    assert_eq!(
        (lost_late, refused_late),
        (0, 0),
        "lost and refused, of {late}"
    );
}

/// Found in a fault run: 10 s of acknowledged writes went to the old primary and were lost.
#[test]
fn planned_failover_is_followed_when_announced() {
    let trio = Sentinels::start(&SentinelsConfig::default());
    assert_planned_failover_is_followed(&trio, FOLLOWED);
}

/// A worker may not see the events: the user has no permission, or a message was lost. The questions
/// of every second must be enough.
#[test]
fn planned_failover_is_followed_without_events() {
    let trio = Sentinels::start(&SentinelsConfig::default());
    trio.deny_events();
    let log = assert_planned_failover_is_followed(&trio, FOLLOWED_WITHOUT_EVENTS);
    assert!(log.contains("denies its events"), "{log}");
    assert!(
        !log.contains("NOPERM"),
        "a denial ends no connection: {log}"
    );
}

/// The events make a worker leave the old primary sooner than its next question would.
#[test]
fn worker_subscribes_to_the_events_of_each_sentinel() {
    let trio = Sentinels::start(&SentinelsConfig::steady());
    let _worker = ready_on(&trio.url(), NO_ACCESS_LOG);
    // Three of a promotion, and the announcement.
    until("each sentinel has the subscriptions", || {
        trio.subscriptions() == [4; 3]
    });
}

/// What the old primary executes between the promotion of a replica and its announcement is lost.
#[test]
fn promoted_replica_is_used_before_its_announcement() {
    let trio = Sentinels::start(&SentinelsConfig::default());
    let worker = ready_on(&trio.url(), NO_ACCESS_LOG);
    let clients = [Client::Writer(worker.create("hello")), Client::Creator];
    let (executed, _) = run_clients(&worker, clients, |_| {
        let old = trio.failover();
        let new = trio.wait_for_promoted_replica(old);
        let scripts = || [old, new].map(|index| trio.nodes[index].script_calls());
        let promoted = scripts();
        trio.wait_for_announcement(old);
        let announced = scripts();
        [0, 1].map(|node: usize| announced[node] - promoted[node])
    });
    let [by_old, by_new] = executed;
    assert!(by_old <= by_new, "{by_old} calls were lost, {by_new} not");
}

#[track_caller]
fn assert_planned_failover_is_followed(trio: &Sentinels, within: Duration) -> String {
    let worker = ready_on(&trio.url(), NO_ACCESS_LOG);
    let session = worker.create("hello");
    let clients = [
        Client::Creator,
        Client::Writer(worker.create("hello")),
        Client::Reader(session.clone()),
    ];
    let (announced, samples) = run_clients(&worker, clients, |_| {
        let old = trio.failover();
        trio.wait_for_announcement(old);
        let announced = Instant::now();
        trio.wait_until_replica(old);
        announced
    });
    let [creations, writes, reads] = &samples;
    reads.assert_none_failed();
    assert_followed(writes, announced + within);
    assert_creations_followed(&worker, creations, announced + within);
    assert_holds_last(&worker, writes);
    worker.assert_holds(&session.id, "hello", &session.token);
    let log = worker.log();
    assert!(log.contains("demoted"), "no line about the demotion: {log}");
    log
}

/// The session of a writer holds what was acknowledged last.
#[track_caller]
fn assert_holds_last(worker: &Server, writes: &Samples) {
    let last = writes.all().pop().and_then(|sample| sample.session);
    let last = last.expect("a written session");
    worker.assert_holds(&last.id, &last.data, &last.token);
}

/// Found in a fault run: a worker without a request during the failover served from the old primary
/// for 10 s.
#[test]
fn idle_worker_leaves_a_paused_primary_that_returns() {
    let trio = Sentinels::start(&SentinelsConfig::default());
    let [idle, busy] = [(); 2].map(|()| ready_on(&trio.url(), NO_ACCESS_LOG));
    let session = idle.create("hello");
    let old = trio.primary_index();
    trio.nodes[old].pause();
    let new = trio.wait_for_promotion(old);
    let written = busy
        .retry_while_503(&request::write(&session.id, None, &session.token, "ECDH"))
        .expect(200);
    let created = busy.create("on the new primary");
    trio.nodes[old].resume();

    let current = Session {
        data: "ECDH".to_owned(),
        token: written.text("sequence_token"),
        ..session
    };
    let clients = [
        Client::Reader(current),
        Client::Reader(created.clone()),
        Client::Creator,
    ];
    // The sentinels had announced the new primary long before.
    let announced = Instant::now();
    let ((), samples) = run_clients(&idle, clients, |_| trio.wait_until_replica(old));
    let [reads, reads_of_created, creations] = &samples;
    reads.assert_none_failed();
    reads_of_created.assert_none_failed();
    assert_creations_followed(&idle, creations, announced);
    assert_eq!(trio.primary_index(), new);
    busy.assert_holds(&created.id, "on the new primary", &created.token);
}

/// The old primary has lost its replicas and rejects each write with NOREPLICAS, for 10 s.
#[test]
fn primary_without_its_replicas_is_left_when_announced() {
    let trio = Sentinels::start(&SentinelsConfig {
        options: &["--min-replicas-to-write", "1"],
        ..SentinelsConfig::default()
    });
    let worker = ready_on(&trio.url(), NO_ACCESS_LOG);
    let session = worker.create("hello");
    let clients = [
        Client::Reader(session.clone()),
        Client::Writer(worker.create("hello")),
        Client::Creator,
    ];
    let (recovered, samples) = run_clients(&worker, clients, |_| {
        let old = trio.failover();
        trio.wait_for_promotion(old);
        let recovered = Instant::now();
        trio.wait_until_replica(old);
        recovered
    });
    let [reads, writes, creations] = &samples;
    reads.assert_none_failed();
    assert_followed(writes, recovered + FOLLOWED);
    assert_creations_followed(&worker, creations, recovered + FOLLOWED);
    assert_holds_last(&worker, writes);
    for sample in reads.all() {
        let is_late = sample.called < recovered && sample.returned > recovered + FOLLOWED;
        assert!(
            !is_late,
            "a read waited {:?}",
            sample.returned - sample.called
        );
    }
}

/// A failover by itself, after the primary died: nothing else accepts writes meanwhile.
#[test]
fn killed_primary_ends_no_sign_in() {
    let mut trio = Sentinels::start(&SentinelsConfig::default());
    let worker = ready_on(&trio.url(), NO_ACCESS_LOG);
    let clients = [
        Client::Reader(worker.create("hello")),
        Client::Writer(worker.create("hello")),
        Client::Creator,
        Client::sign_ins(),
    ];
    let old = trio.primary_index();
    let (recovered, samples) = run_clients(&worker, clients, |samples| {
        trio.nodes[old].kill();
        trio.wait_for_promotion(old);
        let recovered = Instant::now();
        wait_for_each(samples, 20);
        recovered
    });
    let [reads, writes, creations, sign_ins] = &samples;
    reads.assert_none_failed();
    // What was acknowledged and not replicated in the last moment is lost, by Redis.
    assert_followed(writes, recovered + FOLLOWED);
    sign_ins.assert_no_sign_in_lost();
    for sample in creations.failed() {
        let is_early = sample.called < recovered + FOLLOWED;
        assert!(sample.status == 503 && is_early, "{}", sample.status);
    }
}
