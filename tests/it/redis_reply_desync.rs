//! Replies that do not belong to the call: another call's, of another form, or not a script's.
//!
//! On a pipelined connection one lost or extra reply shifts all later ones. A client would take
//! such a payload for a message of the other device. So the worker must notice, return 503 or
//! retry, count it, and never use that connection again.

use crate::server::{NO_WAIT, Server, ready_on};
use testkit::api::request;
use testkit::eventually;
use testkit::proxy::{Alteration, Fault, Proxy, Target};
use testkit::redis::RedisServer;

/// Counts replies that do not fit.
const BAD_REPLIES: &str = "rendezvous_store_bad_replies_total";

/// Replies that may arrive instead: valid RESP2, each wrong in another way.
const ALTERATIONS: [Alteration; 25] = [
    |_| b"+OK\r\n".to_vec(),
    |_| b":1\r\n".to_vec(),
    |_| b"$-1\r\n".to_vec(),
    |_| b"*-1\r\n".to_vec(),
    |_| b"*0\r\n".to_vec(),
    |_| b"*2\r\n$1\r\n7\r\n$1\r\nG\r\n".to_vec(),
    // Another call's nonce, no nonce, and a part of the call's own.
    |reply| {
        with_head(reply, |nonce, rest| {
            let nonce: u64 = nonce.parse().expect("a number");
            format!("{}{rest}", nonce + 1)
        })
    },
    |reply| with_head(reply, |_, rest| rest.to_owned()),
    |reply| with_head(reply, |nonce, rest| format!("{}{rest}", &nonce[1..])),
    |reply| with_head(reply, |nonce, rest| format!("0{nonce}{rest}")),
    // Another letter, no letter, and a letter without its value.
    |reply| with_head(reply, |nonce, rest| format!("{nonce}X{}", &rest[1..])),
    |reply| with_head(reply, |nonce, rest| format!("{nonce}{}", &rest[1..])),
    |reply| with_head(reply, |nonce, rest| format!("{nonce}{}", emptied(rest))),
    |reply| with_head(reply, |nonce, rest| format!("{nonce}{rest}x")),
    |reply| with_head(reply, |_, _| String::new()),
    // Payload and remaining time: where none are expected, of another form, only one of them, or
    // none.
    |reply| match reply[0] {
        b'*' => head(reply).to_vec(),
        _ => with_state(reply, b"$1\r\nx\r\n:1\r\n"),
    },
    |reply| with_state(reply, b"$0\r\n\r\n$1\r\n1\r\n"),
    |reply| with_state(reply, b"*0\r\n:1\r\n"),
    // Timestamps that were not requested.
    |reply| with_state(reply, b":1\r\n:1\r\n"),
    |reply| [b"*5\r\n", head(reply), b"$1\r\nx\r\n:1\r\n:1\r\n:1\r\n"].concat(),
    |reply| with_state(reply, b"$1\r\n\xff\r\n:1\r\n"),
    |reply| with_state(reply, b"$1\r\nx\r\n:-1\r\n"),
    |reply| [b"*4\r\n", head(reply), b"$1\r\nx\r\n:1\r\n:1\r\n"].concat(),
    |reply| [b"*2\r\n", head(reply), b"$1\r\nx\r\n"].concat(),
    |reply| [b"*1\r\n", head(reply)].concat(),
];

/// The letter without its value; a letter that has no value gets one.
fn emptied(rest: &str) -> String {
    if rest.len() == 1 {
        return format!("{rest} ");
    }
    rest[..1].to_owned()
}

/// The string with nonce and letter, in RESP: the whole reply, except for what a read found.
fn head(reply: &[u8]) -> &[u8] {
    // None of these strings contains a line break: two lines each.
    let lines: Vec<_> = reply.split_inclusive(|byte| *byte == b'\n').collect();
    let before = if reply[0] == b'*' { lines[0].len() } else { 0 };
    let at = usize::from(before > 0);
    &reply[before..before + lines[at].len() + lines[at + 1].len()]
}

/// The head of the reply, and the rest that a read found.
fn with_state(reply: &[u8], state: &[u8]) -> Vec<u8> {
    [b"*3\r\n", head(reply), state].concat()
}

/// The reply with another such string in its place.
fn with_head(reply: &[u8], by: fn(&str, &str) -> String) -> Vec<u8> {
    let head = head(reply);
    let text = std::str::from_utf8(head).expect("text");
    let text = text.lines().nth(1).expect("two lines");
    let (nonce, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).expect("a letter"));
    let other = by(nonce, rest);
    let at = reply.len() - reply.strip_prefix(b"*3\r\n").unwrap_or(reply).len();
    let (before, after) = (&reply[..at], &reply[at + head.len()..]);
    let other = format!("${}\r\n{other}\r\n", other.len());
    [before, other.as_bytes(), after].concat()
}

fn start() -> (RedisServer, Proxy, Server) {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address());
    let worker = ready_on(&proxy.url(), &[NO_WAIT]);
    (redis, proxy, worker)
}

