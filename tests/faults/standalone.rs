//! Faults of one standalone Redis.

use crate::catalogue::BreakableStore;
use crate::progress::{Period, Progress};
use std::time::Duration;
use testkit::proxy::{Fault, Proxy, Target};
use testkit::random::Random;
use testkit::redis::{DURABLE, RedisServer, Reply};
use testkit::until;

/// Options of a Redis that syncs its log once a second.
const EVERY_SECOND: &[&str] = &["--appendonly", "yes", "--appendfsync", "everysec"];

/// Refused creations after which an outage ends: it has been noticed.
const REFUSED: usize = 10;

/// The user of the workers, if the fault changes its rights.
const USER: &str = "worker";

/// Keys that a loading Redis reads before the sessions, and the time for each: 5 s in all, if the
/// fault did not end it.
const LOADED_KEYS: &str = "100000";
const TIME_PER_KEY_MICROS: &str = "100";

/// A standalone Redis, and what happens to it.
struct Standalone {
    redis: RedisServer,
    /// Where the workers connect, if not to Redis.
    proxy: Option<Proxy>,
    /// Whether the workers connect as [`USER`].
    has_user: bool,
    strike: fn(&mut Self, &Progress) -> Result<(), String>,
}

impl BreakableStore for Standalone {
    fn url(&self) -> String {
        match &self.proxy {
            Some(proxy) => proxy.url(),
            None if self.has_user => {
                format!("redis://{USER}:secret@{}/0", self.redis.address())
            }
            None => self.redis.url(),
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
        proxy: None,
        has_user: false,
        strike,
    })
}

impl Standalone {
    fn kill_and_restart(&mut self, progress: &Progress) -> Result<(), String> {
        self.redis.kill();
        progress.wait_for_refused(REFUSED)?;
        self.redis.restart();
        Ok(())
    }

    fn replace(&mut self, progress: &Progress) -> Result<(), String> {
        self.redis.kill();
        progress.wait_for_refused(REFUSED)?;
        self.redis.restart_empty();
        Ok(())
    }

    fn pause(&self, duration: Duration) {
        self.redis.pause();
        std::thread::sleep(duration);
        self.redis.resume();
    }

    fn load_5s(&mut self, progress: &Progress) -> Result<(), String> {
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

    fn kill_connections(&mut self, progress: &Progress) -> Result<(), String> {
        for _ in 0..20 {
            // The operator's connection counts too.
            until("the workers are connected", || {
                let connected = self.redis.info("clients", "connected_clients");
                connected.parse::<u32>().expect("a number") > 3
            });
            self.redis.command(&["CLIENT", "KILL", "TYPE", "normal"]);
            progress.wait_for_requests(30)?;
        }
        Ok(())
    }

    fn flush_scripts(&mut self, progress: &Progress) -> Result<(), String> {
        for _ in 0..100 {
            self.redis.command(&["SCRIPT", "FLUSH"]);
            progress.wait_for_requests(10)?;
        }
        Ok(())
    }

    fn fill_memory(&mut self, progress: &Progress) -> Result<(), String> {
        self.redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
        progress.wait_for_refused(REFUSED)?;
        let completed = progress.completed();
        progress.wait_until("sign-ins complete on a full Redis", |now| {
            now.completed() >= completed + 3
        })?;
        self.redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
        Ok(())
    }

    fn change_acl(&mut self, progress: &Progress) -> Result<(), String> {
        self.redis
            .command(&["ACL", "SETUSER", USER, "-evalsha", "-eval"]);
        progress.wait_for_refused(REFUSED)?;
        self.redis
            .command(&["ACL", "SETUSER", USER, "+evalsha", "+eval"]);
        Ok(())
    }

    /// One connection of the workers at most, beside that of the operator.
    fn limit_connections(&mut self, progress: &Progress) -> Result<(), String> {
        let mut operator = self.redis.connect();
        operator.command(&["CONFIG", "SET", "maxclients", "2"]);
        operator.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        progress.wait_for_refused(REFUSED)?;
        operator.command(&["CONFIG", "SET", "maxclients", "10000"]);
        Ok(())
    }

    fn cut_replies(&mut self, progress: &Progress) -> Result<(), String> {
        let proxy = self.proxy.as_ref().ok_or("no proxy")?;
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
    redis.command(&["DEBUG", "POPULATE", LOADED_KEYS, "filler", "100"]);
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
        proxy: None,
        has_user: false,
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
    redis.command(&["ACL", "SETUSER", USER, "on", ">secret", "~*", "+@all"]);
    Box::new(Standalone {
        redis,
        proxy: None,
        has_user: true,
        strike: Standalone::change_acl,
    })
}

/// Connections closed, and fewer new ones accepted than there are workers.
pub fn max_clients() -> Box<dyn BreakableStore> {
    standalone(&[], Standalone::limit_connections)
}

/// Connections that end in the middle of a reply.
pub fn cut_replies() -> Box<dyn BreakableStore> {
    let redis = RedisServer::start();
    let proxy = Some(Proxy::start(redis.address()));
    Box::new(Standalone {
        redis,
        proxy,
        has_user: false,
        strike: Standalone::cut_replies,
    })
}
