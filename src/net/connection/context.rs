//! The state that the requests of one connection share.

use crate::clock::Clock;
use crate::clock::lazy_timeout::LazyTimeout;
use crate::net::client_ip::Peer;
use crate::net::request_activity::RequestActivity;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The shared state of one connection.
#[derive(Debug)]
pub struct ConnectionContext {
    /// The other end of the connection.
    pub peer: Peer,
    /// Whether the connection uses TLS.
    pub uses_tls: bool,
    /// The requests of the connection.
    pub activity: Arc<RequestActivity>,
    /// The timeout of the last request, for the next one. Concurrent requests create their own.
    spare_timeout: Mutex<Option<LazyTimeout>>,
}

impl ConnectionContext {
    /// Creates the context of a new connection.
    #[must_use]
    pub fn new(peer: Peer, uses_tls: bool) -> Self {
        Self {
            peer,
            uses_tls,
            activity: Arc::default(),
            spare_timeout: Mutex::default(),
        }
    }

    /// Returns a timeout for a request.
    pub fn take_timeout(&self, clock: &Clock) -> LazyTimeout {
        let spare = self.lock_timeout().take();
        spare.unwrap_or_else(|| LazyTimeout::new(clock.clone()))
    }

    /// Keeps the timeout of a request for the next one.
    pub fn keep_timeout(&self, timeout: LazyTimeout) {
        *self.lock_timeout() = Some(timeout);
    }

    /// Ignores a poisoned lock: a panic leaves a timeout or none, and both are valid.
    fn lock_timeout(&self) -> MutexGuard<'_, Option<LazyTimeout>> {
        self.spare_timeout
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
