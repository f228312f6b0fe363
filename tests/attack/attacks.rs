//! The attackers that send valid HTTP, only much more of it than clients do.
//!
//! They run on one thread with a bounded number of connections. Each connection sends its next
//! request as soon as it has a reply, whatever the reply. So the attackers use one core at most,
//! and leave the other to the workers. The slow attackers are in `slowloris`, and those of HTTP/2 in
//! `http2_abuse`.

use crate::counters::Counters;
use crate::environment::{Mode, VALID_TOKEN};
use crate::http2_abuse::{self, Http2Abuse};
use crate::session_abuse::OwnedSessions;
use crate::slowloris::{self, SlowSources};
use crate::source_ips::SourceIps;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use testkit::dialect::{Caller, Dialect, Response};
use testkit::keep_alive::KeepAliveClient;
use uuid::Uuid;

/// Connections of an attack, half of them to each worker: enough that no worker ever waits for a
/// request.
const CONNECTIONS: usize = 64;

/// Size of the largest payload, in bytes.
pub const MAX_PAYLOAD: usize = 4096;

/// Time before the next attempt to connect, after one that failed.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// What the attackers do.
#[derive(Debug, Clone, Copy)]
pub enum Attack {
    /// Nothing: the quiet run that the others are compared with.
    None,
    /// Creates sessions with the largest payload.
    Create(SourceIps),
    /// Polls this many sessions of its own, each from an address of its own.
    Poll(u32),
    /// Polls sessions that do not exist.
    Guess(SourceIps),
    /// Writes to this many sessions of its own, each from an address of its own. If a session
    /// accepts no more writes, it creates another.
    Write(u32),
    /// Creates sessions with random access tokens, a new one for each request.
    Tokens(SourceIps),
    /// A user with one valid token creates, polls, guesses and writes from 200 addresses.
    User,
    /// Does what only HTTP/2 makes possible.
    Http2(Http2Abuse),
    /// Holds this many slow connections to each worker.
    Slow(usize, SlowSources),
}

/// What every attacker needs.
#[derive(Debug, Clone)]
pub struct AttackContext {
    /// The workers under attack.
    pub workers: [SocketAddr; 2],
    /// Who may create sessions there.
    pub mode: Mode,
    /// Counts the requests.
    pub counters: Arc<Counters>,
    /// The access token of every request, if there is one.
    pub token: Option<String>,
    /// Number of connections.
    pub connections: usize,
}

impl AttackContext {
    /// The context of an attack on these workers.
    pub fn new(workers: [SocketAddr; 2], mode: Mode, counters: Arc<Counters>) -> Self {
        Self {
            workers,
            mode,
            counters,
            token: None,
            connections: CONNECTIONS,
        }
    }

    /// The worker of connection `n`.
    pub fn worker(&self, n: usize) -> SocketAddr {
        self.workers[n % 2]
    }

    /// The dialect of request `n`.
    pub fn dialect(&self, n: u64) -> Dialect {
        match self.mode {
            Mode::Open if n % 2 == 1 => Dialect::Etag,
            Mode::Open | Mode::Authenticated => Dialect::Json,
        }
    }

    /// The caller of request `n`.
    pub fn caller(&self, ips: SourceIps, n: u64) -> Caller {
        Caller {
            address: Some(ips.nth(n).to_string()),
            token: self.token.clone(),
        }
    }
}

/// Starts the attackers. They run in tasks of their own until the runtime is dropped.
pub async fn start(attack: Attack, context: AttackContext) -> Result<(), String> {
    let Attack::User = attack else {
        return start_one(attack, context).await;
    };
    let part = AttackContext {
        token: Some(format!("{VALID_TOKEN}attacker")),
        connections: CONNECTIONS / 4,
        ..context
    };
    let ips = SourceIps::Many(200);
    // The sessions come first: the flood of creations leaves no room for them.
    let polled = OwnedSessions::create(1, &part).await?;
    let written = OwnedSessions::create(1, &part).await?;
    polled.poll(&part);
    written.write(&part);
    start_one(Attack::Guess(ips), part.clone()).await?;
    start_one(Attack::Create(ips), part).await
}

async fn start_one(attack: Attack, context: AttackContext) -> Result<(), String> {
    let payload = "A".repeat(MAX_PAYLOAD);
    match attack {
        Attack::None | Attack::User => {}
        Attack::Create(ips) => flood(&context, move |context, n| {
            // Both dialects from each address, whatever the number of addresses.
            let dialect = context.dialect(n / 7);
            dialect.create(&context.caller(ips, n), &payload)
        }),
        Attack::Guess(ips) => flood(&context, move |context, n| {
            let dialect = context.dialect(n / 7);
            let path = dialect.path(&Uuid::new_v4().simple().to_string());
            dialect.poll(&context.caller(ips, n), &path, "")
        }),
        Attack::Tokens(ips) => flood(&context, move |context, n| {
            let caller = Caller {
                token: Some(Uuid::new_v4().simple().to_string()),
                ..context.caller(ips, n)
            };
            context.dialect(n / 7).create(&caller, "mine")
        }),
        Attack::Poll(sessions) => {
            let sessions = OwnedSessions::create(sessions, &context).await?;
            sessions.poll(&context);
        }
        Attack::Write(sessions) => {
            let sessions = OwnedSessions::create(sessions, &context).await?;
            sessions.write(&context);
        }
        Attack::Http2(abuse) => http2_abuse::start(abuse, &context).await?,
        Attack::Slow(connections, sources) => slowloris::start(connections, sources, &context),
    }
    Ok(())
}

/// Sends requests that do not depend on earlier replies. `request` returns request `n` of all
/// connections.
fn flood<F>(context: &AttackContext, request: F)
where
    F: Fn(&AttackContext, u64) -> Vec<u8> + Send + Sync + 'static,
{
    let shared = Arc::new((request, AtomicU64::new(0)));
    for number in 0..context.connections {
        let (context, shared) = (context.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let mut client = ReconnectingClient::new(context.worker(number));
            let (request, sent) = &*shared;
            loop {
                let bytes = request(&context, sent.fetch_add(1, Relaxed));
                client.send(&bytes, &context.counters).await;
            }
        });
    }
}

/// A connection that is opened again after it breaks.
#[derive(Debug)]
pub struct ReconnectingClient {
    worker: SocketAddr,
    connection: Option<KeepAliveClient>,
}

impl ReconnectingClient {
    /// A client of this worker, not connected yet.
    pub fn new(worker: SocketAddr) -> Self {
        Self {
            worker,
            connection: None,
        }
    }

    /// Sends a request and counts its result. Returns `None` if there is no reply.
    pub async fn send(&mut self, request: &[u8], counters: &Counters) -> Option<Response> {
        let sent = match self.connect().await {
            Ok(connection) => connection.send(request).await.map(Response::from),
            Err(error) => {
                tokio::time::sleep(RECONNECT_PAUSE).await;
                Err(error)
            }
        };
        counters.record(&sent);
        if sent.is_err() {
            self.connection = None;
        }
        sent.ok()
    }

    async fn connect(&mut self) -> std::io::Result<&mut KeepAliveClient> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => KeepAliveClient::connect(self.worker).await?,
        };
        Ok(self.connection.insert(connection))
    }
}
