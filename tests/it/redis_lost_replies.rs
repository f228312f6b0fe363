//! The script ran and its reply was lost: between Redis and the worker, or between worker and
//! client.
//!
//! After a 503 or a broken connection a client sends the identical request again. Whatever was
//! lost, the end must be that of one run of the request: no double write, no write lost after a
//! 200, and never a 404 while the session lives.

mod leases;
mod two_workers;

use crate::server::{NO_WAIT, ready_on};
use testkit::api::request;
use testkit::http::Connection;
use testkit::proxy::{Fault, Proxy, Target};
use testkit::redis::RedisServer;
use testkit::until;
use two_workers::{LOSSES, TwoWorkers};

/// Both forms of PUT.
const FORMS: [Option<&str>; 2] = [None, Some("txn-1")];

#[test]
fn read_with_one_lost_reply_is_retried() {
    let workers = TwoWorkers::start();
    let session = workers.sound.create("hello");
    for loss in LOSSES {
        workers.proxy.next(Target::Session, loss);
        let first = workers.faulty.call(&request::read(&session.id));
        assert!([200, 503].contains(&first.status), "{loss:?}: {first}");
        workers.proxy.heal();
        let read = workers
            .faulty
            .retry_while_503(&request::read(&session.id))
            .expect(200);
        assert_eq!(read.text("data"), "hello", "{loss:?}");
        assert_eq!(read.text("sequence_token"), session.token, "{loss:?}");
    }
}

// R0.3
#[test]
fn reads_with_all_replies_lost_are_503() {
    let workers = TwoWorkers::start();
    let session = workers.sound.create("hello");
    for loss in LOSSES {
        workers.proxy.every(Target::Session, loss);
        workers
            .faulty
            .call(&request::read(&session.id))
            .expect_error(503, "M_UNKNOWN");
        workers.proxy.heal();
        let read = workers
            .faulty
            .retry_while_503(&request::read(&session.id))
            .expect(200);
        assert_eq!(read.text("sequence_token"), session.token, "{loss:?}");
    }
}

#[test]
fn silent_connection_is_replaced() {
    let workers = TwoWorkers::start();
    let session = workers.sound.create("hello");
    let before = workers.proxy.accepted();
    // Nothing arrives on this connection any more, and nothing closes it.
    workers.proxy.next(Target::Session, Fault::HoldReply);
    workers.faulty.assert_refused(&request::read(&session.id));
    let read = workers
        .faulty
        .retry_while_503(&request::read(&session.id))
        .expect(200);
    assert_eq!(read.text("sequence_token"), session.token);
    assert!(workers.proxy.accepted() > before);
    workers.proxy.heal();
    workers
        .faulty
        .assert_holds(&session.id, "hello", &session.token);
}

#[test]
fn silent_connection_attempt_is_replaced() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address());
    // The first command on every connection; all further replies on this one are held back for
    // good.
    proxy.next(Target::Ping, Fault::HoldReply);
    ready_on(&proxy.url(), &[]).create("hello");
    proxy.heal();
}

/// Released clients end a sign-in at the first 5xx on a poll, so occasional broken connections must
/// not reach them.
#[test]
fn broken_connection_is_invisible_to_clients() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address());
    let worker = ready_on(
        &proxy.url(),
        &[("store.redis.command_timeout", "10s"), NO_WAIT],
    );
    for loss in [Fault::CutCommand, Fault::CutReply] {
        let broken = |request| {
            proxy.next(Target::Session, loss);
            let reply = worker.call(&request);
            proxy.heal();
            reply
        };
        let created = broken(request::create("hello")).expect(200);
        let [id, first] = ["id", "sequence_token"].map(|member| created.text(member));
        assert_eq!(broken(request::read(&id)).expect(200).text("data"), "hello");
        let second = broken(request::write(&id, None, &first, "ECDH")).expect(200);
        let second = second.text("sequence_token");
        worker.assert_holds(&id, "ECDH", &second);
        let third = broken(request::write(&id, Some("t"), &second, "protocols")).expect(200);
        worker.assert_holds(&id, "protocols", &third.text("sequence_token"));
    }
}

