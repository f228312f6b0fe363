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
    taken: Mutex<HashMap<Whose, usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    Client(ClientIp),
    Network(ClientIp),
}

/// One of what a client has, until dropped.
#[derive(Debug)]
pub struct ClientPermit {
    among: Arc<ClientConcurrencyLimiter>,
    client: ClientIp,
}

impl ClientConcurrencyLimiter {
    /// Nobody has any, and each may have so many.
    #[must_use]
    pub fn new(per_client: usize, per_network: usize) -> Arc<Self> {
        Arc::new(Self {
            per_client,
            per_network,
            taken: Mutex::default(),
        })
    }

    /// One more for a client, unless it has as many as it may, or its network has.
    #[must_use]
    pub fn take(self: &Arc<Self>, client: ClientIp) -> Option<ClientPermit> {
        let mut taken = self.taken();
        let is_full = |(whose, most): (Whose, usize)| taken.get(&whose).is_some_and(|n| *n >= most);
        if self.of(client).any(is_full) {
            return None;
        }
        for (whose, _) in self.of(client) {
            *taken.entry(whose).or_default() += 1;
        }
        let among = Arc::clone(self);
        Some(ClientPermit { among, client })
    }

    fn of(&self, client: ClientIp) -> impl Iterator<Item = (Whose, usize)> + use<> {
        let network = client.network().map(Whose::Network);
        let own = (Whose::Client(client), self.per_client);
        let per_network = self.per_network;
        [own]
            .into_iter()
            .chain(network.map(|network| (network, per_network)))
    }

    /// Nothing under the lock panics in the middle of a change. It is held for a look into a map, once as something
    /// begins and once as it ends, which both cost far more.
    fn taken(&self) -> MutexGuard<'_, HashMap<Whose, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody is remembered.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.taken().is_empty()
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        let mut taken = self.among.taken();
        for (whose, _) in self.among.of(self.client) {
            if let Entry::Occupied(mut count) = taken.entry(whose) {
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
        let places = ClientConcurrencyLimiter::new(2, 20);
        let take = |text| places.take(client(text));
        let first = take("192.0.2.1").expect("a place");
        let _second = take("192.0.2.1").expect("a place");
        assert!(take("192.0.2.1").is_none());
        let _other = take("192.0.2.2").expect("another's place");
        drop(first);
        let _third = take("192.0.2.1").expect("the place that was given back");
        assert!(take("192.0.2.1").is_none());
    }

    #[test]
    fn a_64_is_one_client_and_a_48_has_so_many_in_all() {
        let places = ClientConcurrencyLimiter::new(2, 3);
        let take = |text| places.take(client(text));
        let mut kept = vec![
            take("2001:db8:1:1::1").expect("a place"),
            take("2001:db8:1:1::2").expect("a place"),
        ];
        assert!(take("2001:db8:1:1::3").is_none(), "the /64 has its two");
        kept.push(take("2001:db8:1:2::1").expect("another /64's"));
        assert!(take("2001:db8:1:3::1").is_none(), "the /48 has its three");
        kept.push(take("2001:db8:2:1::1").expect("another /48's"));
        kept.swap_remove(0);
        kept.push(take("2001:db8:1:3::1").expect("given back"));
        drop(kept);
        assert!(places.is_empty());
    }

    #[test]
    fn the_map_holds_those_alone_who_have_something() {
        let places = ClientConcurrencyLimiter::new(1, 1);
        for number in 0..100 {
            let client = client(&format!("2001:db8:{number}::"));
            let place = places.take(client);
            assert!(place.is_some() && places.take(client).is_none());
            assert_eq!(places.taken().len(), 2);
        }
        assert!(places.is_empty());
    }
}
