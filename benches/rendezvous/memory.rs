//! The memory of an idle server, and of one session in Redis.
//!
//! These are sizes, not speeds: each is measured once, with a new process and an empty Redis.

use crate::payload;
use crate::scenario::PATH;
use crate::servers::{Server, ServerOptions, Store};
use std::time::Duration;
use testkit::http::{Connection, Request};
use testkit::redis::RedisServer;

/// Sessions over which Redis's memory is averaged. With that many, buffers of connections and the
/// rounding of hash tables do not matter, and they take only a second.
const SESSIONS: u32 = 2000;

/// Time between readiness and the measurement, in which the server frees what its start allocated.
pub const SETTLE: Duration = Duration::from_millis(500);

/// Resident memory of our server with its rate limits on, after it has become ready, in bytes.
pub fn idle(store: Store, redis: Option<&RedisServer>) -> Result<u64, String> {
    let server = Server::start_ours(ServerOptions {
        store,
        redis,
        limits: true,
        threads: None,
    })?;
    std::thread::sleep(SETTLE);
    Ok(server.process().rss())
}

/// Bytes that Redis allocates for a session with the largest payload, its lease included.
pub fn redis_session(redis: &RedisServer) -> Result<f64, String> {
    let server = Server::start_ours(ServerOptions {
        store: Store::Redis,
        redis: Some(redis),
        limits: false,
        threads: None,
    })?;
    let mut connection = Connection::open(server.address());
    let payload = payload::payload(payload::LARGEST, 1);
    let create = Request::post(PATH).json(&serde_json::json!({ "data": payload }));
    // The first create loads the scripts, which are not part of a session.
    connection.send(&create).expect(200);
    empty(redis);
    let before = redis.memory("used_memory");
    for _ in 0..SESSIONS {
        connection.send(&create).expect(200);
    }
    std::thread::sleep(SETTLE);
    let grown = u32::try_from(redis.memory("used_memory").saturating_sub(before) / 1024);
    // Whole KiB, of some twelve thousand: the rounding is 0.01 %.
    let grown = grown.map_err(|_| "Redis grew by terabytes".to_owned())?;
    Ok(f64::from(grown) * 1024.0 / f64::from(SESSIONS))
}

/// Deletes every key. Scripts stay loaded.
pub fn empty(redis: &RedisServer) {
    assert_eq!(redis.command(&["FLUSHALL", "SYNC"]).text(), "OK");
}
