//! Limits on concurrent requests: per session, per client and per IPv6 /48. Hashed counters, RAII
//! permits.

use crate::model::{ClientIp, SessionId};
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU16, Ordering};

/// Maximum number of concurrent requests on one session, on this replica. Two devices have one
/// request each, or two each if a client gave up waiting for the first.
const MAX_PER_SESSION: u16 = 64;

/// Maximum number of concurrent requests of one client: room for both devices of every session that
/// it may have.
const MAX_PER_CLIENT: u16 = 256;

/// Maximum number of concurrent requests of one IPv6 /48: ten times a client's, as for all other
/// limits.
const MAX_PER_NETWORK: u16 = 2560;

/// Number of counters in one limiter. Fixed, so that no client can make it grow: 128 KiB.
///
/// Keys can share a counter by chance. The hash key is secret, so no client can choose a collision.
/// With ten thousand requests in flight there are six counters per request. That 64 of them share one
/// counter is not to be expected.
const COUNTERS: usize = 1 << 16;

/// The permits of one request.
#[derive(Debug)]
pub(crate) struct InFlightPermits<'a> {
    /// The client that sent the request.
    pub(crate) client: ClientIp,
    /// Whether clients are limited (`limits.enabled`).
    pub(crate) limits_client: bool,
    /// Of the session, the client and the network. `None` for what is not limited.
    permits: [Option<InFlightPermit<'a>>; 3],
}

impl InFlightPermits<'_> {
    /// Releases the permits: the request is no longer in flight.
    pub(crate) fn release(&mut self) {
        self.permits = [None, None, None];
    }
}

/// Which limit on concurrent requests is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InFlightExceeded {
    /// The session has 64 requests in flight.
    Session,
    /// The client has 256 requests in flight, or its IPv6 /48 has 2,560.
    Client,
}

/// The limits on concurrent requests of this replica.
#[derive(Debug)]
pub(crate) struct InFlightLimits {
    sessions: InFlightLimiter,
    clients: InFlightLimiter,
}

impl InFlightLimits {
    pub(crate) fn new() -> Self {
        Self {
            sessions: InFlightLimiter::new(),
            clients: InFlightLimiter::new(),
        }
    }

    /// Acquires the permits of one request. `limit_clients` is false if `limits.enabled` is false.
    ///
    /// # Errors
    /// [`InFlightExceeded`] if the session, the client or its network has its maximum in flight.
    pub(crate) fn try_acquire(
        &self,
        client: ClientIp,
        session: Option<SessionId>,
        limit_clients: bool,
    ) -> Result<InFlightPermits<'_>, InFlightExceeded> {
        let acquire_session = |session| {
            let permit = self.sessions.try_acquire(session, MAX_PER_SESSION);
            permit.ok_or(InFlightExceeded::Session)
        };
        let session_permit = session.map(acquire_session).transpose()?;
        let with_permits = |permits| InFlightPermits {
            client,
            limits_client: limit_clients,
            permits,
        };
        if !limit_clients {
            return Ok(with_permits([session_permit, None, None]));
        }
        let acquire = |key: ClientIp, kind: u8, max| {
            let permit = self.clients.try_acquire((kind, key), max);
            permit.ok_or(InFlightExceeded::Client)
        };
        let client_permit = acquire(client, 0, MAX_PER_CLIENT)?;
        let network = client.network();
        let network_permit = network.map(|network| acquire(network, 1, MAX_PER_NETWORK));
        let network_permit = network_permit.transpose()?;
        let permits = [session_permit, Some(client_permit), network_permit];
        Ok(with_permits(permits))
    }
}

/// Counts requests in flight per key, in fixed memory.
struct InFlightLimiter {
    hasher: RandomState,
    counters: Box<[AtomicU16]>,
}

/// The permit of one request. Dropping it decrements the counter.
#[derive(Debug)]
pub(crate) struct InFlightPermit<'a>(&'a AtomicU16);

impl InFlightLimiter {
    fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            counters: (0..COUNTERS).map(|_| AtomicU16::new(0)).collect(),
        }
    }

    /// Returns a permit, or `None` if `max` requests of this key are in flight.
    fn try_acquire(&self, key: impl Hash, max: u16) -> Option<InFlightPermit<'_>> {
        let counter = &self.counters[self.index(key)];
        if counter.fetch_add(1, Ordering::Relaxed) < max {
            return Some(InFlightPermit(counter));
        }
        counter.fetch_sub(1, Ordering::Relaxed);
        None
    }

    /// Returns the index of a key's counter.
    fn index(&self, key: impl Hash) -> usize {
        // The remainder fits `usize` on every platform.
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of COUNTERS")]
        let index = (self.hasher.hash_one(key) % COUNTERS as u64) as usize;
        index
    }
}

