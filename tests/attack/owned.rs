//! Attackers with sessions of their own, which they wear out.

use crate::addresses::Addresses;
use crate::attacks::{LARGEST, Line, Siege};
use crate::dialect::{Caller, Dialect, Session};
use std::sync::{Arc, Mutex, PoisonError};

/// Sessions of the attackers.
#[derive(Debug)]
pub struct Owned(Vec<Arc<Own>>);

/// One of them, and who uses it.
#[derive(Debug)]
struct Own {
    caller: Caller,
    dialect: Dialect,
    /// As it was last seen by whichever connection.
    session: Mutex<Session>,
}

impl Owned {
    /// Creates so many, each from an address of its own.
    pub async fn create(sessions: u32, siege: &Siege) -> Result<Self, String> {
        let mut owned = Vec::new();
        let mut line = Line::to(siege.worker(0));
        for number in 0..u64::from(sessions) {
            let caller = siege.caller(Addresses::Many(sessions), number);
            let dialect = siege.dialect(number);
            let reply = line
                .send(&dialect.create(&caller, "mine"), &siege.tally)
                .await;
            let session = reply.and_then(|reply| dialect.created(&reply));
            owned.push(Arc::new(Own {
                caller,
                dialect,
                session: Mutex::new(session.ok_or("an attacker got no session to begin with")?),
            }));
        }
        Ok(Self(owned))
    }

    /// Polls them, each connection one after the other of those that are its, without a pause.
    pub fn poll(&self, siege: &Siege) {
        for (number, owned) in self.shared_out(siege) {
            let siege = siege.clone();
            tokio::spawn(async move {
                let mut line = Line::to(siege.worker(number));
                for own in owned.iter().cycle() {
                    let Session { path, token } = own.session();
                    let poll = own.dialect.poll(&own.caller, &path, &token);
                    line.send(&poll, &siege.tally).await;
                }
            });
        }
    }

    /// Writes to them, each connection to one after the other of those that are its, without a pause.
    pub fn write(&self, siege: &Siege) {
        for (number, owned) in self.shared_out(siege) {
            let siege = siege.clone();
            tokio::spawn(async move {
                let mut line = Line::to(siege.worker(number));
                for (count, own) in owned.iter().cycle().enumerate() {
                    // Each is another, or it would be a write that changes nothing.
                    let payload = format!("{number}/{count}/{}", "B".repeat(LARGEST));
                    let payload = &payload[..LARGEST];
                    own.write(payload, &mut line, &siege).await;
                }
            });
        }
    }

    /// Which of them each connection has: where there are fewer than connections, several have the same.
    fn shared_out(&self, siege: &Siege) -> Vec<(usize, Vec<Arc<Own>>)> {
        let Self(owned) = self;
        let share = |number: usize| {
            let first = number % owned.len();
            owned
                .iter()
                .skip(first)
                .step_by(siege.connections)
                .cloned()
                .collect()
        };
        (0..siege.connections)
            .map(|number| (number, share(number)))
            .collect()
    }
}

impl Own {
    fn session(&self) -> Session {
        self.session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn is_now(&self, session: Session) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = session;
    }

    /// One write; where another connection was quicker, a look at what it wrote, and where the session takes no
    /// more, another session.
    async fn write(&self, payload: &str, line: &mut Line, siege: &Siege) {
        let mut session = self.session();
        let write = self.dialect.write(&self.caller, &session, payload);
        let Some(reply) = line.send(&write, &siege.tally).await else {
            return;
        };
        if let Some(token) = self.dialect.written(&reply) {
            session.token = token;
            self.is_now(session);
        } else if matches!(reply.status, 409 | 412) {
            let poll = self
                .dialect
                .poll(&self.caller, &session.path, &session.token);
            let Some(reply) = line.send(&poll, &siege.tally).await else {
                return;
            };
            if let Ok(Some(news)) = self.dialect.polled(&reply, &session.token) {
                session.token = news.token;
                self.is_now(session);
            }
        } else if reply.status == 404 || reply.body.contains("Too many writes") {
            let create = self.dialect.create(&self.caller, payload);
            let reply = line.send(&create, &siege.tally).await;
            if let Some(session) = reply.and_then(|reply| self.dialect.created(&reply)) {
                self.is_now(session);
            }
        }
    }
}
