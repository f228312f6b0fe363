//! An attack while Redis is down (docs/threat-model.md): requests on random session ids take no more
//! places than they may have, and cost the worker bounded memory and no connection to Redis.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Scope;
use std::time::{Duration, Instant};

use super::{WAITING, send, start, statuses, until_waiting, waits};
use crate::server::{NO_ACCESS_LOG, Server};
use testkit::api::{at, request};
use testkit::http::{Connection, Request};
use testkit::outage::HANG;
use testkit::redis::RedisServer;
use testkit::until;

/// Requests of one client that may wait.
const MAX_PER_CLIENT: u64 = 256;

/// Honest polls that come before the attack, and again after an attacker has all its places.
const POLLS: u64 = 20;

/// Value of `store.redis.max_waiting`: the polls, an attacker with all its places, and 44 of another.
const MAX_WAITING: u64 = 2 * POLLS + MAX_PER_CLIENT + 44;

/// Connections of the first attacker that may wait, of its second wave, and of the second attacker.
/// A client may have 256 requests in flight, and a request is in flight until it waits.
const ATTACKERS: [usize; 3] = [256, 44, 100];

/// Addresses of the attackers.
const FIRST: &str = "198.51.100.1";
const SECOND: &str = "2001:db8::1";

/// Upper bounds of docs/threat-model.md, "Memory", in bytes.
const PER_CONNECTION: u64 = 84 << 10;
const PER_WAITING_REQUEST: u64 = 16 << 10;
const LOG_LINES: u64 = 3 << 20;

/// Attackers, and what the test saw of them and of the worker.
#[derive(Debug, Default)]
struct Attack {
    requests: AtomicU64,
    is_over: AtomicBool,
    outcomes: Mutex<Outcomes>,
}

#[derive(Debug, Default)]
struct Outcomes {
    /// Number of replies by status.
    statuses: BTreeMap<u16, u64>,
    slowest_rejection: Duration,
}

/// The largest values that were seen.
#[derive(Debug, Default)]
struct Peaks {
    waiting: u64,
    redis_connections: usize,
}

impl Attack {
    /// Opens connections of the client at this address. Each sends one request after the other, with
    /// a random session id, until the attack is over.
    fn begin<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        worker: &'s Server,
        address: &'s str,
        connections: usize,
    ) {
        for _ in 0..connections {
            scope.spawn(move || {
                let mut connection = Connection::open(worker.http);
                while !self.is_over.load(Ordering::SeqCst) {
                    let request = self.next_request().header("X-Forwarded-For", address);
                    let begun = Instant::now();
                    let reply = connection.send(&request);
                    reply.assert_common_headers();
                    let mut outcomes = self.outcomes();
                    *outcomes.statuses.entry(reply.status).or_default() += 1;
                    if reply.status != 404 {
                        let slowest = outcomes.slowest_rejection.max(begun.elapsed());
                        outcomes.slowest_rejection = slowest;
                    }
                }
            });
        }
    }

    /// A read, or a write of the largest payload, of a session that does not exist.
    fn next_request(&self) -> Request {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let id = format!("{number:032x}");
        if number.is_multiple_of(2) {
            request::read(&id)
        } else {
            request::write(&id, None, "a-token", &"x".repeat(4096))
        }
    }

    fn outcomes(&self) -> MutexGuard<'_, Outcomes> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the attack when it is dropped, in a panic too: the scope waits for its threads.
struct EndAttack<'a>(&'a Attack);

impl Drop for EndAttack<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

/// Number of sockets of the worker that are connected, or connect, to this Redis.
fn redis_connections(worker: &Server, redis: &RedisServer) -> usize {
    let descriptors = Path::new("/proc").join(worker.pid().to_string()).join("fd");
    let open: HashSet<_> = std::fs::read_dir(descriptors)
        .expect("the worker's descriptors")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| {
            let inode = target.to_str()?.strip_prefix("socket:[")?;
            Some(inode.strip_suffix(']')?.to_owned())
        })
        .collect();
    let remote = format!(":{:04X}", redis.port());
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the table of sockets");
    let sockets = table.lines().skip(1).filter(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[2].ends_with(&remote) && open.contains(fields[9])
    });
    sockets.count()
}