#[test]
fn swallowed_reply_never_leaks_another_payload() {
    let (_redis, proxy, worker) = start();
    let mine = worker.create("my secret");
    let theirs = worker.create("their secret");
    let (before, connections) = (worker.metrics().sum(BAD_REPLIES, &[]), proxy.accepted());
    proxy.next(Target::Session, Fault::SwallowReply);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| worker.call(&request::read(&mine.id)));
        proxy.wait_until_struck();
        // Its reply is the next on that connection, and the first read still waits for one.
        let second = worker.call(&request::read(&theirs.id));
        let first = first.join().expect("an answer");
        for (reply, own) in [(first, "my secret"), (second, "their secret")] {
            assert!([200, 503].contains(&reply.status), "{reply}");
            assert!(reply.status == 503 || reply.text("data") == own, "{reply}");
        }
    });
    proxy.heal();
    assert_eq!(
        worker
            .retry_while_503(&request::read(&mine.id))
            .expect(200)
            .text("data"),
        "my secret"
    );
    assert_eq!(
        worker
            .retry_while_503(&request::read(&theirs.id))
            .expect(200)
            .text("data"),
        "their secret"
    );
    assert_counted_and_dropped(&worker, before, &proxy, connections);
}

/// Expects a counted bad reply since `before`, and a new connection since `connections`.
fn assert_counted_and_dropped(worker: &Server, before: u64, proxy: &Proxy, connections: usize) {
    assert!(
        worker.metrics().sum(BAD_REPLIES, &[]) > before,
        "it was not counted"
    );
    assert!(
        proxy.accepted() > connections,
        "the shifted connection is still in use"
    );
}

#[test]
fn extra_reply_never_shifts_later_replies() {
    let (_redis, proxy, worker) = start();
    let sessions = ["one", "two", "three"].map(|data| worker.create(data));
    for extra in [&b"+OK\r\n"[..], b"*2\r\n$1\r\n7\r\n$1\r\nG\r\n", b"$-1\r\n"] {
        let (before, connections) = (worker.metrics().sum(BAD_REPLIES, &[]), proxy.accepted());
        proxy.next(Target::Session, Fault::InsertBefore(extra));
        for session in &sessions {
            let reply = worker
                .retry_while_503(&request::read(&session.id))
                .expect(200);
            assert_eq!(reply.text("data"), session.data);
        }
        proxy.heal();
        assert_counted_and_dropped(&worker, before, &proxy, connections);
    }
}

#[test]
fn malformed_script_reply_is_503() {
    let (_redis, proxy, worker) = start();
    let counted = || worker.metrics().sum(BAD_REPLIES, &[]);
    for (number, alteration) in ALTERATIONS.into_iter().enumerate() {
        let session = worker
            .retry_while_503(&request::create("hello"))
            .expect(200);
        let [id, first] = ["id", "sequence_token"].map(|member| session.text(member));
        // 503 first, then a correct response to the retry, over another connection.
        let falsified = |request| {
            let (before, connections) = (counted(), proxy.accepted());
            proxy.next(Target::Session, Fault::Alter(alteration));
            let reply = worker.call(&request);
            proxy.heal();
            assert_eq!(reply.status, 503, "alteration {number}: {reply}");
            let reply = worker.retry_while_503(&request).expect(200);
            assert!(counted() > before, "alteration {number}: not counted");
            let left = || (proxy.accepted() > connections).then_some(());
            eventually("the connection is left", left);
            reply
        };
        falsified(request::create("hello"));
        assert_eq!(falsified(request::read(&id)).text("data"), "hello");
        let second = falsified(request::write(&id, None, &first, "ECDH")).text("sequence_token");
        worker.assert_holds(&id, "ECDH", &second);
        let third = falsified(request::write(&id, Some("t"), &second, "protocols"));
        worker.assert_holds(&id, "protocols", &third.text("sequence_token"));
    }
}

/// A script that Redis refused has not run: the second attempt sees the original state.
#[test]
fn delayed_delete_reply_is_not_a_success() {
    let (_redis, proxy, worker) = start();
    let session = worker.create("hello");
    worker.call(&request::delete(&session.id)).expect(200);
    let put_off: [Alteration; 2] = [
        |_| b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n".to_vec(),
        |_| b"-CLUSTERDOWN The cluster is down\r\n".to_vec(),
    ];
    for error in put_off {
        proxy.next(Target::Session, Fault::Alter(error));
        let again = worker.retry_while_503(&request::delete(&session.id));
        proxy.heal();
        again.expect_error(404, "M_NOT_FOUND");
    }
}

#[test]
fn error_reply_is_503_and_not_404() {
    let (_redis, proxy, worker) = start();
    let errors: [Alteration; 4] = [
        |_| b"-ERR something new\r\n".to_vec(),
        |_| b"-NOPERM this user has no permissions\r\n".to_vec(),
        |_| b"-MISCONF Redis is configured to save RDB snapshots\r\n".to_vec(),
        |_| b"-BUSY Redis is busy running a script\r\n".to_vec(),
    ];
    for error in errors {
        let session = worker.create("hello");
        proxy.every(Target::Session, Fault::Alter(error));
        worker.assert_refused(&request::read(&session.id));
        let write = request::write(&session.id, None, &session.token, "ECDH");
        worker.assert_refused(&write);
        proxy.heal();
        worker.retry_while_503(&write).expect(200);
    }
}
