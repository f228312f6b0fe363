//! How many questions are under way: in all, for one client, and for one network of IPv6.

use crate::limits::client_concurrency::{ClientConcurrencyLimiter, ClientPermit};
use crate::model::ClientIp;
use crate::policy::auth::AuthError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Questions under way in all. A homeserver's worker answers a few hundred a second, so this many are half a
/// second of its work.
const IN_ALL: usize = 64;

/// Questions under way or waiting for one client. A household behind one address signs in one device at a time.
const PER_CLIENT: usize = 8;

/// Questions under way or waiting for one network: a /48 has 65,536 clients, and must not take every place.
const PER_NETWORK: usize = 32;

/// The longest wait for a place. It is part of the time that a question has, and must leave most of that for the
/// answer; a homeserver that is well has answered all that were before us by then.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct VerifierLimiter {
    in_all: Semaphore,
    each: Arc<ClientConcurrencyLimiter>,
}

impl Default for VerifierLimiter {
    fn default() -> Self {
        Self {
            in_all: Semaphore::new(IN_ALL),
            each: ClientConcurrencyLimiter::new(PER_CLIENT, PER_NETWORK),
        }
    }
}

/// A question under way; dropped, its place is free again.
#[derive(Debug)]
pub(super) struct VerifierPermit<'a> {
    _of_all: SemaphorePermit<'a>,
    _of_each: ClientPermit,
}

impl VerifierLimiter {
    /// Waits for a place.
    ///
    /// # Errors
    /// [`AuthError::Busy`]: the client or its network has its share under way already, or there was no place in
    /// time.
    pub(super) async fn start(&self, client: ClientIp) -> Result<VerifierPermit<'_>, AuthError> {
        let of_each = self.each.take(client).ok_or(AuthError::Busy)?;
        let of_all = tokio::time::timeout(LONGEST_WAIT, self.in_all.acquire()).await;
        // It is closed by nobody.
        let of_all = of_all
            .map_err(|_| AuthError::Busy)?
            .map_err(|_| AuthError::Busy)?;
        Ok(VerifierPermit {
            _of_all: of_all,
            _of_each: of_each,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{IN_ALL, PER_CLIENT, PER_NETWORK, VerifierLimiter};
    use crate::model::ClientIp;
    use crate::policy::auth::AuthError;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn client(number: u32) -> ClientIp {
        ClientIp::from(IpAddr::from(Ipv4Addr::from(number)))
    }

    #[tokio::test(start_paused = true)]
    async fn one_client_has_its_share_and_no_more() {
        let flights = VerifierLimiter::default();
        let mut under_way = Vec::new();
        for _ in 0..PER_CLIENT {
            under_way.push(flights.start(client(1)).await.expect("a place"));
        }
        assert_eq!(flights.start(client(1)).await.err(), Some(AuthError::Busy));
        drop(flights.start(client(2)).await.expect("another's share"));
        under_way.pop();
        under_way.push(flights.start(client(1)).await.expect("free again"));
        drop(under_way);
        assert!(flights.each.is_empty(), "nobody is remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_of_many_clients_leaves_places_to_others() {
        let flights = VerifierLimiter::default();
        let of_48 = |site: u16, subnet: u16| {
            let address = Ipv6Addr::new(0x2001, 0xdb8, site, subnet, 0, 0, 0, 1);
            ClientIp::from(IpAddr::from(address))
        };
        let mut under_way = Vec::new();
        for subnet in 0..u16::try_from(PER_NETWORK).expect("few") {
            under_way.push(flights.start(of_48(1, subnet)).await.expect("a place"));
        }
        let one_more = flights.start(of_48(1, 0xffff)).await;
        assert_eq!(one_more.err(), Some(AuthError::Busy));
        drop(flights.start(of_48(2, 0)).await.expect("another network"));
        drop(flights.start(client(1)).await.expect("of no network"));
        drop(under_way);
        assert!(flights.each.is_empty(), "nobody is remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_waited_for_and_not_for_ever() {
        let flights = VerifierLimiter::default();
        let mut under_way = Vec::new();
        for number in 0..u32::try_from(IN_ALL).expect("few") {
            under_way.push(flights.start(client(number)).await.expect("a place"));
        }
        assert_eq!(
            flights.start(client(1000)).await.err(),
            Some(AuthError::Busy)
        );
        let (waited, ()) =
            tokio::join!(flights.start(client(1000)), async { drop(under_way.pop()) });
        assert!(waited.is_ok());
        drop(waited);
        drop(under_way);
        assert!(flights.each.is_empty(), "who gave up is not remembered");
    }
}
