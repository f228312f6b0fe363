//! Faults of one standalone Redis.

mod steps;

use crate::catalogue::BreakableStore;
use crate::progress::{Period, Progress};
use crate::setup::{PASSWORD, Setup, USER, url_user};
use std::time::Duration;
use tempfile::NamedTempFile;
use testkit::process::free_port;
use testkit::proxy::Proxy;
use testkit::redis::{DURABLE, RedisServer};
use testkit::relay::Relay;
use testkit::until;

/// Options of a Redis that syncs its log once a second.
const EVERY_SECOND: &[&str] = &["--appendonly", "yes", "--appendfsync", "everysec"];

/// A standalone Redis, and what happens to it.
struct Standalone {
    redis: RedisServer,
    /// Where the workers connect, if not to Redis.
    front: Option<Front>,
    has_tls: bool,
    /// What stands before the host in the URL: `name:password@`.
    user: String,
    /// Where the workers have their password from, if not from the URL.
    password_file: Option<NamedTempFile>,
    strike: fn(&mut Self, &Progress) -> Result<(), String>,
}

/// What is between the workers and Redis.
enum Front {
    Proxy(Proxy),
    Relay(Relay),
}

impl BreakableStore for Standalone {
    fn url(&self) -> String {
        let port = match &self.front {
            Some(Front::Proxy(proxy)) => return proxy.url(),
            Some(Front::Relay(relay)) => relay.address().port(),
            None => self.redis.announced_port(),
        };
        let scheme = if self.has_tls { "rediss" } else { "redis" };
        format!("{scheme}://{}127.0.0.1:{port}/0", self.user)
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let setting = |file: &NamedTempFile| {
            let path = file.path().to_str().expect("UTF-8").to_owned();
            ("store.redis.password_file", path)
        };
        self.password_file
            .as_ref()
            .map(setting)
            .into_iter()
            .collect()
    }

    fn nodes(&self) -> &[RedisServer] {
        std::slice::from_ref(&self.redis)
    }

    fn strike(&mut self, progress: &Progress) -> Result<Period, String> {
        progress.wait_for_load()?;
        let begin = progress.now();
        (self.strike)(self, progress)?;
        let end = progress.now();
        Ok(Period { begin, end })
    }
}

impl Standalone {
    /// Starts a Redis with these options.
    fn start(
        setup: &Setup,
        options: &[&str],
        strike: fn(&mut Self, &Progress) -> Result<(), String>,
    ) -> Self {
        let mut all = setup.redis_options();
        all.extend(
            setup
                .tls()
                .into_iter()
                .flat_map(|tls| tls.arguments(free_port())),
        );
        let mut all: Vec<_> = all.iter().map(String::as_str).collect();
        all.extend(options);
        Self {
            redis: RedisServer::start_with(&all),
            front: None,
            has_tls: setup.tls().is_some(),
            user: setup.url_user(),
            password_file: None,
            strike,
        }
    }

    /// Adds the workers' user, with all permissions.
    fn with_user(mut self) -> Self {
        let password = format!(">{PASSWORD}");
        let user = ["ACL", "SETUSER", USER, "on", &password, "~*", "+@all"];
        self.redis.command(&user);
        self.user = url_user();
        self
    }
}

fn standalone(
    setup: &Setup,
    options: &[&str],
    strike: fn(&mut Standalone, &Progress) -> Result<(), String>,
) -> Box<dyn BreakableStore> {
    Box::new(Standalone::start(setup, options, strike))
}

/// SIGKILL, and a restart with a log that is synced before each reply.
pub fn kill_aof_always(setup: &Setup) -> Box<dyn BreakableStore> {
    standalone(setup, DURABLE, Standalone::kill_and_restart)
}

/// SIGKILL, and a restart with a log that is synced once a second.
pub fn kill_aof_everysec(setup: &Setup) -> Box<dyn BreakableStore> {
    standalone(setup, EVERY_SECOND, Standalone::kill_and_restart)
}