/// Sends the honest polls, each of a client of its own.
fn poll(worker: &Server, ids: &[String], network: &str) -> Vec<Connection> {
    let clients = (1..).zip(ids);
    clients
        .map(|(client, id)| {
            let address = format!("{network}.{client}");
            let read = Request::get(&at(id)).header("X-Forwarded-For", &address);
            send(worker, &read)
        })
        .collect()
}

// R0.3
#[test]
fn attack_during_an_outage_stays_bounded() {
    let max_waiting = MAX_WAITING.to_string();
    let settings = [
        ("limits.enabled", "true"),
        ("http.trusted_proxies", "127.0.0.1/32"),
        ("store.redis.max_waiting", &max_waiting),
        ("store.redis.retry_timeout", "10s"),
    ];
    let (redis, worker, session) = start(&[&settings, NO_ACCESS_LOG].concat());
    let mut ids = vec![session.id];
    ids.extend((1..POLLS).map(|_| worker.create("hello").id));
    let memory = worker.process().rss();
    let connections = redis_connections(&worker, &redis);
    assert!(connections > 0);

    let (attack, peaks) = (Attack::default(), Mutex::new(Peaks::default()));
    let mut honest = Vec::new();
    std::thread::scope(|scope| {
        let end = EndAttack(&attack);
        scope.spawn(|| {
            while !attack.is_over.load(Ordering::SeqCst) {
                let waiting = worker.metrics().sum(WAITING, &[]);
                let connections = redis_connections(&worker, &redis);
                let mut peaks = peaks.lock().unwrap_or_else(PoisonError::into_inner);
                peaks.waiting = peaks.waiting.max(waiting);
                peaks.redis_connections = peaks.redis_connections.max(connections);
            }
        });
        redis.pause();
        honest.extend(poll(&worker, &ids, "203.0.113"));
        // A client takes all its places, and no more.
        attack.begin(scope, &worker, FIRST, ATTACKERS[0]);
        until_waiting(&worker, POLLS + MAX_PER_CLIENT);
        attack.begin(scope, &worker, FIRST, ATTACKERS[1]);
        honest.extend(poll(&worker, &ids, "192.0.2"));
        until_waiting(&worker, 2 * POLLS + MAX_PER_CLIENT);
        // Another one takes what is left of all places.
        attack.begin(scope, &worker, SECOND, ATTACKERS[2]);
        until_waiting(&worker, MAX_WAITING);
        let refused = waits(&worker, "refused");
        until("the attackers are rejected again and again", || {
            waits(&worker, "refused") > refused + 150
        });
        drop(end);
        redis.resume();
    });

    let polls = honest.len();
    assert_eq!(statuses(honest), vec![200; polls]);
    until_waiting(&worker, 0);
    let peaks = peaks.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(peaks.waiting <= MAX_WAITING, "{peaks:?}");
    let outcomes = attack.outcomes();
    assert!(peaks.redis_connections <= connections, "{peaks:?}");
    let expected = [404, 503];
    assert!(outcomes.statuses.keys().eq(&expected), "{outcomes:?}");
    // After the only try, which takes `store.redis.command_timeout`.
    assert!(outcomes.slowest_rejection < HANG, "{outcomes:?}");

    let clients = 2 * POLLS + ATTACKERS.iter().sum::<usize>() as u64;
    let bound = clients * PER_CONNECTION + MAX_WAITING * PER_WAITING_REQUEST + LOG_LINES;
    let grown = worker.process().peak_rss() - memory;
    assert!(grown < bound, "{grown} bytes, and the bound is {bound}");
}
