//! Concurrency limits per client and per IPv6 /48, for connections and token checks. Exact counts,
//! RAII permits.
//!
//! The map has an entry only for a client or network that holds a permit. So its size is bounded by
//! the total number of permits, and it shrinks as permits are dropped.

use crate::model::ClientIp;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts the permits of each client and each network, and holds the maximum of each.
#[derive(Debug)]
pub struct ClientConcurrencyLimiter {
    per_client: usize,
    per_network: usize,
    counts: Mutex<HashMap<ConcurrencyKey, usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ConcurrencyKey {
    Client(ClientIp),
    Network(ClientIp),
}

/// The permit of one client. Dropping it decrements the client's and the network's count.
#[derive(Debug)]
pub struct ClientPermit {
    limiter: Arc<ClientConcurrencyLimiter>,
    client: ClientIp,
}

impl ClientConcurrencyLimiter {
    /// Creates a limiter without permits, with the maximum number of permits of one client and of
    /// one IPv6 /48.
    #[must_use]
    pub fn new(per_client: usize, per_network: usize) -> Arc<Self> {
        Arc::new(Self {
            per_client,
            per_network,
            counts: Mutex::default(),
        })
    }

    /// Returns a permit, or `None` if the client or its network already holds its maximum.
    #[must_use]
    pub fn try_acquire(self: &Arc<Self>, client: ClientIp) -> Option<ClientPermit> {
        let mut counts = self.lock_counts();
        let is_full =
            |(key, max): (ConcurrencyKey, usize)| counts.get(&key).is_some_and(|n| *n >= max);
        if self.keys_and_limits(client).any(is_full) {
            return None;
        }
        for (key, _) in self.keys_and_limits(client) {
            *counts.entry(key).or_default() += 1;
        }
        let limiter = Arc::clone(self);
        Some(ClientPermit { limiter, client })
    }

    /// The counters of a client, each with its maximum: its own, and that of its /48 if it has an
    /// IPv6 address.
    fn keys_and_limits(
        &self,
        client: ClientIp,
    ) -> impl Iterator<Item = (ConcurrencyKey, usize)> + use<> {
        let network = client.network().map(ConcurrencyKey::Network);
        let own = (ConcurrencyKey::Client(client), self.per_client);
        let per_network = self.per_network;
        [own]
            .into_iter()
            .chain(network.map(|network| (network, per_network)))
    }

    /// Locks the counts. Poison is ignored: nothing under the lock panics in the middle of a
    /// change. The lock is held for a map look-up, once when a connection or token check begins and
    /// once when it ends; both cost far more.
    fn lock_counts(&self) -> MutexGuard<'_, HashMap<ConcurrencyKey, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no client holds a permit.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.lock_counts().is_empty()
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        let mut counts = self.limiter.lock_counts();
        for (key, _) in self.limiter.keys_and_limits(self.client) {
            if let Entry::Occupied(mut count) = counts.entry(key) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ClientConcurrencyLimiter;
    use crate::model::ClientIp;
    use std::net::IpAddr;

    fn client(text: &str) -> ClientIp {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn client_permits_are_limited_and_reusable() {
        let limiter = ClientConcurrencyLimiter::new(2, 20);
        let acquire = |text| limiter.try_acquire(client(text));
        let first = acquire("192.0.2.1").expect("a permit");
        let _second = acquire("192.0.2.1").expect("a permit");
        assert!(acquire("192.0.2.1").is_none());
        let _other = acquire("192.0.2.2").expect("another client's permit");
        drop(first);
        let _third = acquire("192.0.2.1").expect("the permit that was dropped");
        assert!(acquire("192.0.2.1").is_none());
    }

    #[test]
    fn ipv6_64_is_one_client_and_48_has_its_own_limit() {
        let limiter = ClientConcurrencyLimiter::new(2, 3);
        let acquire = |text| limiter.try_acquire(client(text));
        let mut permits = vec![
            acquire("2001:db8:1:1::1").expect("a permit"),
            acquire("2001:db8:1:1::2").expect("a permit"),
        ];
        assert!(acquire("2001:db8:1:1::3").is_none(), "the /64 has its two");
        permits.push(acquire("2001:db8:1:2::1").expect("another /64's"));
        assert!(
            acquire("2001:db8:1:3::1").is_none(),
            "the /48 has its three"
        );
        permits.push(acquire("2001:db8:2:1::1").expect("another /48's"));
        permits.swap_remove(0);
        permits.push(acquire("2001:db8:1:3::1").expect("the permit that was dropped"));
        drop(permits);
        assert!(limiter.is_empty());
    }

    #[test]
    fn map_has_entries_only_for_held_permits() {
        let limiter = ClientConcurrencyLimiter::new(1, 1);
        for number in 0..100 {
            let client = client(&format!("2001:db8:{number}::"));
            let permit = limiter.try_acquire(client);
            assert!(permit.is_some() && limiter.try_acquire(client).is_none());
            assert_eq!(limiter.lock_counts().len(), 2);
        }
        assert!(limiter.is_empty());
    }
}
