//! A client that records each request and each response in the history of its session.

use crate::progress::Progress;
use crate::setup;
use fred::util::redis_keyslot;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use testkit::dialect::{Caller, Dialect, Response, SessionHandle};
use testkit::history::{Operation, Outcome, Recorder, outcome_of};
use testkit::keep_alive::KeepAliveClient;
use tokio::time::timeout;

/// How long a client waits for a response: as long as matrix-sdk.
const RESPONSE_DEADLINE: Duration = Duration::from_secs(30);

/// Time between a failed request and its retry.
pub const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A session that was created, and its history.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its name in reports.
    pub name: String,
    id: String,
    /// The token after the creation.
    pub token: String,
    /// Its history.
    pub recorder: Recorder,
}

impl Session {
    /// The id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The hash slot of its key in a Cluster, which the id determines.
    pub fn slot(&self) -> u16 {
        redis_keyslot(self.id.as_bytes())
    }
}

/// A client. Its requests go to the workers in turn, on one connection to each.
#[derive(Debug)]
pub struct Client {
    name: String,
    caller: Caller,
    /// The dialect that it speaks.
    pub dialect: Dialect,
    progress: Arc<Progress>,
    workers: Vec<(SocketAddr, Option<KeepAliveClient>)>,
    turn: usize,
}

impl Client {
    /// A client that has not connected yet. Its first request goes to worker `first`, modulo their
    /// number.
    pub fn new(
        name: String,
        dialect: Dialect,
        progress: &Arc<Progress>,
        workers: &[SocketAddr],
        first: usize,
    ) -> Self {
        let caller = if progress.requires_tokens {
            setup::user(first)
        } else {
            Caller::default()
        };
        Self {
            name,
            caller,
            dialect,
            progress: Arc::clone(progress),
            workers: workers.iter().map(|worker| (*worker, None)).collect(),
            turn: first,
        }
    }

    /// Creates a session and begins its history, which is called `name`. Returns `None` if the
    /// creation was refused.
    pub async fn create(&mut self, name: &str, data: &str) -> Option<Session> {
        let recorder = Recorder::new(self.progress.start);
        let create = Operation::Create {
            data: data.to_owned(),
        };
        let request = self.dialect.create(&self.caller, data);
        let sent = self.progress.now();
        let call = recorder.begin(&self.name, create.clone());
        let reply = self.send(&request).await;
        let created = reply.as_ref().ok().and_then(|reply| {
            let outcome = outcome_of(self.dialect, &create, reply);
            let handle = self.dialect.created(reply)?;
            Some((outcome, handle))
        });
        let Some((outcome, handle)) = created else {
            drop(call);
            self.progress.record_refused(sent);
            return None;
        };
        let Outcome::Created { token } = &outcome else {
            return None;
        };
        let token = token.clone();
        call.end(outcome);
        let id = handle.path.rsplit('/').next().unwrap_or_default();
        let session = Session {
            name: name.to_owned(),
            id: id.to_owned(),
            token,
            recorder,
        };
        self.progress.add_session(&session);
        Some(session)
    }

    /// Sends one request on a session, and records it.
    pub async fn call(&mut self, session: &Session, operation: Operation) -> Outcome {
        let request = serialize(self.dialect, &session.id, &operation);
        let call = session.recorder.begin(&self.name, operation.clone());
        match self.send(&request).await {
            Ok(reply) => {
                let outcome = outcome_of(self.dialect, &operation, &reply);
                call.end(outcome.clone());
                outcome
            }
            // A call that is dropped has an unknown outcome.
            Err(_) => Outcome::Unknown,
        }
    }

    /// Sends a request to the next worker, and opens the connection first if it is not open.
    async fn send(&mut self, request: &[u8]) -> std::io::Result<Response> {
        let count = self.workers.len();
        let (worker, connection) = &mut self.workers[self.turn % count];
        self.turn += 1;
        let exchange = async {
            let mut client = match connection.take() {
                Some(client) => client,
                None => KeepAliveClient::connect(*worker).await?,
            };
            let reply = client.send(request).await.map(Response::from)?;
            *connection = Some(client);
            Ok(reply)
        };
        let reply = timeout(RESPONSE_DEADLINE, exchange).await;
        let reply = reply.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let status = reply.as_ref().ok().map(|reply| reply.status);
        self.progress.record_status(status);
        reply
    }
}

fn serialize(dialect: Dialect, id: &str, operation: &Operation) -> Vec<u8> {
    let (caller, path) = (Caller::default(), dialect.path(id));
    let named = |token: &str| match dialect {
        Dialect::Etag => format!("\"{token}\""),
        Dialect::Json | Dialect::StableJson => token.to_owned(),
    };
    match operation {
        Operation::Create { data } => dialect.create(&caller, data),
        Operation::Read { known } => {
            let known = known.as_deref().map(named).unwrap_or_default();
            dialect.poll(&caller, &path, &known)
        }
        Operation::Write { compare, data, txn } => {
            let path = txn
                .as_ref()
                .map_or(path.clone(), |txn| format!("{path}/{txn}"));
            let token = named(compare);
            dialect.write(&caller, &SessionHandle { path, token }, data)
        }
        Operation::Delete => caller.request("DELETE", &path, "", ""),
    }
}
