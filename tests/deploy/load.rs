//! Sign-ins, one after the other on each of some pairs of devices, until they are told to stop; and what became of them.
//!
//! Quicker than people are, so that at each moment of a deploy requests are under way. Connections to the load balancer
//! are kept, as clients do.

use crate::dialect::{Caller, Dialect, Session};
use crate::http::{Connection, Reply};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Pairs of devices at work at once; half speak one dialect, half the other.
const PAIRS: u32 = 40;

/// Between a poll's reply and the next one. Real clients wait a second; fifty times as many requests meet a deploy so.
const POLL: Duration = Duration::from_millis(20);

/// Messages after the first, which the creation carries.
const WRITES: u32 = 8;

/// Longer than any deadline of the server: one reply that takes this long is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a client that asks again does so.
const PERSISTENCE: Duration = Duration::from_secs(15);

/// What became of it all.
#[derive(Debug, Default)]
pub struct Tally {
    requests: AtomicU64,
    lost: AtomicU64,
    refused: AtomicU64,
    sign_ins: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Tally {
    /// Requests, those of them that were lost, creations that maintenance refused, and sign-ins that were completed.
    pub fn counts(&self) -> [u64; 4] {
        [&self.requests, &self.lost, &self.refused, &self.sign_ins]
            .map(|count| count.load(Ordering::Relaxed))
    }

    /// Why those sign-ins that failed did.
    pub fn failures(&self) -> MutexGuard<'_, Vec<String>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the clients do.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Whether they repeat a request that got no answer, or a 5xx. Today's clients do not.
    pub repeat: bool,
}

/// Sign-ins under way.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    pairs: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    habits: Habits,
    tally: Arc<Tally>,
    over: AtomicBool,
    /// Whether a creation may be refused now, since maintenance is on or was a moment ago.
    maintenance: AtomicBool,
}

impl Load {
    /// Begins.
    pub fn start(address: SocketAddr, habits: Habits) -> Self {
        let shared = Arc::new(Shared {
            address,
            habits,
            tally: Arc::default(),
            over: AtomicBool::new(false),
            maintenance: AtomicBool::new(false),
        });
        let mut pairs = JoinSet::new();
        for pair in 0..PAIRS {
            let shared = Arc::clone(&shared);
            pairs.spawn(async move { shared.sign_ins(pair).await });
        }
        Self { shared, pairs }
    }

    /// From now on a creation may be refused by maintenance, or may not.
    pub fn allow_maintenance(&self, may: bool) {
        self.shared.maintenance.store(may, Ordering::SeqCst);
    }

    /// Waits until so many more sign-ins have been completed, which were begun before or since.
    pub async fn more(&self, count: u64) -> Result<(), String> {
        let [.., before] = self.shared.tally.counts();
        self.until("sign-ins are completed", |tally| {
            tally.counts()[3] >= before + count
        })
        .await
    }

