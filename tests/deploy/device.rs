//! A client's device: one connection to the load balancer, kept as clients keep it, and what it may be answered.

use crate::dialect::{Caller, Dialect, News, Session};
use crate::http::{Connection, Reply};
use crate::tally::Tally;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Between a poll's reply and the next one. Real clients wait a second; fifty times as many requests meet a deploy so.
pub const POLL: Duration = Duration::from_millis(20);

/// Longer than any deadline of the server: one reply that takes this long is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a client that asks again does so.
const PERSISTENCE: Duration = Duration::from_secs(15);

/// What the clients of one scenario share.
#[derive(Debug)]
pub struct Shared {
    address: SocketAddr,
    repeat: bool,
    /// What became of it all.
    pub tally: Tally,
    over: AtomicBool,
    may_refuse: Mutex<Option<Refusal>>,
}

/// Why a creation may be refused now, or could a moment ago.
#[derive(Debug, Clone, Copy)]
pub enum Refusal {
    /// `maintenance = true`.
    Maintenance,
    /// A limit of creations.
    Limit,
}

impl Shared {
    /// Of clients that come in at this address. Whether they repeat a request that got no answer or a 5xx, which the
    /// protocol allows; today's clients do not.
    pub fn new(address: SocketAddr, repeat: bool) -> Self {
        Self {
            address,
            repeat,
            tally: Tally::default(),
            over: AtomicBool::new(false),
            may_refuse: Mutex::default(),
        }
    }

    /// From now on creations may be refused for this, or for nothing.
    pub fn may_refuse(&self, why: Option<Refusal>) {
        *self
            .may_refuse
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// What is under way is to end, and nothing more to begin.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Whether it is.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

/// What a creation came to.
#[derive(Debug)]
pub enum Created {
    /// A session.
    Session(Session),
    /// A refusal that was to be expected, in the words of the documents.
    Refused,
}

/// A device.
#[derive(Debug)]
pub struct Device {
    shared: Arc<Shared>,
    dialect: Dialect,
    connection: Option<Connection>,
    /// The token of the payload that it read or wrote last.
    pub known: String,
    /// Whether a request of it was lost.
    pub has_lost: bool,
}

impl Device {
    /// One that has not connected yet.
    pub fn new(shared: &Arc<Shared>, dialect: Dialect) -> Self {
        Self {
            shared: Arc::clone(shared),
            dialect,
            connection: None,
            known: String::new(),
            has_lost: false,
        }
    }

    /// Opens a mailbox.
    pub async fn create(&mut self, data: &str) -> Result<Created, String> {
        let request = self.dialect.create(&Caller::default(), data);
        let (dialect, shared) = (self.dialect, Arc::clone(&self.shared));
        self.ask("creation", &request, |reply| {
            if shared.refuses(dialect, reply) {
                return Some(Created::Refused);
            }
            dialect.created(reply).map(Created::Session)
        })
        .await
    }

    /// Polls once; nothing where nothing is new.
    pub async fn poll(&mut self, path: &str) -> Result<Option<News>, String> {
        let (dialect, known) = (self.dialect, self.known.clone());
        let request = dialect.poll(&Caller::default(), path, &known);
        self.ask("poll", &request, |reply| dialect.polled(reply, &known).ok())
            .await
    }

    /// Writes over what it knows.
    pub async fn write(&mut self, path: &str, data: &str) -> Result<(), String> {
        let session = Session {
            path: path.to_owned(),
            token: self.known.clone(),
        };
        let dialect = self.dialect;
        let request = dialect.write(&Caller::default(), &session, data);
        self.known = self
            .ask("write", &request, |reply| dialect.written(reply))
            .await?;
        Ok(())
    }

    /// Sends a request until it is answered, or once. What `read` cannot make anything of is no answer that the
    /// protocol gives here: a 502 of the load balancer, a 404 of a session that lives, a 412 that is another's. It is
    /// lost like one without an answer; but only the latter, and a 5xx, may a client repeat.
    async fn ask<T>(
        &mut self,
        what: &str,
        request: &[u8],
        read: impl Fn(&Reply) -> Option<T>,
    ) -> Result<T, String> {
        let deadline = Instant::now() + PERSISTENCE;
        loop {
            self.shared.tally.requests.add();
            let (loss, may_repeat) = match timeout(PATIENCE, self.send(request)).await {
                Ok(Ok(reply)) => match read(&reply) {
                    Some(answer) => return Ok(answer),
                    None => (
                        format!("{what}: {} {}", reply.status, reply.body),
                        reply.status >= 500,
                    ),
                },
                Ok(Err(error)) => (format!("{what}: {error}"), true),
                Err(_) => (format!("{what}: no reply in time"), true),
            };
            self.shared.tally.lost.add();
            self.has_lost = true;
            // What is left of a reply that came too late is nobody's.
            self.connection = None;
            if !(may_repeat && self.shared.repeat) || Instant::now() > deadline {
                return Err(loss);
            }
            sleep(POLL).await;
        }
    }

    async fn send(&mut self, request: &[u8]) -> std::io::Result<Reply> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(self.shared.address).await?),
        };
        connection.send(request).await
    }
}

impl Shared {
    /// Whether a creation is refused as it may be, and with the status and code that the documents promise for it.
    fn refuses(&self, dialect: Dialect, reply: &Reply) -> bool {
        let why = *self
            .may_refuse
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let promised = match (why, dialect) {
            (None, _) => return false,
            (Some(Refusal::Maintenance), Dialect::Json) => (403, "M_FORBIDDEN"),
            (Some(Refusal::Maintenance), Dialect::Etag) => (503, "M_UNKNOWN"),
            (Some(Refusal::Limit), _) => (429, "M_LIMIT_EXCEEDED"),
        };
        reply.status == promised.0 && reply.body.contains(&format!("\"{}\"", promised.1))
    }
}
