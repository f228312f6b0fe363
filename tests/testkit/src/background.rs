//! Requests that are sent in a loop while something happens to the store, and what came back.
//!
//! Each client is a thread that sends one request after the other and retries nothing, like the
//! released clients of the ETag dialect.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::api::{Session, request};
use crate::http::Reply;
use crate::server::Server;
use crate::until;

/// Pause of a client between two reads or two creations.
const PAUSE: Duration = Duration::from_millis(5);

/// Pause of a client between two writes. A session accepts 250 writes.
const WRITE_PAUSE: Duration = Duration::from_millis(80);

/// The step of a sign-in that deletes the session, after a read, a write and a read.
const LAST_STEP: u8 = 3;

/// What a client does.
#[derive(Debug, Clone)]
pub enum Client {
    /// Reads a session, whose payload and token must stay as they are.
    Reader(Session),
    /// Writes to a session, each time with the token of the write before. A conflict ends the chain
    /// and begins another one with the session's current token.
    Writer(Session),
    /// Creates sessions.
    Creator,
    /// Creates sessions one after the other, and reads, writes, reads and deletes each. The first
    /// failure ends a sign-in. Begins with [`Client::sign_ins`].
    SignIns(Option<(Session, u8)>),
}

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A creation, which may be refused while the store is unavailable.
    Create,
    /// A read or a write, of which a failure ends a sign-in.
    Use,
    /// A deletion, which does not wait for the store, and comes after the sign-in.
    Delete,
}

/// One request and its reply.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The kind of the request.
    pub kind: Kind,
    /// Time before the request was sent.
    pub called: Instant,
    /// Time after the reply was received.
    pub returned: Instant,
    /// The status of the reply.
    pub status: u16,
    /// Session of the request, or of a successful creation, as the reply leaves it.
    pub session: Option<Session>,
}

/// The requests of a client, in order.
#[derive(Debug, Default)]
pub struct Samples {
    all: Mutex<Vec<Sample>>,
    has_ended: AtomicBool,
}

impl Samples {
    /// A copy of the samples so far.
    pub fn all(&self) -> Vec<Sample> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Sample>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for this number of requests that are sent from now on.
    #[track_caller]
    pub fn wait_for(&self, count: usize) {
        let begun = Instant::now();
        let sent_since = || {
            self.all()
                .iter()
                .filter(|sample| sample.called > begun)
                .count()
        };
        until("the client goes on", || {
            let has_ended = self.has_ended.load(Ordering::SeqCst);
            assert!(!has_ended, "the client has ended, its panic is above");
            sent_since() >= count
        });
    }

    /// The replies with another status than 200.
    pub fn failed(&self) -> Vec<Sample> {
        let mut samples = self.all();
        samples.retain(|sample| sample.status != 200);
        samples
    }

    /// Asserts that each request succeeded.
    #[track_caller]
    pub fn assert_none_failed(&self) {
        self.assert_status_200(|_| true);
    }

    /// Asserts that each read and each write succeeded.
    #[track_caller]
    pub fn assert_no_sign_in_lost(&self) {
        self.assert_status_200(|sample| sample.kind == Kind::Use);
    }

    #[track_caller]
    fn assert_status_200(&self, counts: impl Fn(&Sample) -> bool) {
        let (mut total, mut failed) = (0, BTreeMap::<u16, usize>::new());
        for sample in self.all().iter().filter(|sample| counts(sample)) {
            total += 1;
            if sample.status != 200 {
                *failed.entry(sample.status).or_default() += 1;
            }
        }
        assert!(
            failed.is_empty(),
            "of {total} requests failed, by status: {failed:?}"
        );
        assert!(total > 0, "no request was sent");
    }

    /// The longest time that a request took.
    pub fn slowest(&self) -> Duration {
        let times = self.all().into_iter();
        let times = times.map(|sample| sample.returned - sample.called);
        times.max().unwrap_or_default()
    }
}

/// Waits until each client has completed this number of requests that are sent from now on.
#[track_caller]
pub fn wait_for_each(clients: &[Samples], count: usize) {
    for samples in clients {
        samples.wait_for(count);
    }
}