// R1.17, R1.21, R1.25
#[test]
fn write_with_lost_reply_is_applied_once() {
    let workers = TwoWorkers::start();
    for (form, loss) in FORMS
        .into_iter()
        .flat_map(|form| LOSSES.map(|loss| (form, loss)))
    {
        let session = workers.sound.create("hello");
        let write = request::write(&session.id, form, &session.token, "ECDH");
        workers.proxy.every(Target::Session, loss);
        workers.faulty.assert_refused(&write);
        let landed = workers.sound.read(&session.id);
        workers.proxy.heal();
        if !matches!(loss, Fault::CutCommand) {
            assert_eq!(landed.data, "ECDH", "{form:?}, {loss:?}: the script ran");
        }

        let token = workers
            .faulty
            .retry_while_503(&write)
            .expect(200)
            .text("sequence_token");
        if landed.data == "ECDH" {
            assert_eq!(
                token, landed.token,
                "{form:?}, {loss:?}: written a second time"
            );
        }
        workers.sound.assert_holds(&session.id, "ECDH", &token);
        let next = workers.sound.write(&session.id, &token, "protocols");
        workers.faulty.assert_holds(&session.id, "protocols", &next);
    }
}

// R1.17
#[test]
fn write_with_one_lost_reply_returns_its_token() {
    let workers = TwoWorkers::start();
    for (form, loss) in FORMS
        .into_iter()
        .flat_map(|form| LOSSES.map(|loss| (form, loss)))
    {
        let session = workers.sound.create("hello");
        let write = request::write(&session.id, form, &session.token, "ECDH");
        workers.proxy.next(Target::Session, loss);
        let reply = workers.faulty.call(&write);
        assert!(
            [200, 503].contains(&reply.status),
            "{form:?}, {loss:?}: {reply}"
        );
        workers.proxy.heal();
        let token = workers
            .faulty
            .retry_while_503(&write)
            .expect(200)
            .text("sequence_token");
        workers.sound.assert_holds(&session.id, "ECDH", &token);
        if reply.status == 200 {
            assert_eq!(reply.text("sequence_token"), token, "{form:?}, {loss:?}");
        }
    }
}

// R1.25
#[test]
fn conflict_with_txn_id_survives_a_lost_reply() {
    let workers = TwoWorkers::start();
    let session = workers.sound.create("hello");
    let second = workers.sound.write(&session.id, &session.token, "theirs");
    let stale = request::write(&session.id, Some("late"), &session.token, "mine");
    workers.proxy.every(Target::Session, Fault::CutReply);
    workers.faulty.assert_refused(&stale);
    workers.proxy.heal();
    // Evaluated anew, this would count as a retry, because the payload is the same. The record
    // decides otherwise.
    let third = workers.sound.write(&session.id, &second, "mine");
    workers.faulty.retry_while_503(&stale).expect(409);
    workers.sound.assert_holds(&session.id, "mine", &third);
}

#[test]
fn peer_can_write_before_a_lost_write_is_retried() {
    let workers = TwoWorkers::start();
    for (form, retry_at) in FORMS
        .into_iter()
        .flat_map(|form| [(form, &workers.faulty), (form, &workers.sound)])
    {
        let session = workers.sound.create("hello");
        let write = request::write(&session.id, form, &session.token, "mine");
        workers.proxy.every(Target::Session, Fault::CutReply);
        workers.faulty.assert_refused(&write);
        workers.proxy.heal();

        let mine = workers.sound.read(&session.id);
        assert_eq!(mine.data, "mine", "{form:?}");
        let theirs = workers.sound.write(&session.id, &mine.token, "theirs");

        let token = retry_at
            .retry_while_503(&write)
            .expect(200)
            .text("sequence_token");
        assert_eq!(
            token, mine.token,
            "{form:?}: its own token, though the peer has written"
        );
        workers.sound.assert_holds(&session.id, "theirs", &theirs);
        let next = workers.sound.write(&session.id, &theirs, "and so on");
        workers.faulty.assert_holds(&session.id, "and so on", &next);
    }
}

#[test]
fn unread_response_is_handled_like_a_lost_reply() {
    let workers = TwoWorkers::start();
    for form in FORMS {
        let session = workers.sound.create("hello");
        let write = request::write(&session.id, form, &session.token, "mine");
        let mut connection = Connection::open(workers.faulty.http);
        connection.write(&write.bytes());
        until("the write landed", || {
            workers.sound.read(&session.id).data == "mine"
        });
        drop(connection);

        let mine = workers.sound.read(&session.id).token;
        let theirs = workers.sound.write(&session.id, &mine, "theirs");
        let token = workers
            .faulty
            .retry_while_503(&write)
            .expect(200)
            .text("sequence_token");
        assert_eq!(token, mine, "{form:?}");
        workers.sound.assert_holds(&session.id, "theirs", &theirs);
        let next = workers.faulty.write(&session.id, &theirs, "and so on");
        workers.sound.assert_holds(&session.id, "and so on", &next);
    }
}
