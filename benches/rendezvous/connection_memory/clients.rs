//! The clients: keep-alive connections from several addresses, each with one session at most.

use crate::payload;
use futures_util::future::try_join_all;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use testkit::dialect::{Caller, Dialect, Response, SessionHandle};
use testkit::keep_alive::KeepAliveClient;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Addresses of the clients. The kernel has 28,000 ports for the connections of each.
const SOURCES: u8 = 16;

/// Connections that open at the same time.
const BATCH: usize = 64;

/// Time for a reply. A held read takes 10 s.
const REPLY_DEADLINE: Duration = Duration::from_secs(30);

/// All connections to one server.
pub struct Clients {
    server: SocketAddr,
    at_rest: Vec<Client>,
    reads: JoinSet<Result<Client, String>>,
}

/// What each connection does after it opens.
pub enum Preparation {
    /// Sends this poll, and expects this status.
    Poll(Vec<u8>, u16),
    /// Creates an empty session and writes it, so that a read of it is held.
    Write,
}

struct Client {
    connection: KeepAliveClient,
    /// The poll that is held.
    read: Vec<u8>,
}

impl Clients {
    /// No connections to this server.
    pub fn new(server: SocketAddr) -> Self {
        Self {
            server,
            at_rest: Vec::new(),
            reads: JoinSet::new(),
        }
    }

    /// Creates a session that every connection polls in the `ETag` dialect. It is never written, so
    /// no poll of it is held.
    pub async fn poll_of_etag_dialect(&self) -> Result<Preparation, String> {
        let session = self.create(Dialect::Etag).await?;
        let poll = Dialect::Etag.poll(&Caller::default(), &session.path, &session.token);
        Ok(Preparation::Poll(poll, 304))
    }

    /// Creates a session that every connection polls in the JSON dialect.
    pub async fn poll_of_json_dialect(&self) -> Result<Preparation, String> {
        let session = self.create(Dialect::Json).await?;
        let poll = Dialect::Json.poll(&Caller::default(), &session.path, "");
        Ok(Preparation::Poll(poll, 200))
    }

    /// A poll for a server that sends the same reply to every request.
    pub fn poll_without_session() -> Preparation {
        let path = Dialect::Json.path("none");
        Preparation::Poll(Dialect::Json.poll(&Caller::default(), &path, ""), 200)
    }

    async fn create(&self, dialect: Dialect) -> Result<SessionHandle, String> {
        let mut connection = connect(self.server, 0).await?;
        create(
            &mut connection,
            dialect,
            &payload::payload(payload::TYPICAL, 1),
        )
        .await
    }

    /// Opens connections until there are `total`, and prepares each. Reads that were sent stay in
    /// flight meanwhile.
    pub async fn open(&mut self, total: u32, preparation: &Preparation) -> Result<(), String> {
        let total = usize::try_from(total).map_err(|error| error.to_string())?;
        loop {
            let first = self.at_rest.len() + self.reads.len();
            if first >= total {
                return Ok(());
            }
            let numbers = first..total.min(first + BATCH);
            let opening = numbers.map(|number| Client::open(self.server, number, preparation));
            self.at_rest.extend(try_join_all(opening).await?);
        }
    }

    /// Number of reads that were sent and not answered.
    pub fn reads_in_flight(&self) -> usize {
        self.reads.len()
    }

    /// Sends the reads of at most this many connections that have sent none. Returns their number.
    pub fn begin_reads(&mut self, most: usize) -> usize {
        let first = self.at_rest.len().saturating_sub(most);
        let selected = self.at_rest.split_off(first);
        let number = selected.len();
        for mut client in selected {
            self.reads.spawn_local(async move {
                let reply = send(&mut client.connection, &client.read).await?;
                expect(304, &reply)?;
                Ok(client)
            });
        }
        number
    }

    /// Waits for the replies to the reads that were sent.
    pub async fn end_reads(&mut self) -> Result<(), String> {
        while let Some(read) = self.reads.join_next().await {
            self.at_rest.push(read.map_err(|error| error.to_string())??);
        }
        Ok(())
    }
}

impl Client {
    async fn open(
        server: SocketAddr,
        number: usize,
        preparation: &Preparation,
    ) -> Result<Self, String> {
        let mut connection = connect(server, number).await?;
        let read = match preparation {
            Preparation::Poll(poll, status) => {
                expect(*status, &send(&mut connection, poll).await?)?;
                Vec::new()
            }
            Preparation::Write => written(&mut connection).await?,
        };
        Ok(Self { connection, read })
    }
}

async fn connect(server: SocketAddr, number: usize) -> Result<KeepAliveClient, String> {
    let source = (1..=SOURCES).cycle().nth(number % usize::from(SOURCES));
    let source: IpAddr = [127, 0, 1, source.unwrap_or(1)].into();
    let connection = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        KeepAliveClient::over(socket.connect(server).await?)
    };
    let connected = timeout(REPLY_DEADLINE, connection).await;
    let connected = connected.map_err(|_| "connection: not in time".to_owned())?;
    connected.map_err(|error| format!("connection: {error}"))
}

async fn create(
    connection: &mut KeepAliveClient,
    dialect: Dialect,
    data: &str,
) -> Result<SessionHandle, String> {
    let reply = send(connection, &dialect.create(&Caller::default(), data)).await?;
    dialect
        .created(&reply)
        .ok_or_else(|| format!("creation: status {} {}", reply.status, reply.body))
}

/// Creates a session and writes it. Returns the poll of the client that has written.
async fn written(connection: &mut KeepAliveClient) -> Result<Vec<u8>, String> {
    let caller = Caller::default();
    let session = create(connection, Dialect::Etag, "").await?;
    let data = payload::payload(payload::TYPICAL, 1);
    let reply = send(connection, &Dialect::Etag.write(&caller, &session, &data)).await?;
    let token = Dialect::Etag.written(&reply);
    let token = token.ok_or_else(|| format!("write: status {} {}", reply.status, reply.body))?;
    Ok(Dialect::Etag.poll(&caller, &session.path, &token))
}

async fn send(connection: &mut KeepAliveClient, request: &[u8]) -> Result<Response, String> {
    match timeout(REPLY_DEADLINE, connection.send(request)).await {
        Ok(Ok(reply)) => Ok(reply.into()),
        Ok(Err(error)) => Err(format!("reply: {error}")),
        Err(_) => Err(format!("no reply in {REPLY_DEADLINE:?}")),
    }
}

fn expect(status: u16, reply: &Response) -> Result<(), String> {
    if reply.status == status {
        return Ok(());
    }
    Err(format!(
        "expected status {status}, found {} {}",
        reply.status, reply.body
    ))
}
