//! The fleet's secret, by which principals are hashed, so that neither addresses nor user ids stand in Redis.
//!
//! It lies in Redis too, since all replicas must count one principal as one: whoever reads both can try every
//! address of IPv4. It is made anew each day, so that it tells of one day at most. A worker asks for it again each minute, and so two workers
//! may use different ones for that long: a principal then has two shares until their sessions end.

use crate::model::{KEY_ROTATION, Principal, PseudonymKey, SharedPseudonymKey};
use crate::store::StoreError;
use crate::store::redis::keys::{Keys, PrincipalKey};
use crate::store::redis::millis_argument;
use crate::store::redis::reply::ScriptReply;
use crate::store::redis::scripts::{Argument, Scripts};
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a worker goes by what it was told.
const REFRESH_INTERVAL: Duration = Duration::from_mins(1);

/// What this worker was told last.
#[derive(Debug)]
pub(super) struct PseudonymKeyCache {
    current: Arc<SharedPseudonymKey>,
    /// Whether it was told by Redis.
    is_from_redis: AtomicBool,
}

impl PseudonymKeyCache {
    pub(super) fn new(current: Arc<SharedPseudonymKey>) -> Self {
        Self {
            current,
            is_from_redis: AtomicBool::new(false),
        }
    }

    /// The secret that all replicas go by. Costs a round trip until it was told once.
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

    /// Keeps it current, for ever. One that cannot be asked for is gone by until it can.
    pub(super) async fn refresh_forever(&self, scripts: &Scripts, keys: &Keys) {
        loop {
            tokio::time::sleep(REFRESH_INTERVAL).await;
            if let Err(error) = self.fetch(scripts, keys).await {
                tracing::debug!(%error, "the fleet's secret could not be asked for");
            }
        }
    }

    /// Asks for it.
    pub(super) async fn fetch(&self, scripts: &Scripts, keys: &Keys) -> Result<(), StoreError> {
        self.current.set(fetch_or_create(scripts, keys).await?);
        self.is_from_redis.store(true, Ordering::Release);
        Ok(())
    }
}

/// Asks Redis, and offers one in case there is none.
async fn fetch_or_create(scripts: &Scripts, keys: &Keys) -> Result<PseudonymKey, StoreError> {
    let offer = PseudonymKey::random();
    let arguments = [
        Argument::Bytes(offer.as_bytes()),
        millis_argument(KEY_ROTATION),
    ];
    let parse = |reply: ScriptReply| match reply.status {
        'S' => reply.text(PseudonymKey::parse),
        _ => Err(StoreError::BadReply),
    };
    scripts
        .pseudonym_key(slice::from_ref(keys.pseudonym_key()), &arguments, parse)
        .await
}

/// What stands for a principal in Redis.
pub(super) fn principal_key(key: &PseudonymKey, principal: &Principal) -> PrincipalKey {
    let (kind, name) = principal.name();
    PrincipalKey::new(kind, &key.hash(kind, &name))
}
