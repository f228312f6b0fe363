//! How many connections one client has open, so that nobody takes every place.

use crate::model::ClientIp;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections by client. It holds an entry for each client that has one open, so it is bounded by the
/// connections there may be, and shrinks with them.
#[derive(Debug)]
pub struct PerClient {
    limit: usize,
    open: Mutex<HashMap<ClientIp, usize>>,
}

/// A connection's place among its client's, until dropped.
#[derive(Debug)]
pub struct Place {
    among: Arc<PerClient>,
    client: ClientIp,
}

impl PerClient {
    /// Nobody has a connection yet, and each may have `limit`.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            open: Mutex::default(),
        }
    }

    /// A place for one more connection of a client, unless it has as many as it may.
    #[must_use]
    pub fn take(self: &Arc<Self>, client: ClientIp) -> Option<Place> {
        let mut open = self.open();
        let count = open.entry(client).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        let among = Arc::clone(self);
        Some(Place { among, client })
    }

    /// Nothing under the lock panics in the middle of a change. It is held for one look into a map, once as
    /// a connection begins and once as it ends, which both cost far more.
    fn open(&self) -> MutexGuard<'_, HashMap<ClientIp, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.among.open().entry(self.client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PerClient;
    use crate::model::ClientIp;
    use std::net::IpAddr;
    use std::sync::Arc;

    fn client(text: &str) -> ClientIp {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn each_client_has_its_places_and_a_place_comes_back() {
        let connections = Arc::new(PerClient::new(2));
        let take = |text| connections.take(client(text));
        let first = take("192.0.2.1").expect("a place");
        let _second = take("192.0.2.1").expect("a place");
        assert!(take("192.0.2.1").is_none());
        let _other = take("192.0.2.2").expect("another's place");
        drop(first);
        let _third = take("192.0.2.1").expect("the place that was given back");
        assert!(take("192.0.2.1").is_none());
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let connections = Arc::new(PerClient::new(1));
        let _place = connections.take(client("2001:db8::1")).expect("a place");
        assert!(connections.take(client("2001:db8::2")).is_none());
    }

    #[test]
    fn the_map_holds_those_alone_who_are_connected() {
        let connections = Arc::new(PerClient::new(1));
        for number in 0..100 {
            let client = client(&format!("192.0.2.{number}"));
            let place = connections.take(client);
            assert!(place.is_some() && connections.take(client).is_none());
            assert_eq!(connections.open().len(), 1);
        }
        assert!(connections.open().is_empty());
    }
}
