//! What happens to a standalone Redis, step by step. Each method returns when Redis is whole again.

use super::{Front, Standalone};
use crate::progress::Progress;
use crate::setup::USER;
use std::time::Duration;
use testkit::proxy::{Fault, Target};
use testkit::random::Random;
use testkit::redis::Reply;
use testkit::until;

/// Refused creations after which an outage ends: it has been noticed.
const REFUSED: usize = 10;

/// Keys that a loading Redis reads before the sessions, and the time for each. Together they take
/// twice as long as the fault, which ends them.
pub(super) const LOADED_KEYS: &str = "100000";
const TIME_PER_KEY_MICROS: &str = "100";

impl Standalone {
    pub(super) fn kill_and_restart(&mut self, progress: &Progress) -> Result<(), String> {
        self.redis.kill();
        progress.wait_for_refused(REFUSED)?;
        self.redis.restart();
        Ok(())
    }

    pub(super) fn replace(&mut self, progress: &Progress) -> Result<(), String> {
        self.redis.kill();
        progress.wait_for_refused(REFUSED)?;
        self.redis.restart_empty();
        Ok(())
    }

    pub(super) fn pause(&self, duration: Duration) {
        self.redis.pause();
        std::thread::sleep(duration);
        self.redis.resume();
    }

    /// No byte passes, in either direction, and connections stay open.
    pub(super) fn partition(&self, duration: Duration) -> Result<(), String> {
        let Some(Front::Relay(relay)) = &self.front else {
            return Err("no relay".to_owned());
        };
        relay.silence_for(duration);
        Ok(())
    }

    pub(super) fn load_5s(&mut self, progress: &Progress) -> Result<(), String> {
        self.redis.kill();
        let delay = ["--key-load-delay", TIME_PER_KEY_MICROS];
        let interval = ["--loading-process-events-interval-bytes", "1024"];
        self.redis.restart_loading(&[delay, interval].concat());
        let loading = progress.now();
        let mut operator = self.redis.connect();
        let mut is_loading =
            || matches!(operator.command(&["PING"]), Reply::Error(e) if e.starts_with("LOADING"));
        while progress.now() < loading + Duration::from_secs(5) {
            if !is_loading() {
                let took = progress.now().saturating_sub(loading);
                return Err(format!("it loaded for {took:?} only"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.redis
            .command(&["CONFIG", "SET", "key-load-delay", "0"]);
        until("Redis has loaded", || !is_loading());
        Ok(())
    }

    pub(super) fn kill_connections(&mut self, progress: &Progress) -> Result<(), String> {
        for _ in 0..20 {
            // The operator's connection counts too. Subscriptions do not: they end later.
            until("the workers are connected", || {
                let list = self.redis.command(&["CLIENT", "LIST", "TYPE", "normal"]);
                list.text().lines().count() > 3
            });
            self.redis.command(&["CLIENT", "KILL", "TYPE", "normal"]);
            progress.wait_for_requests(30)?;
        }
        Ok(())
    }

    pub(super) fn flush_scripts(&mut self, progress: &Progress) -> Result<(), String> {
        for _ in 0..100 {
            self.redis.command(&["SCRIPT", "FLUSH"]);
            progress.wait_for_requests(10)?;
        }
        Ok(())
    }

    pub(super) fn fill_memory(&mut self, progress: &Progress) -> Result<(), String> {
        self.redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
        progress.wait_for_refused(REFUSED)?;
        let completed = progress.completed();
        progress.wait_until("sign-ins complete on a full Redis", |now| {
            now.completed() >= completed + 3
        })?;
        self.redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
        Ok(())
    }

    pub(super) fn change_acl(&mut self, progress: &Progress) -> Result<(), String> {
        self.redis
            .command(&["ACL", "SETUSER", USER, "-evalsha", "-eval"]);
        progress.wait_for_refused(REFUSED)?;
        self.redis
            .command(&["ACL", "SETUSER", USER, "+evalsha", "+eval"]);
        Ok(())
    }

    pub(super) fn change_password(&mut self, _: &Progress) -> Result<(), String> {
        let Some(file) = &self.password_file else {
            return Err("no password file".to_owned());
        };
        std::fs::write(file.path(), "another").map_err(|error| error.to_string())?;
        let mut operator = self.redis.connect();
        operator.command(&["ACL", "SETUSER", USER, "resetpass", ">another"]);
        operator.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        Ok(())
    }

    /// One connection of the workers at most, beside that of the operator.
    pub(super) fn limit_connections(&mut self, progress: &Progress) -> Result<(), String> {
        let mut operator = self.redis.connect();
        operator.command(&["CONFIG", "SET", "maxclients", "2"]);
        operator.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        progress.wait_for_refused(REFUSED)?;
        operator.command(&["CONFIG", "SET", "maxclients", "10000"]);
        Ok(())
    }

    pub(super) fn cut_replies(&mut self, progress: &Progress) -> Result<(), String> {
        let Some(Front::Proxy(proxy)) = &self.front else {
            return Err("no proxy".to_owned());
        };
        let mut random = Random::new(1);
        for number in 0..60 {
            let target = if number % 4 == 0 {
                Target::Lease
            } else {
                Target::Session
            };
            let at = usize::try_from(random.below(800)).expect("a small number");
            let spared = usize::try_from(random.below(20)).expect("a small number");
            proxy.after(spared, target, Fault::CutWithinReply(at));
            proxy.wait_until_struck();
            proxy.heal();
            progress.wait_for_requests(5)?;
        }
        Ok(())
    }
}
