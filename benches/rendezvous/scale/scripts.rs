//! The script of each kind of request, captured from a worker, with the sessions that it runs on.

use super::bare::{BareCall, NEW_SESSIONS, SessionSet};
use super::evalsha::{EvalSha, capture};
use crate::payload;
use crate::scenario::Scenario;
use testkit::redis::RedisServer;
use testkit::server::Server;

/// Calls of one round. They take a third of a second to a second.
const CALLS: u32 = 40_000;

/// Sessions that are polled: as many as the load has connections.
const POLLED: u32 = 48;

/// Sessions that are written: enough that none reaches `session.max_writes`.
const WRITTEN: u32 = 1000;

/// Sessions of which redis-benchmark deletes a tenth, so that a random one still exists with 95 %. They
/// are also there while the load creates and deletes through workers.
const DELETED: u32 = 100_000;

/// Writes before the capture: a session keeps its last five tokens, and a counter after those.
const WRITES: usize = 8;

/// The scripts of a request of each scenario. If there are several, the load runs them in turn.
pub type ScriptsByScenario = Vec<(Scenario, Vec<BareCall>)>;

/// Captures the scripts. The worker uses a standalone Redis and has no limits.
pub fn capture_all(redis: &RedisServer, worker: &Server) -> Result<ScriptsByScenario, String> {
    let payloads = payload::typical();
    // The first call of each script may be an EVAL.
    let session = worker.create(&payloads[0]);
    delete(worker, &session.id);

    let create = capture_create(redis, worker, &payloads[0])?;

    let session = worker.create(&payloads[0]);
    let of_session = |command: &EvalSha| command.has_key(&session.id);
    let poll = capture(redis, of_session, || drop(worker.read(&session.id)))?;
    let poll = poll.with_random_session(&session.id, false);
    let new = SessionSet::copies(redis, &poll, &session.id, POLLED);
    let deletion = capture(redis, of_session, || delete(worker, &session.id))?;
    let deletion = deletion.with_random_session(&session.id, true);

    let mailbox = worker.open_mailbox(&payloads[0]);
    let unchanged = capture(
        redis,
        |command| command.has_key(mailbox.id()),
        || drop(worker.raw(&mailbox.poll(&mailbox.etag)).expect(304)),
    )?;
    let unchanged = unchanged.with_random_session(mailbox.id(), false);
    let mailboxes = SessionSet::copies(redis, &unchanged, mailbox.id(), POLLED);

    let session = worker.create(&payloads[0]);
    let mut token = session.token;
    for payload in payloads.iter().cycle().skip(1).take(WRITES) {
        token = worker.write(&session.id, &token, payload);
    }
    let mut write = capture(
        redis,
        |command| command.has_key(&session.id),
        || drop(worker.write(&session.id, &token, &payloads[WRITES / 2])),
    )?;
    // Each call writes the token that it submits. So it can be repeated, and is applied each time.
    let next_token = write.argument(2).clone();
    *write.argument(1) = next_token;
    let write = write.with_random_session(&session.id, false);
    let written = SessionSet::copies(redis, &write, &session.id, WRITTEN);

    let call = |command: EvalSha, sessions: SessionSet| BareCall {
        command,
        range: sessions.count,
        sessions: Some(sessions),
        calls: CALLS,
    };
    let create = BareCall {
        command: create,
        sessions: None,
        range: NEW_SESSIONS,
        calls: CALLS,
    };
    let deleted = SessionSet {
        count: DELETED,
        ..new.clone()
    };
    let create_more = BareCall {
        sessions: Some(deleted.clone()),
        ..create.clone()
    };
    let deletion = BareCall {
        calls: DELETED / 10,
        ..call(deletion, deleted)
    };
    Ok(vec![
        (Scenario::Unchanged, vec![call(unchanged, mailboxes)]),
        (Scenario::Poll, vec![call(poll, new)]),
        (Scenario::Write, vec![call(write, written)]),
        (Scenario::Create, vec![create]),
        (Scenario::Delete, vec![create_more, deletion]),
    ])
}

/// Captures the creation of a session with its lease in one script.
pub fn capture_create(
    redis: &RedisServer,
    worker: &Server,
    payload: &str,
) -> Result<EvalSha, String> {
    let mut id = String::new();
    let create = capture(
        redis,
        |command| command.has_key("s:{"),
        || id = worker.create(payload).id,
    )?;
    Ok(create.with_random_session(&id, true))
}

/// Deletes a session.
pub fn delete(worker: &Server, id: &str) {
    worker.raw(&testkit::api::request::delete(id)).expect(200);
}

impl SessionSet {
    /// Copies of a session that is there.
    fn copies(redis: &RedisServer, command: &EvalSha, id: &str, count: u32) -> Self {
        let key = command.key(0);
        let (prefix, _) = key.split_once("s:{").unwrap_or_default();
        let dump = redis.command(&["DUMP", &format!("{prefix}s:{{{id}}}")]);
        Self {
            count,
            index: format!("{prefix}{{lease}}:live"),
            session: Some((key.clone(), dump.bytes().to_vec())),
        }
    }
}
