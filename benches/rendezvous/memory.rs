//! What an idle server holds, and what one session costs Redis.
//!
//! Sizes, not speeds: each is taken once, from a fresh process and an empty Redis.

use crate::control::Control;
use crate::payload;
use crate::redis::Redis;
use crate::servers::{Server, Setting, Store};
use std::time::Duration;

/// Sessions over which Redis's memory is averaged: enough that buffers of connections and rounding of
/// hash tables vanish in it, few enough for a second.
const SESSIONS: u32 = 2000;

/// From readiness to the look at the memory, so that what starting allocates is over.
const SETTLE: Duration = Duration::from_millis(500);

/// Resident memory of our server, its rate limits on, after it became ready; in bytes.
pub fn idle(store: Store, redis: Option<&Redis>) -> Result<u64, String> {
    let server = Server::start_ours(Setting {
        store,
        redis,
        limits: true,
    })?;
    std::thread::sleep(SETTLE);
    server.process.rss()
}

/// Bytes that Redis allocates for a session with the largest payload, its lease included.
pub fn redis_session(redis: &Redis) -> Result<f64, String> {
    let setting = Setting {
        store: Store::Redis,
        redis: Some(redis),
        limits: false,
    };
    let server = Server::start_ours(setting)?;
    let failed = |error: std::io::Error| format!("filling Redis: {error}");
    let mut control = Control::connect(server.address).map_err(failed)?;
    let payload = payload::payload(payload::LARGEST, 1);
    // The first create loads the scripts, which are no part of a session.
    control.create(&payload).map_err(failed)?;
    redis.empty()?;
    let before = redis.used_memory()?;
    for _ in 0..SESSIONS {
        control.create(&payload).map_err(failed)?;
    }
    std::thread::sleep(SETTLE);
    let grown = u32::try_from(redis.used_memory()?.saturating_sub(before) / 1024);
    // Whole KiB of some twelve thousand: the rounding is 0.01 %.
    let grown = grown.map_err(|_| "Redis grew by terabytes".to_owned())?;
    Ok(f64::from(grown) * 1024.0 / f64::from(SESSIONS))
}
