//! The limit on requests that wait for the store (docs/protocol.md, R0.3): in total, per client and
//! per IPv6 /48. RAII permits.
//!
//! A waiting request keeps its connection, its body and a timer, so an outage must not collect them
//! without a bound. The limits per client are those of requests in flight: room for both devices of
//! every session that a client may have.

use crate::limits::client_concurrency::{ClientConcurrencyLimiter, ClientPermit};
use crate::model::ClientIp;
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Maximum number of waiting requests of one client, as in `in_flight`.
const MAX_PER_CLIENT: usize = 256;

/// Maximum number of waiting requests of one IPv6 /48, as in `in_flight`.
const MAX_PER_NETWORK: usize = 2560;

/// Counts the requests that wait for the store.
#[derive(Debug)]
pub(crate) struct StoreWaitLimiter {
    total: Semaphore,
    clients: Arc<ClientConcurrencyLimiter>,
}

/// The permit of one waiting request. Dropping it frees its place.
#[derive(Debug)]
pub(crate) struct StoreWaitPermit<'a> {
    _total: SemaphorePermit<'a>,
    /// `None` if clients are not limited.
    _client: Option<ClientPermit>,
}

impl StoreWaitLimiter {
    /// Creates a limiter for `max_waiting` requests in total.
    pub(crate) fn new(max_waiting: usize) -> Self {
        Self {
            total: Semaphore::new(max_waiting),
            clients: ClientConcurrencyLimiter::new(MAX_PER_CLIENT, MAX_PER_NETWORK),
        }
    }

    /// Returns a permit, or `None` if the total, the client or its network has its maximum.
    /// `limit_client` is false if `limits.enabled` is false.
    pub(crate) fn try_acquire(
        &self,
        client: ClientIp,
        limit_client: bool,
    ) -> Option<StoreWaitPermit<'_>> {
        let total = self.total.try_acquire().ok()?;
        let client = if limit_client {
            Some(self.clients.try_acquire(client)?)
        } else {
            None
        };
        Some(StoreWaitPermit {
            _total: total,
            _client: client,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::StoreWaitLimiter;
    use crate::model::ClientIp;
    use std::net::IpAddr;

    fn client(text: &str) -> ClientIp {
        text.parse::<IpAddr>().expect("an address").into()
    }

    // R0.3
    #[test]
    fn waiting_requests_are_limited_per_client_and_48() {
        let limiter = StoreWaitLimiter::new(10_000);
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
        let limiter = StoreWaitLimiter::new(300);
        let acquire = || limiter.try_acquire(client("192.0.2.1"), false);
        let permits: Vec<_> = (0..300).map(|_| acquire()).collect();
        assert!(permits.iter().all(Option::is_some));
        assert!(acquire().is_none());
    }

    // R0.3
    #[test]
    fn waiting_requests_are_limited_in_total() {
        let limiter = StoreWaitLimiter::new(2);
        let acquire = |limit_client| limiter.try_acquire(client("192.0.2.1"), limit_client);
        let permits = [acquire(false), acquire(true)];
        assert!(permits.iter().all(Option::is_some));
        assert!(acquire(false).is_none() && acquire(true).is_none());
        drop(permits);
        assert!(acquire(true).is_some(), "a rejected request holds nothing");
    }
}
