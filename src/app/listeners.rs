//! The sockets of both listeners: those that the service manager has passed, or else the addresses of the
//! configuration.

use super::RunError;
use super::context::AppContext;
use crate::config::listen::ListenAddresses;
use crate::net::bind::bind;
use crate::net::listener::BoundListeners;
use crate::net::passed_sockets::PassedSockets;
use crate::net::passed_sockets::error::{PassedSocketError, PassedSocketFailure};

impl AppContext {
    /// Returns the sockets of the listeners for clients and for operators.
    ///
    /// # Errors
    /// [`RunError::Listen`] if an address cannot be bound, [`RunError::PassedSocket`] if a passed socket
    /// cannot be used.
    pub(super) async fn bind_listeners(
        &self,
        mut sockets: PassedSockets,
    ) -> Result<(BoundListeners, BoundListeners), RunError> {
        sockets.warn_if_ignored();
        let http = &self.config.http;
        // `config` checks this for the addresses of `http.listen`, which may be Unix sockets alone.
        if http.proxy_protocol && http.trusted_proxies.is_empty() && sockets.has_tcp("http") {
            return Err(PassedSocketError::new("http", PassedSocketFailure::UntrustedPeers).into());
        }
        let clients = listen("http", &http.listen, &mut sockets).await?;
        let operators = listen("admin", &self.config.admin_listen, &mut sockets).await?;
        Ok((clients, operators))
    }
}

async fn listen(
    listener: &'static str,
    configured: &ListenAddresses,
    sockets: &mut PassedSockets,
) -> Result<BoundListeners, RunError> {
    if let Some(passed) = sockets.listen(listener)? {
        tracing::info!("{listener}.listen is not used: the service manager has passed sockets");
        return Ok(passed);
    }
    let bound = bind(listener, configured.iter()).await;
    bound.map_err(|error| RunError::Listen { listener, error })
}
