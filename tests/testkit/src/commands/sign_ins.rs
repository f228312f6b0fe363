//! `testkit sign-ins`: sign-ins of MSC4388 one after the other on each connection, as fast as
//! possible.
//!
//! A sign-in is a creation, then the writes, and before each of them the polls. Each is another
//! client's, named in `X-Forwarded-For`, and with `--users` another user's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use testkit::dialect::{Caller, Dialect, Response, SessionHandle};
use testkit::keep_alive::KeepAliveClient;
use tokio::signal::ctrl_c;
use tokio::task::JoinSet;
use tokio::time::timeout;

#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Address of the server
    #[arg(long)]
    server: SocketAddr,
    /// Number of connections
    #[arg(long, default_value_t = 8)]
    connections: u8,
    /// Duration in seconds; SIGINT ends it earlier
    #[arg(long)]
    seconds: u64,
    /// Size of a payload, in bytes; at least 8
    #[arg(long)]
    payload: usize,
    /// Writes of a sign-in
    #[arg(long, default_value_t = 0)]
    writes: u32,
    /// Polls before each write
    #[arg(long, default_value_t = 0)]
    polls: u32,
    /// Each sign-in has an access token of its own
    #[arg(long)]
    users: bool,
    /// Writes have a txnId
    #[arg(long)]
    txns: bool,
}

/// Prints the number of requests.
///
/// # Errors
/// Describes the first request that failed, which ends the load.
pub async fn run(arguments: &Arguments) -> Result<(), String> {
    let requests = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for connection in 0..arguments.connections {
        let (arguments, requests) = (arguments.clone(), Arc::clone(&requests));
        tasks.spawn(async move {
            let client = KeepAliveClient::connect(arguments.server).await;
            let client = client.map_err(|error| error.to_string())?;
            let mut loader = Loader {
                arguments,
                client,
                requests,
            };
            for number in 0.. {
                loader.sign_in(connection, number).await?;
            }
            Ok::<_, String>(())
        });
    }
    let failure = async {
        match tasks.join_next().await {
            Some(Ok(Err(failure))) => failure,
            other => format!("a task ended: {other:?}"),
        }
    };
    let duration = Duration::from_secs(arguments.seconds);
    tokio::select! {
        failure = failure => return Err(failure),
        _ = timeout(duration, ctrl_c()) => {}
    }
    println!("{}", requests.load(Ordering::Relaxed));
    Ok(())
}

/// One connection.
struct Loader {
    arguments: Arguments,
    client: KeepAliveClient,
    requests: Arc<AtomicU64>,
}

impl Loader {
    async fn sign_in(&mut self, connection: u8, number: u32) -> Result<(), String> {
        let [_, _, high, low] = number.to_be_bytes();
        let caller = Caller {
            address: Some(format!("10.{}.{high}.{low}", connection + 1)),
            token: self
                .arguments
                .users
                .then(|| format!("{connection}-{number}")),
        };
        let dialect = Dialect::Json;
        let size = self.arguments.payload;
        let create = dialect.create(&caller, &"x".repeat(size));
        let reply = self.send(&create).await?;
        let mut session = dialect.created(&reply).ok_or_else(|| unexpected(&reply))?;
        let root = session.path.clone();
        for write in 1..=self.arguments.writes {
            let poll = dialect.poll(&caller, &root, "");
            for _ in 0..self.arguments.polls {
                let reply = self.send(&poll).await?;
                if reply.status != 200 {
                    return Err(unexpected(&reply));
                }
            }
            if self.arguments.txns {
                session.path = format!("{root}/txn{write}");
            }
            session.token = self.write(&caller, &session, write).await?;
        }
        Ok(())
    }

    async fn write(
        &mut self,
        caller: &Caller,
        session: &SessionHandle,
        number: u32,
    ) -> Result<String, String> {
        let fill = "x".repeat(self.arguments.payload.saturating_sub(8));
        let write = Dialect::Json.write(caller, session, &format!("{number:08}{fill}"));
        let reply = self.send(&write).await?;
        Dialect::Json
            .written(&reply)
            .ok_or_else(|| unexpected(&reply))
    }

    async fn send(&mut self, request: &[u8]) -> Result<Response, String> {
        let reply = self.client.send(request).await;
        let reply = reply
            .map(Response::from)
            .map_err(|error| error.to_string())?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(reply)
    }
}

fn unexpected(reply: &Response) -> String {
    format!("unexpected reply: {} {}", reply.status, reply.body)
}
