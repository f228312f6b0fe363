//! Accepts connections: a permit first, then the socket, so that what waits waits in the kernel.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pauses after a failed accept: most failures are "out of file descriptors", and pass when a
/// connection ends; trying again at once would burn a core meanwhile.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Accepts until `stop`, and gives each connection to `serve` in a task of `tasks`. At most as many
/// at once as `permits` has.
pub async fn accept<F, T>(
    listener: TcpListener,
    permits: Arc<Semaphore>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
    serve: F,
) where
    F: Fn(TcpStream, IpAddr) -> T,
    T: Future<Output = ()> + Send + 'static,
{
    let mut pause = FIRST_PAUSE;
    let accepting = async {
        // The semaphore is never closed.
        while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    pause = FIRST_PAUSE;
                    let serving = serve(stream, peer.ip());
                    tasks.spawn(async move {
                        serving.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    if !is_of_one_connection(&error) {
                        tracing::warn!(%error, ?pause, "a connection could not be accepted");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(LAST_PAUSE);
                    }
                }
            }
        }
    };
    stop.run_until_cancelled(accepting).await;
}

/// The connection was gone before it was accepted: no reason to wait.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
