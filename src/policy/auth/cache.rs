//! Caches the status of access tokens, keyed by the token's hash, for a time that depends on the
//! status.

use crate::clock::Clock;
use crate::policy::auth::outcome::{AuthError, TokenStatus};
use moka::future::Cache;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Cache TTL of an accepted token. A logged-out token keeps working for up to this long.
const ACCEPTED_TTL: Duration = Duration::from_mins(1);

/// Cache TTL of a rejected token: long enough that a client that retries in a loop costs nothing,
/// and shorter than anyone needs to sign in again.
const REJECTED_TTL: Duration = Duration::from_secs(5);

/// Capacity in tokens, of about 300 bytes each.
const CAPACITY: u64 = 10_000;

/// The outcome of a check, and the time at which it expires.
#[derive(Debug, Clone)]
struct CachedStatus {
    status: Result<TokenStatus, AuthError>,
    expires_at: Duration,
}

/// A bounded cache that coalesces concurrent checks of one token.
#[derive(Debug)]
pub(super) struct TokenCache {
    statuses: Cache<[u8; 32], CachedStatus>,
    clock: Clock,
}

impl TokenCache {
    /// Creates an empty cache.
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            statuses: Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_live(ACCEPTED_TTL)
                .build(),
            clock,
        }
    }

    /// Returns the outcome for a token, and whether it came from the cache. If not, `verify` was
    /// awaited; concurrent calls for one token await one check.
    pub(super) async fn get_or_verify(
        &self,
        token: &str,
        verify: impl Future<Output = Result<TokenStatus, AuthError>>,
    ) -> (Result<TokenStatus, AuthError>, bool) {
        // Only the hash is kept, so that tokens cannot be stolen from the cache.
        let key: [u8; 32] = Sha256::digest(token).into();
        let check = async { self.with_expiry(verify.await) };
        let has_expired = |known: &CachedStatus| known.expires_at <= self.clock.now();
        let entry = self.statuses.entry(key);
        let entry = entry.or_insert_with_if(check, has_expired).await;
        let is_cached = !entry.is_fresh();
        (entry.into_value().status, is_cached)
    }

    /// An error is not cached: its entry has expired when the next request looks it up.
    fn with_expiry(&self, status: Result<TokenStatus, AuthError>) -> CachedStatus {
        let ttl = match &status {
            Ok(TokenStatus::Accepted { expires, .. }) => expires.map_or(ACCEPTED_TTL, |expires| {
                self.time_until(expires).min(ACCEPTED_TTL)
            }),
            Ok(TokenStatus::Rejected { .. } | TokenStatus::Forbidden) => REJECTED_TTL,
            Err(_) => Duration::ZERO,
        };
        let expires_at = self.clock.now() + ttl;
        CachedStatus { status, expires_at }
    }

    /// Time until `expires`, in seconds since 1970. Zero if it has passed.
    fn time_until(&self, expires: u64) -> Duration {
        Duration::from_secs(expires).saturating_sub(self.clock.since_epoch())
    }
}