    /// Waits until creations were refused by maintenance.
    pub async fn refused(&self) -> Result<(), String> {
        self.until("maintenance refuses", |tally| tally.counts()[2] > 0)
            .await
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Tally) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !is_so(&self.shared.tally) {
            if Instant::now() > deadline {
                let failures = self.shared.tally.failures();
                return Err(format!("not in a minute: {what}\n{}", failures.join("\n")));
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Begins no more sign-ins, and waits for the end of those under way.
    pub async fn stop(self) -> Result<Arc<Tally>, String> {
        self.shared.over.store(true, Ordering::SeqCst);
        for ended in self.pairs.join_all().await {
            let () = ended;
        }
        Ok(Arc::clone(&self.shared.tally))
    }
}

impl Shared {
    async fn sign_ins(self: &Arc<Self>, pair: u32) {
        let dialect = if pair.is_multiple_of(2) {
            Dialect::Json
        } else {
            Dialect::Etag
        };
        let device = || Device {
            shared: Arc::clone(self),
            dialect,
            connection: None,
            known: String::new(),
        };
        let (mut one, mut two) = (device(), device());
        for number in 0.. {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            let name = format!("{pair}/{number}");
            match sign_in(&name, &mut one, &mut two).await {
                Ok(true) => {
                    self.tally.sign_ins.fetch_add(1, Ordering::Relaxed);
                }
                // Refused, and told so; it may try again.
                Ok(false) => sleep(POLL * 5).await,
                Err(failure) => {
                    let failure = format!("sign-in {name} ({dialect:?}): {failure}");
                    self.tally.failures().push(failure);
                    // What is left of a reply that came too late is nobody's.
                    (one, two) = (device(), device());
                }
            }
        }
    }
}

/// One sign-in; false where none could be begun, for maintenance.
async fn sign_in(name: &str, one: &mut Device, two: &mut Device) -> Result<bool, String> {
    let Some(session) = one.create(&message(name, 0)).await? else {
        return Ok(false);
    };
    one.known.clone_from(&session.token);
    two.known.clear();
    let of_one = one.converse(name, &session.path, 1);
    let of_two = two.converse(name, &session.path, 0);
    tokio::try_join!(of_one, of_two)?;
    Ok(true)
}

/// What each message is, so that one of another sign-in, or an old one, is noticed.
fn message(sign_in: &str, number: u32) -> String {
    format!("{sign_in}/{number}/{}", "m".repeat(600))
}

struct Device {
    shared: Arc<Shared>,
    dialect: Dialect,
    connection: Option<Connection>,
    known: String,
}

impl Device {
    /// Sends a request until it has an answer, or once. An answer that only something between us and the service would
    /// give, or the service where it cannot answer, is none.
    async fn send(&mut self, what: &str, request: &[u8]) -> Result<Reply, String> {
        let deadline = Instant::now() + PERSISTENCE;
        loop {
            self.shared.tally.requests.fetch_add(1, Ordering::Relaxed);
            let loss = match timeout(PATIENCE, self.try_send(request)).await {
                Ok(Ok(reply)) if !self.is_lost(what, &reply) => return Ok(reply),
                Ok(Ok(reply)) => unexpected(what, &reply),
                Ok(Err(error)) => format!("{what}: {error}"),
                Err(_) => format!("{what}: no reply in time"),
            };
            self.shared.tally.lost.fetch_add(1, Ordering::Relaxed);
            self.connection = None;
            if !self.shared.habits.repeat || Instant::now() > deadline {
                return Err(loss);
            }
            sleep(POLL).await;
        }
    }

    async fn try_send(&mut self, request: &[u8]) -> std::io::Result<Reply> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(self.shared.address).await?),
        };
        connection.send(request).await
    }

    fn is_lost(&self, what: &str, reply: &Reply) -> bool {
        reply.status >= 500 && !(what == CREATION && self.is_maintenance(reply))
    }

    /// Whether a creation is refused as maintenance refuses it, and may be.
    fn is_maintenance(&self, reply: &Reply) -> bool {
        let (status, errcode) = match self.dialect {
            Dialect::Json => (403, "M_FORBIDDEN"),
            Dialect::Etag => (503, "M_UNKNOWN"),
        };
        self.shared.maintenance.load(Ordering::SeqCst)
            && reply.status == status
            && reply.body.contains(errcode)
    }

    async fn create(&mut self, data: &str) -> Result<Option<Session>, String> {
        let request = self.dialect.create(&Caller::default(), data);
        let reply = self.send(CREATION, &request).await?;
        if self.is_maintenance(&reply) {
            self.shared.tally.refused.fetch_add(1, Ordering::Relaxed);
            return Ok(None);
        }
        let created = self.dialect.created(&reply);
        created
            .map(Some)
            .ok_or_else(|| unexpected(CREATION, &reply))
    }

    /// Polls until the next message is there, answers it, and so on to the last.
    async fn converse(&mut self, name: &str, path: &str, mut next: u32) -> Result<(), String> {
        while next <= WRITES {
            sleep(POLL).await;
            let poll = self.dialect.poll(&Caller::default(), path, &self.known);
            let reply = self.send("poll", &poll).await?;
            let polled = self.dialect.polled(&reply, &self.known);
            let Some(news) = polled.map_err(|()| unexpected("poll", &reply))? else {
                continue;
            };
            if news.data != message(name, next) {
                return Err(format!("message {next} is {}", news.data));
            }
            self.known = news.token;
            next += 1;
            if next <= WRITES {
                self.write(path, &message(name, next)).await?;
                next += 1;
            }
        }
        Ok(())
    }

    async fn write(&mut self, path: &str, data: &str) -> Result<(), String> {
        let session = Session {
            path: path.to_owned(),
            token: self.known.clone(),
        };
        let write = self.dialect.write(&Caller::default(), &session, data);
        let reply = self.send("write", &write).await?;
        let written = self.dialect.written(&reply);
        self.known = written.ok_or_else(|| unexpected("write", &reply))?;
        Ok(())
    }
}

const CREATION: &str = "creation";

fn unexpected(what: &str, reply: &Reply) -> String {
    format!("{what}: {} {}", reply.status, reply.body)
}
