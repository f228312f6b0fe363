//! Faults of one standalone Redis.

mod steps;

use crate::catalogue::BreakableStore;
use crate::progress::{Period, Progress};
use std::time::Duration;
use tempfile::NamedTempFile;
use testkit::proxy::Proxy;
use testkit::redis::{DURABLE, RedisServer};
use testkit::relay::Relay;
use testkit::until;

/// Options of a Redis that syncs its log once a second.
const EVERY_SECOND: &[&str] = &["--appendonly", "yes", "--appendfsync", "everysec"];

/// The user of the workers, if the fault changes its rights.
const USER: &str = "worker";

/// Its first password.
const PASSWORD: &str = "secret";

/// A standalone Redis, and what happens to it.
struct Standalone {
    redis: RedisServer,
    /// Where the workers connect, if not to Redis.
    front: Option<Front>,
    /// How the workers connect as [`USER`]; `None` if they have no user.
    password: Option<Password>,
    strike: fn(&mut Self, &Progress) -> Result<(), String>,
}

/// Where the workers have their password from.
enum Password {
    InUrl,
    InFile(NamedTempFile),
}

/// What is between the workers and Redis.
enum Front {
    Proxy(Proxy),
    Relay(Relay),
}

impl BreakableStore for Standalone {
    fn url(&self) -> String {
        match &self.front {
            Some(Front::Proxy(proxy)) => proxy.url(),
            Some(Front::Relay(relay)) => format!("redis://{}/0", relay.address()),
            None => match &self.password {
                Some(Password::InUrl) => {
                    format!("redis://{USER}:{PASSWORD}@{}/0", self.redis.address())
                }
                Some(Password::InFile(_)) => format!("redis://{USER}@{}/0", self.redis.address()),
                None => self.redis.url(),
            },
        }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        match &self.password {
            Some(Password::InFile(file)) => {
                let path = file.path().to_str().expect("UTF-8").to_owned();
                vec![("store.redis.password_file", path)]
            }
            Some(Password::InUrl) | None => Vec::new(),
        }
    }

    fn strike(&mut self, progress: &Progress) -> Result<Period, String> {
        progress.wait_for_load()?;
        let begin = progress.now();
        (self.strike)(self, progress)?;
        let end = progress.now();
        Ok(Period { begin, end })
    }
}

fn standalone(
    options: &[&str],
    strike: fn(&mut Standalone, &Progress) -> Result<(), String>,
) -> Box<dyn BreakableStore> {
    Box::new(Standalone {
        redis: RedisServer::start_with(options),
        front: None,
        password: None,
        strike,
    })
}

/// SIGKILL, and a restart with a log that is synced before each reply.
pub fn kill_aof_always() -> Box<dyn BreakableStore> {
    standalone(DURABLE, Standalone::kill_and_restart)
}

/// SIGKILL, and a restart with a log that is synced once a second.
pub fn kill_aof_everysec() -> Box<dyn BreakableStore> {
    standalone(EVERY_SECOND, Standalone::kill_and_restart)
}

/// SIGKILL, and a restart without data.
pub fn kill_without_aof() -> Box<dyn BreakableStore> {
    standalone(&[], Standalone::kill_and_restart)
}

/// SIGKILL, and another Redis on its port, whose log is empty.
pub fn empty_replacement() -> Box<dyn BreakableStore> {
    standalone(DURABLE, Standalone::replace)
}

/// SIGSTOP for a second.
pub fn pause_1s() -> Box<dyn BreakableStore> {
    standalone(&[], |store, _| {
        store.pause(Duration::from_secs(1));
        Ok(())
    })
}

/// SIGSTOP for three seconds.
pub fn pause_3s() -> Box<dyn BreakableStore> {
    standalone(&[], |store, _| {
        store.pause(Duration::from_secs(3));
        Ok(())
    })
}

/// SIGSTOP for five seconds.
pub fn pause_5s() -> Box<dyn BreakableStore> {
    standalone(&[], |store, _| {
        store.pause(Duration::from_secs(5));
        Ok(())
    })
}

/// SIGKILL, and a restart that loads for five seconds.
pub fn loading_5s() -> Box<dyn BreakableStore> {
    let options = [DURABLE, &["--enable-debug-command", "yes"]].concat();
    let redis = RedisServer::start_with(&options);
    redis.command(&["DEBUG", "POPULATE", steps::LOADED_KEYS, "filler", "100"]);
    redis.command(&["BGREWRITEAOF"]);
    until("the filler is in the log", || {
        let size: u64 = redis
            .info("persistence", "aof_base_size")
            .parse()
            .expect("bytes");
        size > 1_000_000 && redis.info("persistence", "aof_rewrite_in_progress") == "0"
    });
    Box::new(Standalone {
        redis,
        front: None,
        password: None,
        strike: Standalone::load_5s,
    })
}

/// All connections closed, again and again.
pub fn client_kill() -> Box<dyn BreakableStore> {
    standalone(&[], Standalone::kill_connections)
}

/// All scripts forgotten, again and again.
pub fn script_flush() -> Box<dyn BreakableStore> {
    standalone(&[], Standalone::flush_scripts)
}

/// `maxmemory` reached.
pub fn full_memory() -> Box<dyn BreakableStore> {
    standalone(&[], Standalone::fill_memory)
}

/// The workers' user may not run scripts any more, and then may again.
pub fn acl_change() -> Box<dyn BreakableStore> {
    let redis = RedisServer::start();
    add_user(&redis);
    Box::new(Standalone {
        redis,
        front: None,
        password: Some(Password::InUrl),
        strike: Standalone::change_acl,
    })
}

fn add_user(redis: &RedisServer) {
    let password = format!(">{PASSWORD}");
    redis.command(&["ACL", "SETUSER", USER, "on", &password, "~*", "+@all"]);
}

/// The workers' password changes, first in their file, and all connections are closed.
pub fn password_change() -> Box<dyn BreakableStore> {
    let redis = RedisServer::start();
    add_user(&redis);
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), PASSWORD).expect("a file");
    Box::new(Standalone {
        redis,
        front: None,
        password: Some(Password::InFile(file)),
        strike: Standalone::change_password,
    })
}

/// Connections closed, and fewer new ones accepted than there are workers.
pub fn max_clients() -> Box<dyn BreakableStore> {
    standalone(&[], Standalone::limit_connections)
}

/// Connections that end in the middle of a reply.
pub fn cut_replies() -> Box<dyn BreakableStore> {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address());
    Box::new(Standalone {
        redis,
        front: Some(Front::Proxy(proxy)),
        password: None,
        strike: Standalone::cut_replies,
    })
}

/// No packet passes for three seconds.
pub fn partition_3s() -> Box<dyn BreakableStore> {
    let redis = RedisServer::start();
    let relay = Relay::start(redis.address());
    Box::new(Standalone {
        redis,
        front: Some(Front::Relay(relay)),
        password: None,
        strike: |store, progress| store.partition(Duration::from_secs(3), progress),
    })
}
