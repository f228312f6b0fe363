//! Waits until replicas have what a script wrote (`store.redis.wait_for_replicas`).
//!
//! `WAIT` refers to the last write of its own connection, and blocks that connection: a read behind it
//! would wait too. So each server has a second connection for it. After a script has answered, a
//! marker is written there, and WAIT for the marker is WAIT for everything written before it, also if
//! the script was a retry that wrote nothing. One WAIT covers all scripts that answered before its
//! marker was sent, so the wait does not become slower under load.

use crate::store::StoreError;
use crate::store::redis::error_kind::classify;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::ClientLike;
use fred::types::{ClusterHash, CustomCommand, Key, Value};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// How many replicas to wait for, and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplicationConfig {
    pub(super) replicas: NonZeroU32,
    pub(super) timeout: Duration,
}

/// Waits for the replicas of one server.
#[derive(Debug)]
pub(super) struct ReplicationWait {
    client: Client,
    config: ReplicationConfig,
    /// Number of scripts that have waited or wait.
    tickets: AtomicU64,
    last: Mutex<Round>,
}

/// One marker and its WAIT.
#[derive(Debug, Default)]
struct Round {
    /// The last ticket that it covers.
    covers: u64,
    result: Option<StoreError>,
}

impl ReplicationWait {
    /// `client` has a connection to the same process as the connection of the scripts, opened before
    /// the first script. It must not outlive that connection: after a restart, WAIT says nothing
    /// about scripts before it.
    pub(super) fn new(client: Client, config: ReplicationConfig) -> Self {
        Self {
            client,
            config,
            tickets: AtomicU64::new(0),
            last: Mutex::default(),
        }
    }

    /// Waits until the replicas have everything that scripts whose replies have arrived wrote. `key` is
    /// one of the script's; the marker is in its slot.
    ///
    /// # Errors
    /// [`StoreError`] if too few replicas acknowledge it in time. The script has run.
    pub(super) async fn wait(&self, key: &Key) -> Result<(), StoreError> {
        let ticket = self.tickets.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = self.last.lock().await;
        if last.covers < ticket {
            let covers = self.tickets.load(Ordering::SeqCst);
            let result = self.mark_and_wait(key).await;
            *last = Round {
                covers,
                result: result.err(),
            };
        }
        last.result.clone().map_or(Ok(()), Err)
    }

    async fn mark_and_wait(&self, key: &Key) -> Result<(), StoreError> {
        let acknowledged = self.run(key).await.map_err(|error| {
            // Not a lost connection of the script, which has run.
            match classify(&error).into_store_error(&error) {
                StoreError::ConnectionLost(reason) => StoreError::Unavailable(reason),
                other => other,
            }
        })?;
        let expected = self.config.replicas.get();
        if acknowledged < u64::from(expected) {
            return Err(StoreError::Unavailable(format!(
                "{acknowledged} of {expected} replicas have the write"
            )));
        }
        Ok(())
    }

    async fn run(&self, key: &Key) -> Result<u64, Error> {
        let mut marker = key.as_bytes().to_vec();
        marker.extend_from_slice(b":w");
        let pipeline = self.client.pipeline();
        let set = CustomCommand::new_static("SET", ClusterHash::Random, false);
        let words = [
            Value::Bytes(marker.into()),
            "1".into(),
            "PX".into(),
            1.into(),
        ];
        let _: () = pipeline.custom(set, words.to_vec()).await?;
        let wait = CustomCommand::new_static("WAIT", ClusterHash::Random, false);
        let millis = i64::try_from(self.config.timeout.as_millis()).unwrap_or(i64::MAX);
        let words = [
            Value::from(i64::from(self.config.replicas.get())),
            millis.into(),
        ];
        let _: () = pipeline.custom(wait, words.to_vec()).await?;
        let (_, acknowledged): (Value, u64) = pipeline.all().await?;
        Ok(acknowledged)
    }
}
