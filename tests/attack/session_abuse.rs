//! Attackers that overuse sessions of their own.

use crate::attacks::{AttackContext, MAX_PAYLOAD, ReconnectingClient};
use crate::source_ips::SourceIps;
use std::sync::{Arc, Mutex, PoisonError};
use testkit::dialect::{Caller, Dialect, SessionHandle};

/// Sessions of the attackers.
#[derive(Debug)]
pub struct OwnedSessions(Vec<Arc<OwnedSession>>);

/// A session, and the client that uses it.
#[derive(Debug)]
struct OwnedSession {
    caller: Caller,
    dialect: Dialect,
    /// The state that any connection has seen last.
    handle: Mutex<SessionHandle>,
}

impl OwnedSessions {
    /// Creates this many sessions, each from an address of its own.
    pub async fn create(sessions: u32, context: &AttackContext) -> Result<Self, String> {
        let mut owned = Vec::new();
        let mut client = ReconnectingClient::new(context.worker(0));
        for number in 0..u64::from(sessions) {
            let caller = context.caller(SourceIps::Many(sessions), number);
            let dialect = context.dialect(number);
            let create = dialect.create(&caller, "mine");
            let reply = client.send(&create, &context.counters).await;
            let reply = reply.ok_or("an attacker got no response to its first creation")?;
            let handle = dialect.created(&reply).ok_or_else(|| {
                let (status, body) = (reply.status, &reply.body);
                format!("an attacker could not create its first session: {status} {body}")
            })?;
            owned.push(Arc::new(OwnedSession {
                caller,
                dialect,
                handle: Mutex::new(handle),
            }));
        }
        Ok(Self(owned))
    }

    /// Polls the sessions without a pause. Each connection polls its sessions in turn.
    pub fn poll(&self, context: &AttackContext) {
        for (number, sessions) in self.by_connection(context) {
            let context = context.clone();
            tokio::spawn(async move {
                let mut client = ReconnectingClient::new(context.worker(number));
                for session in sessions.iter().cycle() {
                    let SessionHandle { path, token } = session.handle();
                    let poll = session.dialect.poll(&session.caller, &path, &token);
                    client.send(&poll, &context.counters).await;
                }
            });
        }
    }

    /// Writes to the sessions without a pause. Each connection writes to its sessions in turn.
    pub fn write(&self, context: &AttackContext) {
        for (number, sessions) in self.by_connection(context) {
            let context = context.clone();
            tokio::spawn(async move {
                let mut client = ReconnectingClient::new(context.worker(number));
                for (count, session) in sessions.iter().cycle().enumerate() {
                    // Each payload differs, because a write of the same payload changes nothing.
                    let payload = format!("{number}/{count}/{}", "B".repeat(MAX_PAYLOAD));
                    let payload = &payload[..MAX_PAYLOAD];
                    session.write(payload, &mut client, &context).await;
                }
            });
        }
    }

    /// The sessions of each connection. If there are fewer sessions than connections, several
    /// connections have the same session.
    fn by_connection(&self, context: &AttackContext) -> Vec<(usize, Vec<Arc<OwnedSession>>)> {
        let Self(owned) = self;
        let share = |number: usize| {
            let first = number % owned.len();
            owned
                .iter()
                .skip(first)
                .step_by(context.connections)
                .cloned()
                .collect()
        };
        (0..context.connections)
            .map(|number| (number, share(number)))
            .collect()
    }
}

impl OwnedSession {
    fn handle(&self) -> SessionHandle {
        self.handle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_handle(&self, handle: SessionHandle) {
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = handle;
    }

    /// Writes once. On a conflict it polls for the payload of the other connection. If the session
    /// accepts no more writes, it creates another session.
    async fn write(&self, payload: &str, client: &mut ReconnectingClient, context: &AttackContext) {
        let mut handle = self.handle();
        let write = self.dialect.write(&self.caller, &handle, payload);
        let Some(reply) = client.send(&write, &context.counters).await else {
            return;
        };
        if let Some(token) = self.dialect.written(&reply) {
            handle.token = token;
            self.set_handle(handle);
        } else if matches!(reply.status, 409 | 412) {
            let poll = self.dialect.poll(&self.caller, &handle.path, &handle.token);
            let Some(reply) = client.send(&poll, &context.counters).await else {
                return;
            };
            if let Ok(Some(update)) = self.dialect.polled(&reply, &handle.token) {
                handle.token = update.token;
                self.set_handle(handle);
            }
        } else if reply.status == 404 || reply.body.contains("Too many writes") {
            let create = self.dialect.create(&self.caller, payload);
            let reply = client.send(&create, &context.counters).await;
            if let Some(handle) = reply.and_then(|reply| self.dialect.created(&reply)) {
                self.set_handle(handle);
            }
        }
    }
}
