//! A device that takes part in a sign-in, with the connections that a client keeps open.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;

use crate::dialect::{Caller, Dialect, Response, SessionHandle, Update};
use crate::keep_alive::KeepAliveClient;

/// Longer than every deadline of the server: a reply that takes longer counts as lost.
const REPLY_DEADLINE: Duration = Duration::from_secs(10);

/// A device. Its requests go to its servers in turn, on one connection to each.
#[derive(Debug)]
pub struct Device {
    /// The dialect that it speaks.
    pub dialect: Dialect,
    /// Its address and its access token.
    pub caller: Caller,
    /// The token of the payload that it has read or written last; empty at first.
    pub known: String,
    /// What a proxy does to each ETag in its requests.
    pub mangle_etag: fn(&str) -> String,
    servers: Vec<(SocketAddr, Option<KeepAliveClient>)>,
    turn: usize,
}

/// A request without a useful reply.
#[derive(Debug)]
pub enum RequestFailure {
    /// The reply is not the one with which a sign-in continues.
    Rejected {
        /// What was requested: `creation`, `poll`, `write`.
        request: &'static str,
        /// The reply.
        reply: Response,
    },
    /// The connection broke, or no reply came in time.
    NoReply {
        /// What was requested.
        request: &'static str,
        /// What happened.
        reason: String,
    },
}

impl fmt::Display for RequestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { request, reply } => {
                write!(f, "{request}: {} {}", reply.status, reply.body)
            }
            Self::NoReply { request, reason } => write!(f, "{request}: {reason}"),
        }
    }
}

impl From<RequestFailure> for String {
    fn from(failure: RequestFailure) -> Self {
        failure.to_string()
    }
}

impl Device {
    /// A device that has not connected yet. Its first request goes to the first of `servers`.
    pub fn new(dialect: Dialect, caller: Caller, servers: &[SocketAddr]) -> Self {
        Self {
            dialect,
            caller,
            known: String::new(),
            mangle_etag: str::to_owned,
            servers: servers.iter().map(|server| (*server, None)).collect(),
            turn: 0,
        }
    }

    /// Opens the connections to all servers. Without it, each is opened by its first request.
    pub async fn connect(&mut self) -> Result<(), RequestFailure> {
        let failure = |reason: String| RequestFailure::NoReply {
            request: "connection",
            reason,
        };
        for (server, connection) in &mut self.servers {
            let connected = timeout(REPLY_DEADLINE, KeepAliveClient::connect(*server)).await;
            let connected = connected.map_err(|_| failure("not in time".to_owned()))?;
            *connection = Some(connected.map_err(|error| failure(error.to_string()))?);
        }
        Ok(())
    }

    /// Creates a session.
    pub async fn create(&mut self, data: &str) -> Result<SessionHandle, RequestFailure> {
        let bytes = self.dialect.create(&self.caller, data);
        let reply = self.request("creation", &bytes).await?;
        let Some(session) = self.dialect.created(&reply) else {
            return Err(rejected("creation", reply));
        };
        self.known.clone_from(&session.token);
        Ok(session)
    }

    /// Polls a session once. Returns `None` if its payload is still the known one.
    pub async fn poll(&mut self, path: &str) -> Result<Option<Update>, RequestFailure> {
        let known = (self.mangle_etag)(&self.known);
        let bytes = self.dialect.poll(&self.caller, path, &known);
        let reply = self.request("poll", &bytes).await?;
        let Ok(update) = self.dialect.polled(&reply, &self.known) else {
            return Err(rejected("poll", reply));
        };
        if let Some(update) = &update {
            self.known.clone_from(&update.token);
        }
        Ok(update)
    }

    /// Writes over the known payload.
    pub async fn write(&mut self, path: &str, data: &str) -> Result<(), RequestFailure> {
        let session = SessionHandle {
            path: path.to_owned(),
            token: (self.mangle_etag)(&self.known),
        };
        let bytes = self.dialect.write(&self.caller, &session, data);
        let reply = self.request("write", &bytes).await?;
        let Some(token) = self.dialect.written(&reply) else {
            return Err(rejected("write", reply));
        };
        self.known = token;
        Ok(())
    }

    /// Requests the metadata of the server, as a client of the JSON dialect does before a sign-in.
    pub async fn fetch_metadata(&mut self) -> Result<(), RequestFailure> {
        let bytes = self.caller.request("GET", self.dialect.root(), "", "");
        self.expect("metadata", &bytes, 200).await
    }

    /// Deletes a session.
    pub async fn delete(&mut self, path: &str) -> Result<(), RequestFailure> {
        let bytes = self.caller.request("DELETE", path, "", "");
        let status = match self.dialect {
            Dialect::Json | Dialect::StableJson => 200,
            Dialect::Etag => 204,
        };
        self.expect("deletion", &bytes, status).await
    }

    async fn expect(
        &mut self,
        name: &'static str,
        bytes: &[u8],
        status: u16,
    ) -> Result<(), RequestFailure> {
        let reply = self.request(name, bytes).await?;
        if reply.status == status {
            Ok(())
        } else {
            Err(rejected(name, reply))
        }
    }

    /// Sends a request on the next connection, and opens that first if it is not open.
    ///
    /// # Errors
    /// [`RequestFailure::NoReply`] if there is no complete reply in time. The connection is then
    /// closed: the rest of a late reply must not be read as the next one.
    pub async fn request(
        &mut self,
        name: &'static str,
        bytes: &[u8],
    ) -> Result<Response, RequestFailure> {
        let count = self.servers.len();
        let (server, connection) = &mut self.servers[self.turn % count];
        self.turn += 1;
        let exchange = async {
            let mut client = match connection.take() {
                Some(client) => client,
                None => KeepAliveClient::connect(*server).await?,
            };
            let reply = client.send(bytes).await.map(Response::from)?;
            *connection = Some(client);
            Ok::<_, std::io::Error>(reply)
        };
        let reason = match timeout(REPLY_DEADLINE, exchange).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no reply in time".to_owned(),
        };
        Err(RequestFailure::NoReply {
            request: name,
            reason,
        })
    }
}

fn rejected(request: &'static str, reply: Response) -> RequestFailure {
    RequestFailure::Rejected { request, reply }
}
