//! Builds the store that the configuration selects, and the limits that both stores share.

use super::context::AppContext;
use crate::lifecycle::BackgroundTask;
use crate::model::{KEY_ROTATION, PseudonymKey};
use crate::store::memory::MemoryStore;
use crate::store::redis::{RedisSettings, RedisStore};
use crate::store::{SessionLimits, StoreIdentity, StoreParts, StoreState};
use std::sync::Arc;
use tokio::sync::watch;
use uuid::Uuid;

fn session_limits(context: &AppContext) -> SessionLimits {
    SessionLimits::new(&context.config.session, Arc::clone(&context.shares))
}

/// The in-memory store, which is always ready, and the daily renewal of the pseudonym key, which Redis
/// does for a fleet.
pub(super) fn memory_store(context: &AppContext) -> StoreParts<MemoryStore> {
    let key = Arc::clone(&context.pseudonym_key);
    let renewal = async move {
        loop {
            tokio::time::sleep(KEY_ROTATION).await;
            key.set(PseudonymKey::random());
        }
    };
    let (_, state) = watch::channel(StoreState::Ready);
    // No other process changes its sessions.
    context.metrics.store_change_feed_up.set(1);
    StoreParts {
        store: MemoryStore::new(context.clock.clone(), session_limits(context)),
        state,
        problems: Arc::default(),
        // No other process has its sessions.
        identity: Arc::new(StoreIdentity::new(format!("memory {}", Uuid::new_v4()))),
        tasks: vec![BackgroundTask::new("pseudonym key renewal", renewal)],
    }
}

/// The Redis store, with the tasks that connect and check it.
pub(super) fn redis_store(
    context: &AppContext,
    settings: &RedisSettings,
) -> StoreParts<RedisStore> {
    RedisStore::build(
        settings,
        session_limits(context),
        context.clock.clone(),
        &context.metrics,
        Arc::clone(&context.pseudonym_key),
    )
}
