//! How long a connection lives: to its own end, or through the phases of a shutdown.

use crate::net::connection::Connections;
use crate::store::Store;
use std::io;
use std::pin::Pin;
use std::time::Duration;

/// Time that a client has to close its side after it has received every response.
const CLOSE_GRACE: Duration = Duration::from_secs(3);

impl<S: Store> Connections<S> {
    /// Runs a connection to its end.
    ///
    /// From the soft token on it shuts the connection down: at once if idle, else after the requests
    /// in flight. At the hard token, which never precedes the soft one, it cuts the connection and
    /// counts that. A connection that `is_finished` is not counted as cut, and is abandoned after
    /// [`CLOSE_GRACE`].
    pub(super) async fn run_to_completion<C>(
        &self,
        mut connection: Pin<&mut C>,
        graceful_shutdown: impl FnOnce(Pin<&mut C>),
        is_unused: impl Fn() -> bool,
        is_finished: impl Fn() -> bool,
    ) -> io::Result<()>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        if let Some(ended) = self.lifecycle.until_draining(connection.as_mut()).await {
            return ended.map_err(io::Error::other);
        }
        let shutdown = self.shut_down(connection, graceful_shutdown, is_unused, is_finished);
        Box::pin(shutdown).await
    }

    /// Runs a connection to its end while the process stops.
    async fn shut_down<C>(
        &self,
        mut connection: Pin<&mut C>,
        graceful_shutdown: impl FnOnce(Pin<&mut C>),
        is_unused: impl Fn() -> bool,
        is_finished: impl Fn() -> bool,
    ) -> io::Result<()>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        if is_unused()
            && let Some(ended) = self
                .lifecycle
                .await_first_request(connection.as_mut())
                .await
        {
            return ended.map_err(io::Error::other);
        }
        graceful_shutdown(connection.as_mut());
        let abandoned = async {
            loop {
                tokio::time::sleep(CLOSE_GRACE).await;
                if is_finished() {
                    return;
                }
            }
        };
        tokio::select! {
            ended = self.lifecycle.hard().run_until_cancelled(connection) => match ended {
                Some(ended) => ended.map_err(io::Error::other),
                None if is_finished() => Ok(()),
                None => {
                    self.lifecycle.count_cut();
                    Ok(())
                }
            },
            () = abandoned => Ok(()),
        }
    }
}
