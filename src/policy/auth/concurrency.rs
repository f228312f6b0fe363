//! How many questions are under way: in all, for one client, and for one network of IPv6.

use crate::limits::client_concurrency::{ClientConcurrencyLimiter, ClientPermit};
use crate::model::ClientIp;
use crate::policy::auth::AuthError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Questions under way in all. A homeserver's worker answers a few hundred a second, so this many are half a
/// second of its work.
const MAX_CHECKS: usize = 64;

/// Questions under way or waiting for one client. A household behind one address signs in one device at a time.
const MAX_CHECKS_PER_CLIENT: usize = 8;

/// Questions under way or waiting for one network: a /48 has 65,536 clients, and must not take every place.
const MAX_CHECKS_PER_NETWORK: usize = 32;

/// The longest wait for a place. It is part of the time that a question has, and must leave most of that for the
/// answer; a homeserver that is well has answered all that were before us by then.
pub(super) const MAX_PERMIT_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct VerifierLimiter {
    total: Semaphore,
    per_client: Arc<ClientConcurrencyLimiter>,
}

impl Default for VerifierLimiter {
    fn default() -> Self {
        Self {
            total: Semaphore::new(MAX_CHECKS),
            per_client: ClientConcurrencyLimiter::new(
                MAX_CHECKS_PER_CLIENT,
                MAX_CHECKS_PER_NETWORK,
            ),
        }
    }
}

/// A question under way; dropped, its place is free again.
#[derive(Debug)]
pub(super) struct VerifierPermit<'a> {
    _total: SemaphorePermit<'a>,
    _client: ClientPermit,
}

impl VerifierLimiter {
    /// Waits for a place.
    ///
    /// # Errors
    /// [`AuthError::Busy`]: the client or its network has its share under way already, or there was no place in
    /// time.
    pub(super) async fn acquire(&self, client: ClientIp) -> Result<VerifierPermit<'_>, AuthError> {
        let client_permit = self.per_client.try_acquire(client).ok_or(AuthError::Busy)?;
        let total = tokio::time::timeout(MAX_PERMIT_WAIT, self.total.acquire()).await;
        // It is closed by nobody.
        let total = total
            .map_err(|_| AuthError::Busy)?
            .map_err(|_| AuthError::Busy)?;
        Ok(VerifierPermit {
            _total: total,
            _client: client_permit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_CHECKS, MAX_CHECKS_PER_CLIENT, MAX_CHECKS_PER_NETWORK, VerifierLimiter};
    use crate::model::ClientIp;
    use crate::policy::auth::AuthError;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn client(number: u32) -> ClientIp {
        ClientIp::from(IpAddr::from(Ipv4Addr::from(number)))
    }

    #[tokio::test(start_paused = true)]
    async fn one_client_has_its_share_and_no_more() {
        let limiter = VerifierLimiter::default();
        let mut under_way = Vec::new();
        for _ in 0..MAX_CHECKS_PER_CLIENT {
            under_way.push(limiter.acquire(client(1)).await.expect("a place"));
        }
        assert_eq!(
            limiter.acquire(client(1)).await.err(),
            Some(AuthError::Busy)
        );
        drop(limiter.acquire(client(2)).await.expect("another's share"));
        under_way.pop();
        under_way.push(limiter.acquire(client(1)).await.expect("free again"));
        drop(under_way);
        assert!(limiter.per_client.is_empty(), "nobody is remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_of_many_clients_leaves_places_to_others() {
        let limiter = VerifierLimiter::default();
        let of_48 = |site: u16, subnet: u16| {
            let address = Ipv6Addr::new(0x2001, 0xdb8, site, subnet, 0, 0, 0, 1);
            ClientIp::from(IpAddr::from(address))
        };
        let mut under_way = Vec::new();
        for subnet in 0..u16::try_from(MAX_CHECKS_PER_NETWORK).expect("few") {
            under_way.push(limiter.acquire(of_48(1, subnet)).await.expect("a place"));
        }
        let one_more = limiter.acquire(of_48(1, 0xffff)).await;
        assert_eq!(one_more.err(), Some(AuthError::Busy));
        drop(limiter.acquire(of_48(2, 0)).await.expect("another network"));
        drop(limiter.acquire(client(1)).await.expect("of no network"));
        drop(under_way);
        assert!(limiter.per_client.is_empty(), "nobody is remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_waited_for_and_not_for_ever() {
        let limiter = VerifierLimiter::default();
        let mut under_way = Vec::new();
        for number in 0..u32::try_from(MAX_CHECKS).expect("few") {
            under_way.push(limiter.acquire(client(number)).await.expect("a place"));
        }
        assert_eq!(
            limiter.acquire(client(1000)).await.err(),
            Some(AuthError::Busy)
        );
        let (waited, ()) = tokio::join!(limiter.acquire(client(1000)), async {
            drop(under_way.pop())
        });
        assert!(waited.is_ok());
        drop(waited);
        drop(under_way);
        assert!(
            limiter.per_client.is_empty(),
            "who gave up is not remembered"
        );
    }
}
