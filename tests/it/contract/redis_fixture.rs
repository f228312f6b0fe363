//! The Redis store and its time: a session's end is simulated in Redis.

use super::fixture::{StoreFixture, TTL, limits};
use crate::deployments::{Deployment, Keys};
use crate::redis_in_process::{InProcess, in_process};
use matrix_rendezvous::app::tasks::RunningTasks;
use matrix_rendezvous::lifecycle::BackgroundTask;
use matrix_rendezvous::model::SessionId;
use matrix_rendezvous::store::redis::RedisStore;
use matrix_rendezvous::store::{LAST_POLLS, StoreParts, StoreState};
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

pub struct RedisFixture {
    store: RedisStore,
    keys: Keys,
    prefix: String,
    /// The time by our count, and when each session ends by it.
    now: Duration,
    ends: Vec<(SessionId, Duration)>,
    _running: RunningTasks,
}

impl RedisFixture {
    /// A store with keys of its own.
    pub async fn on(deployment: &Deployment) -> Self {
        let prefix = Deployment::prefix();
        let InProcess { parts, .. } = in_process(&deployment.settings(), &prefix, limits());
        let StoreParts {
            store,
            mut state,
            mut tasks,
            ..
        } = parts;
        let is_check = |task: &mut BackgroundTask| task.name == "Redis checks";
        let checks: Vec<_> = tasks.extract_if(.., is_check).collect();
        assert_eq!(checks.len(), 1);
        let stop = CancellationToken::new();
        let running = RunningTasks::start(tasks, &stop);
        let checks = RunningTasks::start(checks, &stop);
        let ready = state.wait_for(|state| *state == StoreState::Ready);
        let ready = tokio::time::timeout(testkit::PATIENCE, ready).await;
        let is_ready = ready.is_ok_and(|ready| ready.is_ok());
        assert!(is_ready, "{:?}", *state.borrow());
        // A later check has a session of its own for a moment, which would count as live; a write
        // probe makes the pseudonym key again that `clear` deletes.
        drop(checks);
        Self {
            store,
            keys: deployment.connect(),
            prefix,
            now: Duration::ZERO,
            ends: Vec::new(),
            _running: running,
        }
    }

    /// Ends a session as its TTL would: the key expires, and so does its lease.
    fn end(&mut self, id: SessionId) {
        let key = format!("{}s:{{{id}}}", self.prefix);
        self.keys.command(&["PEXPIRE", &key, "1"]);
        testkit::eventually("a session expires", || {
            (self.keys.command(&["EXISTS", &key]).int() == 0).then_some(())
        });
        let member = &Sha256::digest(id.as_bytes())[..12];
        let leases = format!("{}{{lease}}:", self.prefix);
        for set in self.keys.matching(&format!("{leases}*")) {
            if set != format!("{leases}secret") {
                self.keys
                    .command(&[&b"ZADD"[..], set.as_bytes(), b"XX", b"1", member]);
            }
        }
    }
}

impl StoreFixture for RedisFixture {
    type Store = RedisStore;

    fn store(&self) -> &RedisStore {
        &self.store
    }

    fn created(&mut self, id: SessionId) {
        self.ends.push((id, self.now + TTL));
    }

    async fn advance(&mut self, by: Duration) {
        self.now += by;
        let now = self.now;
        let due: Vec<_> = self.ends.extract_if(.., |(_, end)| *end <= now).collect();
        for (id, _) in due {
            self.end(id);
        }
    }

    fn set_ttl(&mut self, id: SessionId, ttl: Duration) {
        let key = format!("{}s:{{{id}}}", self.prefix);
        let ttl = ttl.as_millis().to_string();
        self.keys.command(&["PEXPIRE", &key, &ttl]);
    }

    /// Redis' clock cannot be moved, and hardly advances within a test. `set_ttl` can have changed
    /// the time.
    fn is_time_left(&self, reported: Duration, expected: Duration) -> bool {
        reported <= TTL && (reported > TTL / 2 || expected < LAST_POLLS)
    }

    fn time_of_day(&mut self) -> SystemTime {
        let time = self.keys.command(&["TIME"]).texts();
        let part = |at: usize| -> u64 { time[at].parse().expect("a number") };
        let seconds = Duration::from_secs(part(0));
        SystemTime::UNIX_EPOCH + seconds + Duration::from_millis(part(1) / 1000)
    }

    async fn tick(&mut self) {
        let begun = self.time_of_day();
        testkit::eventually("a millisecond passes", || {
            (self.time_of_day() > begun).then_some(())
        });
    }

    fn clear(&mut self) {
        for key in self.keys.matching(&format!("{}*", self.prefix)) {
            self.keys.command(&["DEL", &key]);
        }
        self.ends.clear();
    }
}