impl Drop for InFlightPermit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for InFlightLimiter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("InFlightLimiter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{InFlightExceeded, InFlightLimiter, InFlightLimits};
    use crate::model::{ClientIp, SessionId};
    use std::net::{IpAddr, Ipv6Addr};

    const MAX: u16 = 64;

    fn client(text: &str) -> ClientIp {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn sessions_have_separate_in_flight_limits() {
        let limiter = InFlightLimiter::new();
        let [one, other] = [(); 2].map(|()| SessionId::random());
        let mut permits: Vec<_> = (0..MAX).map(|_| limiter.try_acquire(one, MAX)).collect();
        assert!(permits.iter().all(Option::is_some));
        assert!(limiter.try_acquire(one, MAX).is_none());
        assert!(limiter.try_acquire(other, MAX).is_some());
        permits.pop();
        let last = limiter.try_acquire(one, MAX);
        assert!(last.is_some());
        assert!(
            limiter.try_acquire(one, MAX).is_none(),
            "a rejected request is not counted"
        );
    }

    #[test]
    fn session_has_64_requests_in_flight_of_any_client() {
        for limit_clients in [true, false] {
            let limits = InFlightLimits::new();
            let [one, other] = [(); 2].map(|()| Some(SessionId::random()));
            let acquire = |client, session| limits.try_acquire(client, session, limit_clients);
            let [anna, berta] = ["192.0.2.1", "192.0.2.2"].map(client);
            let mut permits: Vec<_> = (0..64)
                .map(|_| acquire(anna, one).expect("a permit"))
                .collect();
            assert!(permits.iter().all(|one| one.limits_client == limit_clients));
            let rejected = acquire(berta, one).err();
            assert_eq!(rejected, Some(InFlightExceeded::Session));
            assert!(acquire(berta, other).is_ok());
            // A request that waits for the store releases its permits and lives on.
            permits[0].release();
            permits.push(acquire(berta, one).expect("the permit that was released"));
            let rejected = acquire(berta, one).err();
            assert_eq!(rejected, Some(InFlightExceeded::Session));
        }
    }

    #[test]
    fn client_has_256_requests_in_flight() {
        let limits = InFlightLimits::new();
        let acquire = |text| limits.try_acquire(client(text), None, true);
        let permits: Vec<_> = (0..256).map(|_| acquire("192.0.2.1")).collect();
        assert!(permits.iter().all(Result::is_ok));
        let rejected = acquire("192.0.2.1").err();
        assert_eq!(rejected, Some(InFlightExceeded::Client));
        assert!(acquire("192.0.2.2").is_ok());
        drop(permits);
        assert!(acquire("192.0.2.1").is_ok());
    }

    #[test]
    fn ipv6_48_has_2560_requests_in_flight() {
        let limits = InFlightLimits::new();
        let acquire = |site: u16, subnet: u16| {
            let address = Ipv6Addr::new(0x2001, 0xdb8, site, subnet, 0, 0, 0, 1);
            limits.try_acquire(IpAddr::from(address).into(), None, true)
        };
        // The first /64 has the same bits as the /48.
        let permits: Vec<_> = (0..2560).map(|n| acquire(1, n / 256)).collect();
        assert!(permits.iter().all(Result::is_ok));
        let rejected = acquire(1, 0xffff).err();
        assert_eq!(rejected, Some(InFlightExceeded::Client));
        assert!(acquire(2, 0).is_ok());
    }

    #[test]
    fn unlimited_client_has_any_number_in_flight() {
        let limits = InFlightLimits::new();
        let acquire = || limits.try_acquire(client("2001:db8::1"), None, false);
        let permits: Vec<_> = (0..3000).map(|_| acquire()).collect();
        assert!(permits.iter().all(Result::is_ok));
    }

    #[test]
    fn counters_depend_on_a_secret() {
        let indexes = [(); 2].map(|()| {
            let limiter = InFlightLimiter::new();
            [0, 1, 2, 3].map(|key: u64| limiter.index(key))
        });
        assert_ne!(indexes[0], indexes[1]);
    }
}
