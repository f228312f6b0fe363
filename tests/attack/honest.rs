//! Honest sign-ins: two devices, the timing of real clients, and no patience for anything that was not expected.
//!
//! Today's clients end a sign-in at the first 4xx or 5xx on a poll, and never ask again. So does this: whatever is
//! no success is a failed sign-in, and so is a payload that the other device did not write.

use crate::dialect::{Caller, Dialect, Session};
use crate::field::Mode;
use crate::homeserver::GOOD;
use crate::http::{Connection, Reply};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Sign-ins of one battle, and the time from one to the next: five a second are what a homeserver of a million
/// users has in its busiest minutes, and eight seconds of them a latency's 99th percentile.
const SIGN_INS: u32 = 40;
const APART: Duration = Duration::from_millis(200);

/// Both SDKs wait so long after each reply to a poll.
const POLL: Duration = Duration::from_secs(1);

/// From a message to its answer: what a device asks the homeserver, and what a person looks at.
const THOUGHT: Duration = Duration::from_millis(900);

/// Messages after the first, which the creation carries.
const WRITES: u32 = 8;

/// Of a message; what the SDKs send is a few hundred characters.
const LENGTH: usize = 600;

/// Longer than any deadline of the server: one reply that takes this long is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of all.
#[derive(Debug, Default)]
pub struct Crowd {
    /// How many were begun.
    pub all: usize,
    /// Why those that failed did.
    pub failures: Vec<String>,
    /// How long each poll took.
    pub polls: Vec<Duration>,
}

impl Crowd {
    /// How many ended as they should.
    pub fn completed(&self) -> usize {
        self.all - self.failures.len()
    }
}

/// Begins one sign-in after the other, and waits for the end of all.
pub async fn crowd(workers: [SocketAddr; 2], mode: Mode) -> Crowd {
    let mut sign_ins = JoinSet::new();
    for number in 0..SIGN_INS {
        sign_ins.spawn(sign_in(number, workers, mode));
        sleep(APART).await;
    }
    let mut crowd = Crowd::default();
    while let Some(ended) = sign_ins.join_next().await {
        crowd.all += 1;
        match ended {
            Ok(Ok(polls)) => crowd.polls.extend(polls),
            Ok(Err(failure)) => crowd.failures.push(failure),
            Err(panic) => crowd.failures.push(panic.to_string()),
        }
    }
    crowd
}

/// One sign-in from its creation to its last message; how long its polls took.
async fn sign_in(
    number: u32,
    workers: [SocketAddr; 2],
    mode: Mode,
) -> Result<Vec<Duration>, String> {
    let dialect = match mode {
        Mode::Open if number % 2 == 1 => Dialect::Etag,
        Mode::Open | Mode::Authenticated => Dialect::Json,
    };
    let told = |failure| format!("sign-in {number} ({dialect:?}): {failure}");
    // At home and on a mobile network: each device has an address of its own.
    let [low, high] = [number % 256, number / 256];
    let callers = [1, 2].map(|device| Caller {
        address: Some(format!("10.{device}.{high}.{low}")),
        token: None,
    });
    let [one, two] = callers;
    let mut one = Device::switch_on(number, dialect, one, workers)
        .await
        .map_err(told)?;
    let session = one.create(mode).await.map_err(told)?;
    one.known.clone_from(&session.token);
    // The camera.
    sleep(POLL).await;
    let mut two = Device::switch_on(number, dialect, two, workers)
        .await
        .map_err(told)?;
    let of_one = one.converse(&session.path, 1);
    let of_two = two.converse(&session.path, 0);
    let (of_one, of_two) = tokio::try_join!(of_one, of_two).map_err(told)?;
    Ok([of_one, of_two].concat())
}

/// What each message is, so that a payload of another sign-in, or an old one, is noticed.
fn message(sign_in: u32, number: u32) -> String {
    format!("{sign_in}/{number}/{}", "m".repeat(LENGTH))
}

/// One device, whose requests go to both workers in turn.
struct Device {
    number: u32,
    dialect: Dialect,
    caller: Caller,
    connections: [Connection; 2],
    turn: usize,
    known: String,
}

impl Device {
    async fn switch_on(
        number: u32,
        dialect: Dialect,
        caller: Caller,
        workers: [SocketAddr; 2],
    ) -> Result<Self, String> {
        let connect = async |worker| {
            let connected = timeout(PATIENCE, Connection::open(worker)).await;
            connected
                .map_err(|_| "no connection in time".to_owned())?
                .map_err(|error| format!("no connection: {error}"))
        };
        Ok(Self {
            number,
            dialect,
            caller,
            connections: [connect(workers[0]).await?, connect(workers[1]).await?],
            turn: number as usize,
            known: String::new(),
        })
    }

    async fn send(&mut self, what: &str, request: &[u8]) -> Result<Reply, String> {
        self.turn += 1;
        let sent = self.connections[self.turn % 2].send(request);
        let replied = timeout(PATIENCE, sent).await;
        let replied = replied.map_err(|_| format!("{what}: no reply in time"))?;
        replied.map_err(|error| format!("{what}: {error}"))
    }

    async fn create(&mut self, mode: Mode) -> Result<Session, String> {
        let creator = Caller {
            token: (mode == Mode::Authenticated).then(|| format!("{GOOD}honest-{}", self.number)),
            ..self.caller.clone()
        };
        let request = self.dialect.create(&creator, &message(self.number, 0));
        let reply = self.send("creation", &request).await?;
        let created = self.dialect.created(&reply);
        created.ok_or_else(|| unexpected("creation", &reply))
    }

    /// Polls until the next message is there, answers it, and so on to the last.
    async fn converse(&mut self, path: &str, mut next: u32) -> Result<Vec<Duration>, String> {
        let mut polls = Vec::new();
        while next <= WRITES {
            sleep(POLL).await;
            let poll = self.dialect.poll(&self.caller, path, &self.known);
            let asked = Instant::now();
            let reply = self.send("poll", &poll).await?;
            polls.push(asked.elapsed());
            let polled = self.dialect.polled(&reply, &self.known);
            let Some(news) = polled.map_err(|()| unexpected("poll", &reply))? else {
                continue;
            };
            if news.data != message(self.number, next) {
                return Err(format!("message {next} is {}", news.data));
            }
            self.known = news.token;
            next += 1;
            if next <= WRITES {
                sleep(THOUGHT).await;
                self.write(path, next).await?;
                next += 1;
            }
        }
        Ok(polls)
    }

    async fn write(&mut self, path: &str, number: u32) -> Result<(), String> {
        let session = Session {
            path: path.to_owned(),
            token: self.known.clone(),
        };
        let data = message(self.number, number);
        let write = self.dialect.write(&self.caller, &session, &data);
        let reply = self.send("write", &write).await?;
        let written = self.dialect.written(&reply);
        self.known = written.ok_or_else(|| unexpected("write", &reply))?;
        Ok(())
    }
}

fn unexpected(what: &str, reply: &Reply) -> String {
    format!("{what}: {} {}", reply.status, reply.body)
}
