//! How many of something one client has at a time, and one network of IPv6: connections, questions about tokens.
//!
//! Whoever has something open has an entry, so it is bounded by what may be open in all, and shrinks with it.

use crate::model::ClientIp;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What each has, and may have.
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

/// One of what a client has, until dropped.
#[derive(Debug)]
pub struct ClientPermit {
    limiter: Arc<ClientConcurrencyLimiter>,
    client: ClientIp,
}

impl ClientConcurrencyLimiter {
    /// Nobody has any, and each may have so many.
    #[must_use]
    pub fn new(per_client: usize, per_network: usize) -> Arc<Self> {
        Arc::new(Self {
            per_client,
            per_network,
            counts: Mutex::default(),
        })
    }

    /// One more for a client, unless it has as many as it may, or its network has.
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

    /// Nothing under the lock panics in the middle of a change. It is held for a look into a map, once as something
    /// begins and once as it ends, which both cost far more.
    fn lock_counts(&self) -> MutexGuard<'_, HashMap<ConcurrencyKey, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody is remembered.
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
    fn each_client_has_its_places_and_a_place_comes_back() {
        let limiter = ClientConcurrencyLimiter::new(2, 20);
        let acquire = |text| limiter.try_acquire(client(text));
        let first = acquire("192.0.2.1").expect("a place");
        let _second = acquire("192.0.2.1").expect("a place");
        assert!(acquire("192.0.2.1").is_none());
        let _other = acquire("192.0.2.2").expect("another's place");
        drop(first);
        let _third = acquire("192.0.2.1").expect("the place that was given back");
        assert!(acquire("192.0.2.1").is_none());
    }

    #[test]
    fn a_64_is_one_client_and_a_48_has_so_many_in_all() {
        let limiter = ClientConcurrencyLimiter::new(2, 3);
        let acquire = |text| limiter.try_acquire(client(text));
        let mut permits = vec![
            acquire("2001:db8:1:1::1").expect("a place"),
            acquire("2001:db8:1:1::2").expect("a place"),
        ];
        assert!(acquire("2001:db8:1:1::3").is_none(), "the /64 has its two");
        permits.push(acquire("2001:db8:1:2::1").expect("another /64's"));
        assert!(
            acquire("2001:db8:1:3::1").is_none(),
            "the /48 has its three"
        );
        permits.push(acquire("2001:db8:2:1::1").expect("another /48's"));
        permits.swap_remove(0);
        permits.push(acquire("2001:db8:1:3::1").expect("given back"));
        drop(permits);
        assert!(limiter.is_empty());
    }

    #[test]
    fn the_map_holds_those_alone_who_have_something() {
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
