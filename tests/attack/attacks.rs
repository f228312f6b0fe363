//! The attackers that speak HTTP as it should be spoken, only more of it.
//!
//! They run on one thread and have a bounded number of connections, each of which asks again as soon as it was
//! answered, whatever the answer. So they take at most one core, and leave it to the workers to be quick. Who is
//! slow instead is in `slow`.

use crate::addresses::Addresses;
use crate::dialect::{Caller, Dialect};
use crate::field::Mode;
use crate::homeserver::GOOD;
use crate::http::{Connection, Reply};
use crate::owned::Owned;
use crate::slow::{self, Sources};
use crate::tally::Tally;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use uuid::Uuid;

/// Connections of an attack, half of them to each worker: enough that no worker ever waits for the next request.
const CONNECTIONS: usize = 64;

/// The largest payload.
pub const LARGEST: usize = 4096;

/// Before the next attempt to connect, where the last one failed.
const PAUSE: Duration = Duration::from_millis(100);

/// What attackers do.
#[derive(Debug, Clone, Copy)]
pub enum Attack {
    /// Nothing: the quiet run, which the others are compared to.
    None,
    /// Creates sessions with the largest payload.
    Create(Addresses),
    /// Polls so many sessions of its own, each from an address of its own.
    Poll(u32),
    /// Polls sessions that do not exist.
    Guess(Addresses),
    /// Writes to so many sessions of its own, each from an address of its own; where one takes no more writes, it
    /// makes another.
    Write(u32),
    /// Creates with access tokens that it makes up, each new.
    Tokens(Addresses),
    /// A user with one good token, who creates, polls, guesses and writes from 200 addresses.
    User,
    /// Holds so many connections to each worker and is slow on them.
    Slow(usize, Sources),
}

/// What every attacker is told.
#[derive(Debug, Clone)]
pub struct Siege {
    /// Whom to attack.
    pub workers: [SocketAddr; 2],
    /// Who may create there.
    pub mode: Mode,
    /// What is counted.
    pub tally: Arc<Tally>,
    /// The token of every request, where there is one.
    pub token: Option<String>,
    /// How many connections.
    pub connections: usize,
}

impl Siege {
    /// A siege of these workers.
    pub fn of(workers: [SocketAddr; 2], mode: Mode, tally: Arc<Tally>) -> Self {
        Self {
            workers,
            mode,
            tally,
            token: None,
            connections: CONNECTIONS,
        }
    }

    /// Where the `n`th connection goes.
    pub fn worker(&self, n: usize) -> SocketAddr {
        self.workers[n % 2]
    }

    /// How the `n`th one speaks.
    pub fn dialect(&self, n: u64) -> Dialect {
        match self.mode {
            Mode::Open if n % 2 == 1 => Dialect::Etag,
            Mode::Open | Mode::Authenticated => Dialect::Json,
        }
    }

    /// Whose the `n`th request is.
    pub fn caller(&self, from: Addresses, n: u64) -> Caller {
        Caller {
            address: Some(from.nth(n).to_string()),
            token: self.token.clone(),
        }
    }
}

/// Attacks until it is dropped.
pub async fn run(attack: Attack, siege: Siege) -> Result<(), String> {
    let Attack::User = attack else {
        return begin(attack, siege).await;
    };
    let part = Siege {
        token: Some(format!("{GOOD}attacker")),
        connections: CONNECTIONS / 4,
        ..siege
    };
    let from = Addresses::Many(200);
    // The sessions first: once the flood of creations has begun there are none to be had.
    let polled = Owned::create(1, &part).await?;
    let written = Owned::create(1, &part).await?;
    polled.poll(&part);
    written.write(&part);
    begin(Attack::Guess(from), part.clone()).await?;
    begin(Attack::Create(from), part).await
}

/// Sends the attackers out. They go on in tasks of their own.
async fn begin(attack: Attack, siege: Siege) -> Result<(), String> {
    let payload = "A".repeat(LARGEST);
    match attack {
        Attack::None | Attack::User => {}
        Attack::Create(from) => flood(&siege, move |siege, n| {
            // Both dialects from each address, however many there are.
            let dialect = siege.dialect(n / 7);
            dialect.create(&siege.caller(from, n), &payload)
        }),
        Attack::Guess(from) => flood(&siege, move |siege, n| {
            let dialect = siege.dialect(n / 7);
            let path = dialect.path(&Uuid::new_v4().simple().to_string());
            dialect.poll(&siege.caller(from, n), &path, "")
        }),
        Attack::Tokens(from) => flood(&siege, move |siege, n| {
            let caller = Caller {
                token: Some(Uuid::new_v4().simple().to_string()),
                ..siege.caller(from, n)
            };
            siege.dialect(n / 7).create(&caller, "mine")
        }),
        Attack::Poll(sessions) => Owned::create(sessions, &siege).await?.poll(&siege),
        Attack::Write(sessions) => Owned::create(sessions, &siege).await?.write(&siege),
        Attack::Slow(connections, sources) => slow::begin(connections, sources, &siege),
    }
    Ok(())
}

/// Requests that need nothing of the replies before them: the `n`th of them all.
fn flood<F>(siege: &Siege, request: F)
where
    F: Fn(&Siege, u64) -> Vec<u8> + Send + Sync + 'static,
{
    let shared = Arc::new((request, AtomicU64::new(0)));
    for number in 0..siege.connections {
        let (siege, shared) = (siege.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let mut line = Line::to(siege.worker(number));
            let (request, sent) = &*shared;
            loop {
                let bytes = request(&siege, sent.fetch_add(1, Relaxed));
                line.send(&bytes, &siege.tally).await;
            }
        });
    }
}

/// A connection that is made again when it breaks.
#[derive(Debug)]
pub struct Line {
    worker: SocketAddr,
    connection: Option<Connection>,
}

impl Line {
    /// To that worker.
    pub fn to(worker: SocketAddr) -> Self {
        Self {
            worker,
            connection: None,
        }
    }

    /// Sends a request and counts how it ended.
    pub async fn send(&mut self, request: &[u8], tally: &Tally) -> Option<Reply> {
        let sent = match self.connect().await {
            Ok(connection) => connection.send(request).await,
            Err(error) => {
                tokio::time::sleep(PAUSE).await;
                Err(error)
            }
        };
        tally.count(&sent);
        if sent.is_err() {
            self.connection = None;
        }
        sent.ok()
    }

    async fn connect(&mut self) -> std::io::Result<&mut Connection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.worker).await?,
        };
        Ok(self.connection.insert(connection))
    }
}
