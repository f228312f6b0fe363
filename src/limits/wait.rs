//! A limit on requests that wait: for the store (docs/protocol.md, R0.3) or for a change of a session
//! (R2.48). In total, per client and per IPv6 /48. RAII permits.
//!
//! A waiting request keeps its connection, its body and a timer, so they must not collect without a
//! bound.

use crate::limits::client_concurrency::{ClientConcurrencyLimiter, ClientPermit};
use crate::model::ClientIp;
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Maximum of one IPv6 /48, in maxima of a client, as for all other limits.
const CLIENTS_PER_NETWORK: usize = 10;

/// Counts the requests that wait for one thing.
#[derive(Debug)]
pub(crate) struct WaitLimiter {
    total: Semaphore,
    clients: Arc<ClientConcurrencyLimiter>,
}

/// The permit of one waiting request. Dropping it frees its place.
#[derive(Debug)]
pub(crate) struct WaitPermit<'a> {
    _total: SemaphorePermit<'a>,
    /// `None` if clients are not limited.
    _client: Option<ClientPermit>,
}

impl WaitLimiter {
    /// Creates a limiter for `max_waiting` requests in total, and `max_per_client` of one client.
    pub(crate) fn new(max_waiting: usize, max_per_client: usize) -> Self {
        let max_per_network = CLIENTS_PER_NETWORK * max_per_client;
        Self {
            total: Semaphore::new(max_waiting),
            clients: ClientConcurrencyLimiter::new(max_per_client, max_per_network),
        }
    }

    /// Returns a permit, or `None` if the total, the client or its network has its maximum.
    /// `limit_client` is false if `limits.enabled` is false.
    pub(crate) fn try_acquire(
        &self,
        client: ClientIp,
        limit_client: bool,
    ) -> Option<WaitPermit<'_>> {
        let total = self.total.try_acquire().ok()?;
        let client = if limit_client {
            Some(self.clients.try_acquire(client)?)
        } else {
            None
        };
        Some(WaitPermit {
            _total: total,
            _client: client,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::WaitLimiter;
    use crate::model::ClientIp;
    use std::net::IpAddr;

    fn client(text: &str) -> ClientIp {
        text.parse::<IpAddr>().expect("an address").into()
    }

    // R0.3
    #[test]
    fn waiting_requests_are_limited_per_client_and_48() {
        let limiter = WaitLimiter::new(10_000, 256);
        let mut permits: Vec<_> = (0..256)
            .map(|_| limiter.try_acquire(client("192.0.2.1"), true))
            .collect();
        assert!(permits.iter().all(Option::is_some));
        assert!(limiter.try_acquire(client("192.0.2.1"), true).is_none());
        assert!(limiter.try_acquire(client("192.0.2.2"), true).is_some());
        permits.pop();
        assert!(limiter.try_acquire(client("192.0.2.1"), true).is_some());

        let networks = (0..10).map(|n| client(&format!("2001:db8:0:{n}::")));
        let network: Vec<_> = networks
            .flat_map(|client| (0..256).map(move |_| client))
            .map(|client| limiter.try_acquire(client, true))
            .collect();
        assert!(network.iter().all(Option::is_some));
        let [same, other] = ["2001:db8:0:a::", "2001:db8:1:a::"].map(client);
        assert!(
            limiter.try_acquire(same, true).is_none(),
            "the /48 has 2560"
        );
        assert!(limiter.try_acquire(other, true).is_some());
    }

    // R0.3
    #[test]
    fn unlimited_clients_wait_up_to_the_total() {
        let limiter = WaitLimiter::new(300, 256);
        let acquire = || limiter.try_acquire(client("192.0.2.1"), false);
        let permits: Vec<_> = (0..300).map(|_| acquire()).collect();
        assert!(permits.iter().all(Option::is_some));
        assert!(acquire().is_none());
    }

    // R0.3
    #[test]
    fn waiting_requests_are_limited_in_total() {
        let limiter = WaitLimiter::new(2, 256);
        let acquire = |limit_client| limiter.try_acquire(client("192.0.2.1"), limit_client);
        let permits = [acquire(false), acquire(true)];
        assert!(permits.iter().all(Option::is_some));
        assert!(acquire(false).is_none() && acquire(true).is_none());
        drop(permits);
        assert!(acquire(true).is_some(), "a rejected request holds nothing");
    }
}
