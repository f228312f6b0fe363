//! Accepts connections: acquires a permit first, so that excess connections wait in the kernel.

use crate::config::de::HumanDuration;
use crate::net::peer_stream::{PeerAddress, PeerStream};
use crate::net::socket_file::SocketFile;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pauses after a failed accept. Most failures are "out of file descriptors", which pass when a
/// connection ends. An immediate retry would keep one core busy meanwhile.
const MIN_BACKOFF: Duration = Duration::from_millis(5);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// A bound socket of one address.
#[derive(Debug)]
pub enum BoundListener {
    /// A TCP socket, and its address.
    Tcp(TcpListener, SocketAddr),
    /// A Unix socket. Its file is removed first, so that no process finds a file and is refused.
    Unix(SocketFile, UnixListener),
    /// A Unix socket of the service manager, and its path. Its file belongs to the service manager.
    PassedUnix(PathBuf, UnixListener),
}

impl BoundListener {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(PeerStream, PeerAddress)>> {
        Poll::Ready(match self {
            Self::Tcp(listener, _) => ready!(listener.poll_accept(cx))
                .map(|(stream, peer)| (PeerStream::Tcp(stream), PeerAddress::Ip(peer.ip()))),
            Self::Unix(_, listener) | Self::PassedUnix(_, listener) => {
                ready!(listener.poll_accept(cx))
                    .map(|(stream, _)| (PeerStream::Unix(stream), PeerAddress::Unix))
            }
        })
    }
}

/// A socket whose connections are accepted without waiting.
enum AcceptQueue {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

impl AcceptQueue {
    /// Takes the socket of a listener. The file of a Unix socket is removed, so that no connection follows.
    fn new(listener: BoundListener) -> io::Result<Self> {
        Ok(match listener {
            BoundListener::Tcp(listener, _) => Self::Tcp(listener.into_std()?),
            BoundListener::Unix(_, listener) | BoundListener::PassedUnix(_, listener) => {
                Self::Unix(listener.into_std()?)
            }
        })
    }

    /// Returns the connection that has waited longest.
    ///
    /// # Errors
    /// `WouldBlock` if none waits, or that of the connection or the operating system.
    fn accept(&self) -> io::Result<(PeerStream, PeerAddress)> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                stream.set_nonblocking(true)?;
                let stream = TcpStream::from_std(stream)?;
                (PeerStream::Tcp(stream), PeerAddress::Ip(peer.ip()))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                (
                    PeerStream::Unix(UnixStream::from_std(stream)?),
                    PeerAddress::Unix,
                )
            }
        })
    }
}

/// Displays the address. A port 0 of the configuration is the port that the system has chosen.
impl fmt::Display for BoundListener {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(_, address) => write!(out, "{address}"),
            Self::Unix(file, _) => write!(out, "{file}"),
            Self::PassedUnix(path, _) => write!(out, "unix:{}", path.display()),
        }
    }
}

/// The bound sockets of one listener. Dropping them closes the sockets, and removes the files that this
/// process has created. It shuts no socket down: the queue of a passed one is that of the next process.
#[derive(Debug)]
pub struct BoundListeners {
    all: Vec<BoundListener>,
    /// The socket that is asked first, so that a busy one does not starve the others.
    first: usize,
}

impl BoundListeners {
    /// Creates the listener of these sockets.
    #[must_use]
    pub fn new(all: Vec<BoundListener>) -> Self {
        Self { all, first: 0 }
    }

    /// Accepts a connection from any of the sockets, in turn.
    async fn accept(&mut self) -> io::Result<(PeerStream, PeerAddress)> {
        poll_fn(|cx| {
            let count = self.all.len();
            for step in 0..count {
                let index = (self.first + step) % count;
                if let Poll::Ready(accepted) = self.all[index].poll_accept(cx) {
                    self.first = (index + 1) % count;
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Accepts connections until `stop`, and runs `serve` for each in a task of `tasks`. It keeps the
/// connection's permit until the connection ends: their number is that of the `permits`.
///
/// The sockets of all addresses share the permits. One permit waits for the next connection to any of
/// them: with one for each socket, a socket without a connection would keep a permit from the others.
///
/// At `stop` connections may wait in the kernel: a proxy has connected, and has perhaps sent its request. They
/// are served too, as far as there are permits, since the end of the socket would reset them.
pub async fn accept<F, Fut>(
    mut listeners: BoundListeners,
    permits: Arc<Semaphore>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
    serve: F,
) where
    F: Fn(PeerStream, PeerAddress, OwnedSemaphorePermit) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let mut backoff = MIN_BACKOFF;
    let accepting = async {
        // The semaphore is never closed.
        while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
            match listeners.accept().await {
                Ok((stream, peer)) => {
                    backoff = MIN_BACKOFF;
                    // Without a future around it, which would hold the connection's twice.
                    tasks.spawn(serve(stream, peer, permit));
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
    for listener in listeners.all {
        accept_waiting(listener, &permits, |stream, peer, permit| {
            tasks.spawn(serve(stream, peer, permit));
        });
    }
}

/// Accepts the connections that wait at a socket, and closes it. At a socket of the service manager, those for
/// which there is no permit wait for the next process.
fn accept_waiting(
    listener: BoundListener,
    permits: &Arc<Semaphore>,
    serve: impl Fn(PeerStream, PeerAddress, OwnedSemaphorePermit),
) {
    let address = listener.to_string();
    let problem = match AcceptQueue::new(listener) {
        Ok(queue) => accept_all(&queue, permits, serve),
        Err(error) => Some(error.to_string()),
    };
    if let Some(problem) = problem {
        tracing::warn!(%address, problem, "connections that waited to be accepted may not be served");
    }
}

/// Accepts connections until none waits or no permit is left. Returns the last problem.
fn accept_all(
    queue: &AcceptQueue,
    permits: &Arc<Semaphore>,
    serve: impl Fn(PeerStream, PeerAddress, OwnedSemaphorePermit),
) -> Option<String> {
    let mut problem = None;
    // No more than that, whatever keeps connecting and whatever keeps failing.
    for _ in 0..permits.available_permits() {
        let Ok(permit) = Arc::clone(permits).try_acquire_owned() else {
            break;
        };
        match queue.accept() {
            Ok((stream, peer)) => serve(stream, peer, permit),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return problem,
            // Of one connection, which says nothing about the next.
            Err(error) if is_connection_error(&error) => {}
            Err(error) => problem = Some(error.to_string()),
        }
    }
    problem.or_else(|| Some("http.max_connections is reached".to_owned()))
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
