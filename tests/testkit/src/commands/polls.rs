//! `testkit polls`: polls one session as fast as possible.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use testkit::dialect::{Caller, Dialect};
use testkit::keep_alive::KeepAliveClient;
use tokio::task::JoinSet;
use tokio::time::timeout;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Address of the server
    #[arg(long)]
    server: SocketAddr,
    /// Number of connections
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Duration in seconds
    #[arg(long)]
    seconds: u64,
    /// Path of the session
    #[arg(long)]
    path: String,
    /// The ETag that the client has; each reply is then a 304
    #[arg(long)]
    etag: Option<String>,
}

/// Prints the number of requests.
///
/// # Errors
/// Describes the first request that failed, which ends the load.
pub async fn run(arguments: &Arguments) -> Result<(), String> {
    let (dialect, etag, expected) = match &arguments.etag {
        Some(etag) => (Dialect::Etag, etag.as_str(), 304),
        None => (Dialect::Json, "", 200),
    };
    let request = dialect.poll(&Caller::default(), &arguments.path, etag);
    let (request, requests) = (Arc::<[u8]>::from(request), Arc::new(AtomicU64::new(0)));
    let server = arguments.server;
    let mut tasks = JoinSet::new();
    for _ in 0..arguments.connections {
        let (request, requests) = (Arc::clone(&request), Arc::clone(&requests));
        tasks.spawn(async move {
            let failed = |error: std::io::Error| error.to_string();
            let mut client = KeepAliveClient::connect(server).await.map_err(failed)?;
            loop {
                let status = client.send(&request).await.map_err(failed)?.status;
                if status != expected {
                    return Err::<(), _>(format!("unexpected status {status}"));
                }
                requests.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let ended = timeout(Duration::from_secs(arguments.seconds), tasks.join_next()).await;
    match ended {
        Err(_) => println!("{}", requests.load(Ordering::Relaxed)),
        Ok(Some(Ok(Err(failure)))) => return Err(failure),
        Ok(other) => return Err(format!("a task ended: {other:?}")),
    }
    Ok(())
}
