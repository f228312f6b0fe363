//! Leases of live sessions: a creation or deletion with a lost reply keeps none, and releases the
//! session's own. On a standalone Redis each is one script; on a Cluster each is several.

use super::two_workers::{Kind, LOSSES, TwoWorkers};
use crate::server::ready_on;
use testkit::api::request;
use testkit::http::Connection;
use testkit::proxy::{Fault, Proxy, Target};
use testkit::redis::RedisServer;
use testkit::until;

/// Creates two tests of each function, one for each kind of Redis.
macro_rules! on_both_kinds {
    ($($name:ident),+ $(,)?) => { $(mod $name {
        use super::Kind;

        #[test]
        fn standalone() {
            super::$name(Kind::Standalone);
        }

        #[test]
        fn cluster() {
            super::$name(Kind::Cluster);
        }
    })+ };
}

on_both_kinds! {
    create_with_lost_replies_leaves_nothing,
    create_with_one_lost_reply_leaves_one_session,
    delete_with_lost_replies_releases_the_lease,
    delete_with_one_lost_reply_releases_the_lease,
    client_gone_during_create_leaves_nothing,
    late_creation_revives_no_deleted_session,
    repeated_creation_is_charged_once,
}

/// The scripts of a creation: on a Cluster one for the lease and one for the session.
fn targets(kind: Kind) -> &'static [Target] {
    match kind {
        Kind::Standalone => &[Target::Session],
        Kind::Cluster => &[Target::Lease, Target::Session],
    }
}

/// Each loss on the way to each script of a creation.
fn losses(kind: Kind) -> impl Iterator<Item = (Target, Fault, String)> {
    let each = |target: &Target| {
        let target = *target;
        LOSSES.map(|loss| (target, loss, format!("{target:?}, {loss:?}")))
    };
    targets(kind).iter().flat_map(each)
}

fn create_with_lost_replies_leaves_nothing(kind: Kind) {
    let workers = TwoWorkers::on(kind, &[]);
    workers.sound.create("somebody else's");
    for (target, loss, what) in losses(kind) {
        workers.proxy.every(target, loss);
        workers.faulty.assert_refused(&request::create("x"));
        workers.proxy.heal();
        workers.until_live(1, &what);
        workers.until_share(1, &what);
    }
    let created = workers
        .faulty
        .retry_while_503(&request::create("again"))
        .expect(200);
    workers
        .sound
        .call(&request::read(&created.text("id")))
        .expect(200);
}

fn create_with_one_lost_reply_leaves_one_session(kind: Kind) {
    let workers = TwoWorkers::on(kind, &[]);
    for (before, (target, loss, what)) in losses(kind).enumerate() {
        workers.proxy.next(target, loss);
        let first = workers.faulty.call(&request::create("x"));
        workers.proxy.heal();
        let created = match first.status {
            503 => workers.faulty.retry_while_503(&request::create("x")),
            _ => first,
        };
        let id = created.expect(200).text("id");
        workers.until_live(before + 1, &what);
        workers.until_share(before + 1, &what);
        workers.sound.call(&request::read(&id)).expect(200);
    }
}

fn delete_with_lost_replies_releases_the_lease(kind: Kind) {
    let workers = TwoWorkers::on(kind, &[]);
    for (target, loss, what) in losses(kind) {
        let session = workers.sound.create("hello");
        workers.proxy.every(target, loss);
        let reply = workers.faulty.call(&request::delete(&session.id));
        // If only the lease is unreachable, the session is gone, as requested.
        let expected = if target == Target::Session { 503 } else { 200 };
        assert_eq!(reply.status, expected, "{what}: {reply}");
        workers.proxy.heal();
        let again = workers
            .faulty
            .retry_while_503(&request::delete(&session.id));
        assert!([200, 404].contains(&again.status), "{what}: {again}");
        workers.sound.assert_gone(&session.id);
        workers.until_live(0, &what);
        workers.until_share(0, &what);
    }
}

fn delete_with_one_lost_reply_releases_the_lease(kind: Kind) {
    let workers = TwoWorkers::on(kind, &[]);
    // Redis knows the scripts from here on, so each call is one command.
    let known = workers.sound.create("the scripts");
    workers.sound.call(&request::delete(&known.id)).expect(200);
    // On a Cluster a deletion reads the session's principals, deletes it, and releases the lease.
    let losses: &[_] = match kind {
        Kind::Standalone => &[(0, Target::Session)],
        Kind::Cluster => &[
            (0, Target::Session),
            (1, Target::Session),
            (0, Target::Lease),
        ],
    };
    for ((spared, target), loss) in losses
        .iter()
        .copied()
        .flat_map(|place| LOSSES.map(|loss| (place, loss)))
    {
        let what = format!("{target:?}, {spared} spared, {loss:?}");
        let session = workers.sound.create("hello");
        workers.proxy.after(spared, target, loss);
        let reply = workers.faulty.call(&request::delete(&session.id));
        // The worker's own second attempt finds nothing to delete, although the first one deleted
        // it. Without any reply before the deadline the client has to retry.
        let expected = match (target, loss) {
            (Target::Session, Fault::HoldReply) => 503,
            _ => 200,
        };
        assert_eq!(reply.status, expected, "{what}: {reply}");
        workers.proxy.heal();
        // The client's own second request reports what it finds, unless the worker had to send it
        // twice because a silent connection was being dropped, or the first one had deleted
        // nothing.
        let again = workers
            .faulty
            .retry_while_503(&request::delete(&session.id));
        let silent = matches!(loss, Fault::HoldReply);
        assert!(
            again.status == 404 || silent && again.status == 200,
            "{what}: {again}"
        );
        workers.until_live(0, &what);
        workers.until_share(0, &what);
    }
}

