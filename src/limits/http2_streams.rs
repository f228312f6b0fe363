//! The limit on open HTTP/2 streams: in total, per client and per IPv6 /48. RAII permits.
//!
//! A client without TLS may multiplex, so the limit on its connections bounds neither its requests
//! nor the responses that it leaves unread. A stream counts as a connection of HTTP/1.1 does:
//! `http.max_connections_per_client`, ten times that per /48, and `http.max_connections` in total.

use crate::limits::client_concurrency::{ClientConcurrencyLimiter, ClientPermit};
use crate::model::ClientIp;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counts the open streams.
#[derive(Debug)]
pub struct StreamLimiter {
    total: Arc<Semaphore>,
    /// `None` if clients are not limited (`limits.enabled`).
    clients: Option<Arc<ClientConcurrencyLimiter>>,
}

/// The permit of one stream, from its request until its response was sent or dropped.
#[derive(Debug)]
pub struct StreamPermit {
    _total: OwnedSemaphorePermit,
    _client: Option<ClientPermit>,
}

impl StreamLimiter {
    /// Creates a limiter for `max_streams` in total.
    #[must_use]
    pub fn new(max_streams: usize, clients: Option<Arc<ClientConcurrencyLimiter>>) -> Self {
        let total = Arc::new(Semaphore::new(max_streams));
        Self { total, clients }
    }

    /// Returns a permit, or `None` if the total, the client or its network has its maximum. It
    /// costs two look-ups in a map under a lock, and no allocation for a client that has a permit.
    #[must_use]
    pub fn try_acquire(&self, client: ClientIp) -> Option<StreamPermit> {
        let client = match &self.clients {
            Some(clients) => Some(clients.try_acquire(client)?),
            None => None,
        };
        let total = Arc::clone(&self.total).try_acquire_owned().ok()?;
        Some(StreamPermit {
            _total: total,
            _client: client,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::StreamLimiter;
    use crate::limits::client_concurrency::ClientConcurrencyLimiter;
    use crate::model::ClientIp;
    use std::net::IpAddr;

    fn client(text: &str) -> ClientIp {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn streams_are_limited_per_client_and_in_total() {
        let limiter = StreamLimiter::new(3, Some(ClientConcurrencyLimiter::new(2, 20)));
        let acquire = |text| limiter.try_acquire(client(text));
        let first = acquire("192.0.2.1").expect("a permit");
        let _second = acquire("192.0.2.1").expect("a permit");
        assert!(acquire("192.0.2.1").is_none(), "the client has its two");
        let _other = acquire("192.0.2.2").expect("another client's permit");
        assert!(acquire("192.0.2.3").is_none(), "all three are taken");
        drop(first);
        let _third = acquire("192.0.2.3").expect("the permit that was dropped");
        assert!(acquire("192.0.2.1").is_none(), "all three are taken again");
    }

    #[test]
    fn streams_have_a_total_without_limits_per_client() {
        let limiter = StreamLimiter::new(3, None);
        let permits = [(); 3].map(|()| limiter.try_acquire(client("192.0.2.1")));
        assert!(permits.iter().all(Option::is_some));
        assert!(limiter.try_acquire(client("192.0.2.2")).is_none());
    }

    /// A refusal by the total leaves nothing in the client's count.
    #[test]
    fn refused_stream_holds_no_permit() {
        let clients = ClientConcurrencyLimiter::new(2, 20);
        let limiter = StreamLimiter::new(0, Some(clients.clone()));
        assert!(limiter.try_acquire(client("192.0.2.1")).is_none());
        assert!(clients.is_empty());
    }
}
