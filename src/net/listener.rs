//! Accepts connections: acquires a permit first, so that excess connections wait in the kernel.

use crate::config::de::HumanDuration;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pauses after a failed accept. Most failures are "out of file descriptors", which pass when a
/// connection ends. An immediate retry would keep one core busy meanwhile.
const MIN_BACKOFF: Duration = Duration::from_millis(5);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// Accepts connections until `stop`, and runs `serve` for each in a task of `tasks`. It keeps the
/// connection's permit until the connection ends: their number is that of the `permits`.
pub async fn accept<F, Fut>(
    listener: TcpListener,
    permits: Arc<Semaphore>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
    serve: F,
) where
    F: Fn(TcpStream, IpAddr, OwnedSemaphorePermit) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let mut backoff = MIN_BACKOFF;
    let accepting = async {
        // The semaphore is never closed.
        while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    backoff = MIN_BACKOFF;
                    // Without a future around it, which would hold the connection's twice.
                    tasks.spawn(serve(stream, peer.ip(), permit));
                }
                Err(error) => {
                    if !is_connection_error(&error) {
                        tracing::warn!(%error, backoff = %HumanDuration(backoff), "failed to accept a connection");
                        tokio::time::sleep(backoff).await;
                        backoff = (backoff * 2).min(MAX_BACKOFF);
                    }
                }
            }
        }
    };
    stop.run_until_cancelled(accepting).await;
}

/// Whether the error concerns one connection, which was gone before it was accepted. The next
/// accept needs no pause then.
fn is_connection_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