/// Runs the clients while `fault` runs. `fault` gets the samples of each client, and may wait for
/// more. Returns what it returned, and the samples. Each client has completed a request before, and
/// completes one more after.
#[track_caller]
pub fn run_clients<T, const N: usize>(
    worker: &Server,
    clients: [Client; N],
    fault: impl FnOnce(&[Samples; N]) -> T,
) -> (T, [Samples; N]) {
    let samples: [Samples; N] = std::array::from_fn(|_| Samples::default());
    let over = AtomicBool::new(false);
    let returned = std::thread::scope(|scope| {
        // A panic of `fault` must end the clients too, since the scope waits for them.
        let _end = SetOnDrop(&over);
        for (client, samples) in clients.into_iter().zip(&samples) {
            let over = &over;
            scope.spawn(move || client.run(worker, samples, over));
        }
        wait_for_each(&samples, 1);
        let returned = fault(&samples);
        wait_for_each(&samples, 1);
        returned
    });
    (returned, samples)
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Client {
    /// Runs sign-ins one after the other.
    pub fn sign_ins() -> Self {
        Self::SignIns(None)
    }

    fn run(mut self, worker: &Server, samples: &Samples, over: &AtomicBool) {
        let _ended = SetOnDrop(&samples.has_ended);
        let mut number = 0;
        while !over.load(Ordering::SeqCst) {
            number += 1;
            let kind = self.next_kind();
            let called = Instant::now();
            let (reply, session) = self.send(worker, number);
            let sample = Sample {
                kind,
                called,
                returned: Instant::now(),
                status: reply.status,
                session,
            };
            samples.lock().push(sample);
            let is_writer = matches!(self, Self::Writer(_));
            std::thread::sleep(if is_writer { WRITE_PAUSE } else { PAUSE });
        }
    }

    fn next_kind(&self) -> Kind {
        match self {
            Self::Creator | Self::SignIns(None) => Kind::Create,
            Self::SignIns(Some((_, LAST_STEP))) => Kind::Delete,
            Self::Reader(_) | Self::Writer(_) | Self::SignIns(Some(_)) => Kind::Use,
        }
    }

    fn send(&mut self, worker: &Server, number: u32) -> (Reply, Option<Session>) {
        match self {
            Self::Reader(session) => (read(worker, session), Some(session.clone())),
            Self::Writer(session) => {
                let reply = write(worker, session, number);
                if reply.status == 409 {
                    adopt_current(worker, session);
                }
                (reply, Some(session.clone()))
            }
            Self::Creator => create(worker),
            Self::SignIns(current) => match current.take() {
                None => {
                    let (reply, session) = create(worker);
                    *current = session.clone().map(|session| (session, 0));
                    (reply, session)
                }
                Some((mut session, step)) => {
                    let reply = match step {
                        0 | 2 => read(worker, &session),
                        1 => write(worker, &mut session, number),
                        _ => worker.call(&request::delete(&session.id)),
                    };
                    if reply.status == 200 && step < LAST_STEP {
                        *current = Some((session.clone(), step + 1));
                    }
                    (reply, Some(session))
                }
            },
        }
    }
}

fn create(worker: &Server) -> (Reply, Option<Session>) {
    let reply = worker.call(&request::create("hello"));
    let created = (reply.status == 200).then(|| Session {
        id: reply.text("id"),
        data: "hello".to_owned(),
        token: reply.text("sequence_token"),
        expires_in_ms: reply.number("expires_in_ms"),
    });
    (reply, created)
}

/// Reads a session. Panics if it has another payload or token.
fn read(worker: &Server, session: &Session) -> Reply {
    let reply = worker.call(&request::read(&session.id));
    if reply.status == 200 {
        let held = (reply.text("data"), reply.text("sequence_token"));
        assert_eq!(held, (session.data.clone(), session.token.clone()));
    }
    reply
}

/// Writes to a session, and updates it if that succeeds.
fn write(worker: &Server, session: &mut Session, number: u32) -> Reply {
    let data = format!("write {number}");
    let reply = worker.put(&session.id, &session.token, &data);
    if reply.status == 200 {
        (session.data, session.token) = (data, reply.text("sequence_token"));
    }
    reply
}

/// Takes over what the session holds now.
fn adopt_current(worker: &Server, session: &mut Session) {
    let reply = worker.call(&request::read(&session.id));
    if reply.status == 200 {
        (session.data, session.token) = (reply.text("data"), reply.text("sequence_token"));
    }
}
