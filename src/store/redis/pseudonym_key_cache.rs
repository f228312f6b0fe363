//! The key by which principals are hashed, so that Redis holds neither addresses nor user ids.
//!
//! The key is in Redis too, since all replicas must hash a principal alike. Anyone who can read
//! both can try every IPv4 address. The key is replaced every day, so that a leaked key reveals one
//! day at most. Each replica fetches it once a minute, so two replicas may use different keys for
//! that long. A principal then has two shares until the sessions under the old key end.

use crate::model::{KEY_ROTATION, Principal, PseudonymKey, SharedPseudonymKey, StoredPrincipal};
use crate::store::StoreError;
use crate::store::redis::argument::Argument;
use crate::store::redis::keys::{Keys, PrincipalKey};
use crate::store::redis::reply::ScriptReply;
use crate::store::redis::scripts::Scripts;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Interval at which a replica fetches the key.
const REFRESH_INTERVAL: Duration = Duration::from_mins(1);

/// The key that this replica fetched last.
#[derive(Debug)]
pub(super) struct PseudonymKeyCache {
    current: Arc<SharedPseudonymKey>,
    /// Whether `current` came from Redis, and not from this process.
    is_from_redis: AtomicBool,
}

impl PseudonymKeyCache {
    pub(super) fn new(current: Arc<SharedPseudonymKey>) -> Self {
        Self {
            current,
            is_from_redis: AtomicBool::new(false),
        }
    }

    /// Returns the key that all replicas use. The first call costs a round trip.
    ///
    /// # Errors
    /// [`StoreError`] if the key was never fetched and cannot be fetched now.
    pub(super) async fn get(
        &self,
        scripts: &Scripts,
        keys: &Keys,
    ) -> Result<PseudonymKey, StoreError> {
        if !self.is_from_redis.load(Ordering::Acquire) {
            self.fetch(scripts, keys).await?;
        }
        Ok(self.current.get())
    }

    /// Refreshes the key every minute. If Redis is unreachable, the last known key stays in use.
    /// Never returns.
    pub(super) async fn refresh_forever(&self, scripts: &Scripts, keys: &Keys) {
        loop {
            tokio::time::sleep(REFRESH_INTERVAL).await;
            if let Err(error) = self.fetch(scripts, keys).await {
                tracing::debug!(%error, "failed to refresh the pseudonym key");
            }
        }
    }

    /// Fetches the key.
    ///
    /// # Errors
    /// [`StoreError`] if Redis did not return one.
    pub(super) async fn fetch(&self, scripts: &Scripts, keys: &Keys) -> Result<(), StoreError> {
        self.current.set(fetch_or_create(scripts, keys).await?);
        self.is_from_redis.store(true, Ordering::Release);
        Ok(())
    }
}

/// Fetches the key from Redis, with a new one to be stored if there is none.
async fn fetch_or_create(scripts: &Scripts, keys: &Keys) -> Result<PseudonymKey, StoreError> {
    let offer = PseudonymKey::random();
    let arguments = [
        Argument::Bytes(offer.as_bytes()),
        Argument::millis(KEY_ROTATION),
    ];
    let parse = |reply: ScriptReply| match reply.status {
        'S' => reply.text(PseudonymKey::parse),
        _ => Err(StoreError::BadReply),
    };
    scripts
        .pseudonym_key(slice::from_ref(keys.pseudonym_key()), &arguments, parse)
        .await
}

/// The name of a principal in Redis.
pub(super) fn principal_key(key: &PseudonymKey, principal: &Principal) -> PrincipalKey {
    let (kind, _) = principal.name();
    let stored = StoredPrincipal::Named(principal.clone());
    PrincipalKey::new(kind, &key.principal_hash(&stored))
}