/// SIGKILL, and a restart without data.
pub fn kill_without_aof(setup: &Setup) -> Box<dyn BreakableStore> {
    standalone(setup, &[], Standalone::kill_and_restart)
}

/// SIGKILL, and another Redis on its port, whose log is empty.
pub fn empty_replacement(setup: &Setup) -> Box<dyn BreakableStore> {
    standalone(setup, DURABLE, Standalone::replace)
}

/// SIGSTOP for a second.
pub fn pause_1s(setup: &Setup) -> Box<dyn BreakableStore> {
    standalone(setup, &[], |store, _| {
        store.pause(Duration::from_secs(1));
        Ok(())
    })
}

/// SIGSTOP for three seconds.
pub fn pause_3s(setup: &Setup) -> Box<dyn BreakableStore> {
    standalone(setup, &[], |store, _| {
        store.pause(Duration::from_secs(3));
        Ok(())
    })
}

/// SIGSTOP for five seconds.
pub fn pause_5s(setup: &Setup) -> Box<dyn BreakableStore> {
    standalone(setup, &[], |store, _| {
        store.pause(Duration::from_secs(5));
        Ok(())
    })
}

/// SIGKILL, and a restart that loads for five seconds.
pub fn loading_5s(setup: &Setup) -> Box<dyn BreakableStore> {
    let options = [DURABLE, &["--enable-debug-command", "yes"]].concat();
    let store = Standalone::start(setup, &options, Standalone::load_5s);
    let redis = &store.redis;
    redis.command(&["DEBUG", "POPULATE", steps::LOADED_KEYS, "filler", "100"]);
    redis.command(&["BGREWRITEAOF"]);
    until("the filler is in the log", || {
        let size: u64 = redis
            .info("persistence", "aof_base_size")
            .parse()
            .expect("bytes");
        size > 1_000_000 && redis.info("persistence", "aof_rewrite_in_progress") == "0"
    });
    Box::new(store)
}

/// All connections closed, again and again.
pub fn client_kill(setup: &Setup) -> Box<dyn BreakableStore> {
    standalone(setup, &[], Standalone::kill_connections)
}

/// All scripts forgotten, again and again.
pub fn script_flush(setup: &Setup) -> Box<dyn BreakableStore> {
    standalone(setup, &[], Standalone::flush_scripts)
}

/// `maxmemory` reached.
pub fn full_memory(setup: &Setup) -> Box<dyn BreakableStore> {
    standalone(setup, &[], Standalone::fill_memory)
}

/// The workers' user may not run scripts any more, and then may again.
pub fn acl_change(setup: &Setup) -> Box<dyn BreakableStore> {
    Box::new(Standalone::start(setup, &[], Standalone::change_acl).with_user())
}

/// The workers' password changes, first in their file, and all connections are closed.
pub fn password_change(setup: &Setup) -> Box<dyn BreakableStore> {
    let mut store = Standalone::start(setup, &[], Standalone::change_password).with_user();
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), PASSWORD).expect("a file");
    store.user = format!("{USER}@");
    store.password_file = Some(file);
    Box::new(store)
}

/// Connections closed, and fewer new ones accepted than there are workers.
pub fn max_clients(setup: &Setup) -> Box<dyn BreakableStore> {
    standalone(setup, &[], Standalone::limit_connections)
}

/// Connections that end in the middle of a reply.
pub fn cut_replies(setup: &Setup) -> Box<dyn BreakableStore> {
    assert!(setup.tls().is_none(), "the proxy reads plain text");
    let mut store = Standalone::start(setup, &[], Standalone::cut_replies);
    store.front = Some(Front::Proxy(Proxy::start(store.redis.address())));
    Box::new(store)
}

/// No packet passes for three seconds.
pub fn partition_3s(setup: &Setup) -> Box<dyn BreakableStore> {
    let mut store = Standalone::start(setup, &[], |store, _| {
        store.partition(Duration::from_secs(3))
    });
    let address = ([127, 0, 0, 1], store.redis.announced_port());
    store.front = Some(Front::Relay(Relay::start(address.into())));
    Box::new(store)
}