/// No request follows, so the worker alone must release the lease, although the session with its
/// principals is gone. Only a Cluster needs that: elsewhere one script does both.
#[test]
fn delete_of_unknown_outcome_releases_the_lease_later() {
    let workers = TwoWorkers::on(Kind::Cluster, &[]);
    let known = workers.sound.create("the scripts");
    workers.sound.call(&request::delete(&known.id)).expect(200);
    for loss in [Fault::CutReply, Fault::HoldReply] {
        let session = workers.sound.create("hello");
        workers.proxy.after(1, Target::Session, loss);
        workers.faulty.call(&request::delete(&session.id));
        workers.proxy.heal();
        workers.until_live(0, &format!("{loss:?}"));
        workers.until_share(0, &format!("{loss:?}"));
    }
}

/// An orphan that could not be removed ends by its TTL. No other signal shows that leases are
/// missing.
#[test]
fn abandoned_orphan_is_counted() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address());
    // Until the lease has expired.
    let worker = ready_on(&proxy.url(), &[("session.ttl", "10s")]);
    let counted = |name| worker.metrics().sum(name, &[]);
    let given_up = "rendezvous_store_orphans_given_up_total";
    assert_eq!(counted(given_up), 0);
    proxy.every(Target::Session, Fault::CutCommand);
    worker.assert_refused(&request::create("x"));
    let waiting = "rendezvous_store_orphans_waiting";
    // One for each id that the creation took.
    let orphans = counted(waiting);
    assert!((1..=3).contains(&orphans), "{orphans}");
    until("the orphans are given up", || counted(given_up) == orphans);
    assert_eq!(counted(waiting), 0);
    assert_eq!(counted("rendezvous_store_orphans_dropped_total"), 0);
    proxy.heal();
    worker.retry_while_503(&request::create("y")).expect(200);
    assert_eq!(counted(given_up), orphans);
}

fn client_gone_during_create_leaves_nothing(kind: Kind) {
    // Longer than a busy machine needs to notice that the client is gone: the client must leave
    // before the store gives up.
    let workers = TwoWorkers::on(kind, &[("store.redis.command_timeout", "2s")]);
    for (before, target) in targets(kind).iter().enumerate() {
        workers.proxy.every(*target, Fault::HoldReply);
        let mut client = Connection::open(workers.faulty.http);
        client.write(&request::create("x").bytes());
        workers.proxy.wait_until_struck();
        client.reset();
        // No response was sent, so nothing else would report it.
        until("the request is seen to be abandoned", || {
            let abandoned = "rendezvous_http_requests_abandoned_total";
            workers.faulty.metrics().sum(abandoned, &[]) == before as u64 + 1
        });
        workers.proxy.heal();
        workers.until_live(0, &format!("{target:?}"));
    }
}

/// The bytes of a creation can be held up on a connection that the worker has given up, and reach Redis
/// after the session was deleted.
fn late_creation_revives_no_deleted_session(kind: Kind) {
    let workers = TwoWorkers::on(kind, &[]);
    // Redis knows the scripts from here on.
    let known = workers.sound.create("the scripts");
    workers.sound.call(&request::delete(&known.id)).expect(200);

    workers.proxy.next(Target::Session, Fault::HoldCommand);
    let created = workers.faulty.create("hello");
    workers
        .faulty
        .call(&request::delete(&created.id))
        .expect(200);
    workers.until_live(0, "the session was deleted");
    workers.proxy.heal();
    let sessions = || workers.redis.command(&["KEYS", "mrv:s:{*}"]).texts();
    until("the late creation ran", || !sessions().is_empty());
    for worker in [&workers.faulty, &workers.sound] {
        worker.assert_gone(&created.id);
    }
    // No client knows what it created, which ends by its TTL.
    let session = sessions().pop().expect("a session");
    assert!(!session.contains(&created.id), "{session}");
    assert!(workers.redis.command(&["PTTL", &session]).int() > 0);
}

/// A session can be lost with the primary on which it was created. So a primary that was demoted
/// meanwhile must not confirm it, even if the session is there.
#[test]
fn create_is_not_confirmed_by_a_demoted_primary() {
    // Long enough for attempts before and after.
    let settings = [("store.redis.command_timeout", "2s")];
    let workers = TwoWorkers::on(Kind::Standalone, &settings);
    workers.proxy.every(Target::Session, Fault::CutReply);
    let mut client = Connection::open(workers.faulty.http);
    client.write(&request::create("x").bytes());
    workers.proxy.wait_until_struck();
    workers.redis.command(&["REPLICAOF", "127.0.0.1", "1"]);
    // The reply of an earlier call that is still on its way is lost too.
    workers.proxy.wait_until_struck_again();
    workers.proxy.heal();
    assert_eq!(client.reply().status, 503);
    workers.redis.command(&["REPLICAOF", "NO", "ONE"]);
    workers.until_live(0, "no client knows the session");
}

/// The worker repeats a call with a lost reply. That is one creation, and three are allowed.
fn repeated_creation_is_charged_once(kind: Kind) {
    let settings = [
        ("limits.create.client.burst", "3"),
        ("limits.create.client.per_second", "0.001"),
    ];
    let workers = TwoWorkers::on(kind, &settings);
    workers.faulty.create("one");
    workers.proxy.next(Target::Lease, Fault::CutReply);
    workers.faulty.create("two");
    workers.proxy.heal();
    workers.faulty.create("three");
    workers
        .faulty
        .try_create("four")
        .expect_error(429, "M_LIMIT_EXCEEDED");
}
