//! Limits the concurrent checks at one token verifier: in total, per client, and per IPv6 /48.

use crate::limits::client_concurrency::{ClientConcurrencyLimiter, ClientPermit};
use crate::model::ClientIp;
use crate::policy::auth::outcome::AuthError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Maximum number of checks in flight. A homeserver's worker answers a few hundred a second, so 64
/// are half a second of its work.
pub(crate) const MAX_CHECKS: usize = 64;

/// Checks of one client, in flight or waiting. The household behind one address signs in one device
/// at a time.
const MAX_CHECKS_PER_CLIENT: usize = 8;

/// Checks of one IPv6 /48, in flight or waiting. A /48 has 65,536 clients, and must not use up
/// every permit.
const MAX_CHECKS_PER_NETWORK: usize = 32;

/// The longest wait for a permit. It is part of the check's timeout, and must leave most of that to
/// the verifier. A healthy homeserver has answered all earlier checks by then.
pub(super) const MAX_PERMIT_WAIT: Duration = Duration::from_secs(1);

/// The limiter of one token verifier.
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

/// The permit of one check. Dropping it frees the place of the check.
#[derive(Debug)]
pub(super) struct VerifierPermit<'a> {
    _total: SemaphorePermit<'a>,
    _client: ClientPermit,
}

impl VerifierLimiter {
    /// Waits for a permit, up to [`MAX_PERMIT_WAIT`].
    ///
    /// # Errors
    /// [`AuthError::Busy`] if the client or its network has its maximum in flight, or if no permit
    /// was free in time.
    pub(super) async fn acquire(&self, client: ClientIp) -> Result<VerifierPermit<'_>, AuthError> {
        let client_permit = self.per_client.try_acquire(client).ok_or(AuthError::Busy)?;
        let total = tokio::time::timeout(MAX_PERMIT_WAIT, self.total.acquire()).await;
        // An error of `acquire` does not occur: the semaphore is never closed.
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
    use crate::policy::auth::outcome::AuthError;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn client(number: u32) -> ClientIp {
        ClientIp::from(IpAddr::from(Ipv4Addr::from(number)))
    }

    #[tokio::test(start_paused = true)]
    async fn client_limit_does_not_affect_other_clients() {
        let limiter = VerifierLimiter::default();
        let mut permits = Vec::new();
        for _ in 0..MAX_CHECKS_PER_CLIENT {
            permits.push(limiter.acquire(client(1)).await.expect("a permit"));
        }
        assert_eq!(
            limiter.acquire(client(1)).await.err(),
            Some(AuthError::Busy)
        );
        drop(limiter.acquire(client(2)).await.expect("another client's"));
        permits.pop();
        permits.push(limiter.acquire(client(1)).await.expect("free again"));
        drop(permits);
        assert!(limiter.per_client.is_empty(), "every count is removed");
    }

    #[tokio::test(start_paused = true)]
    async fn network_limit_leaves_permits_to_other_networks() {
        let limiter = VerifierLimiter::default();
        let of_48 = |site: u16, subnet: u16| {
            let address = Ipv6Addr::new(0x2001, 0xdb8, site, subnet, 0, 0, 0, 1);
            ClientIp::from(IpAddr::from(address))
        };
        let mut permits = Vec::new();
        for subnet in 0..u16::try_from(MAX_CHECKS_PER_NETWORK).expect("few") {
            permits.push(limiter.acquire(of_48(1, subnet)).await.expect("a permit"));
        }
        let one_more = limiter.acquire(of_48(1, 0xffff)).await;
        assert_eq!(one_more.err(), Some(AuthError::Busy));
        drop(limiter.acquire(of_48(2, 0)).await.expect("another network"));
        drop(limiter.acquire(client(1)).await.expect("of no network"));
        drop(permits);
        assert!(limiter.per_client.is_empty(), "every count is removed");
    }

    #[tokio::test(start_paused = true)]
    async fn wait_for_a_permit_is_bounded() {
        let limiter = VerifierLimiter::default();
        let mut permits = Vec::new();
        for number in 0..u32::try_from(MAX_CHECKS).expect("few") {
            permits.push(limiter.acquire(client(number)).await.expect("a permit"));
        }
        assert_eq!(
            limiter.acquire(client(1000)).await.err(),
            Some(AuthError::Busy)
        );
        let (waited, ()) =
            tokio::join!(limiter.acquire(client(1000)), async { drop(permits.pop()) });
        assert!(waited.is_ok());
        drop(waited);
        drop(permits);
        assert!(
            limiter.per_client.is_empty(),
            "the count of a timed-out wait is removed"
        );
    }
}
