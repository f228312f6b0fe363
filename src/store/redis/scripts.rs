//! Calls of the Lua scripts: one round trip, a checked reply, and a second try where it is harmless.
//!
//! Every script is harmless when run twice, so a call whose connection broke is sent again within the
//! operation's deadline: the client then sees a slow success in place of a failed sign-in.

use crate::store::StoreError;
use crate::telemetry::metrics::Metrics;
use bytes::Bytes;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, LuaInterface};
use fred::types::{Key, Value};
use fred::util::sha1_hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Pause before a call is sent again, growing by itself each time: a failover or a moving slot takes
/// longer than a round trip, and the operation's deadline ends the tries.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Tries of one call. At the pauses above they outlast the deadline's default of 800 ms; the bound is
/// for deadlines that are configured longer.
const MAX_TRIES: u32 = 16;

#[derive(Debug)]
struct Script {
    sha: &'static str,
    body: &'static str,
    /// Strings in its reply after the nonce and the letter.
    fields: usize,
}

/// The scripts and the connection they run on.
#[derive(Debug)]
pub(super) struct Scripts {
    client: Client,
    metrics: Arc<Metrics>,
    /// Echoed by each reply. Counts up, so no two calls of a process share one.
    nonce: AtomicU64,
    /// Counts replies, to tell a slow Redis from a connection that fell silent.
    answered: AtomicU64,
    /// Counts connections that were dropped by us, so that each is dropped once, however many calls
    /// were waiting on it.
    dropped: AtomicU64,
    create: Script,
    read: Script,
    write: Script,
    delete: Script,
    take: Script,
    release: Script,
    live: Script,
}

/// A reply of the right form to the right call.
#[derive(Debug)]
pub(super) struct Reply {
    letter: char,
    /// Whether the call was sent more than once, so that an earlier run may be what it found.
    pub(super) sent_again: bool,
    fields: Vec<Bytes>,
}

impl Reply {
    pub(super) fn letter(&self) -> char {
        self.letter
    }

    /// A field's bytes. The number of fields was checked when the reply was read.
    pub(super) fn field(&self, index: usize) -> &Bytes {
        &self.fields[index]
    }
}

/// Declares one method per script, named as its file.
macro_rules! calls {
    ($($name:ident),*) => {
        $(pub(super) async fn $name(&self, key: Key, arguments: Vec<Value>) -> Result<Reply, StoreError> {
            self.call(&self.$name, key, arguments).await
        })*
    };
}

impl Scripts {
    pub(super) fn new(client: Client, metrics: Arc<Metrics>) -> Self {
        // The start of the nonces differs from process to process, so that a reply kept by a proxy or
        // a connection that changed hands does not fit by chance.
        let nonce = AtomicU64::new(uuid::Uuid::new_v4().as_u64_pair().0 >> 16);
        Self {
            client,
            metrics,
            nonce,
            answered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            create: Script::new(include_str!("lua/create.lua"), 1),
            read: Script::new(include_str!("lua/read.lua"), 3),
            write: Script::new(include_str!("lua/write.lua"), 1),
            delete: Script::new(include_str!("lua/delete.lua"), 0),
            take: Script::new(include_str!("lua/take.lua"), 1),
            release: Script::new(include_str!("lua/release.lua"), 0),
            live: Script::new(include_str!("lua/live.lua"), 1),
        }
    }

    calls!(create, read, write, delete, take, release, live);

    async fn call(
        &self,
        script: &Script,
        key: Key,
        mut arguments: Vec<Value>,
    ) -> Result<Reply, StoreError> {
        let nonce = self.nonce.fetch_add(1, Ordering::Relaxed).to_string();
        arguments.insert(0, Value::String(nonce.as_str().into()));
        let connection = self.dropped.load(Ordering::Relaxed);
        let answered = self.answered.load(Ordering::Relaxed);
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.send(script, &key, &arguments).await {
                Ok(value) => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    if let Some((letter, fields)) = parse(script, &nonce, value) {
                        return Ok(Reply {
                            letter,
                            sent_again: tries > 1,
                            fields,
                        });
                    }
                    // One reply that is not the call's own: all that follow are shifted too.
                    self.metrics.store_bad_replies.inc();
                    self.drop_connection(connection, "a reply does not fit its call")
                        .await;
                    return Err(StoreError::BadReply);
                }
                Err(error) => error,
            };
            if matches!(error.kind(), ErrorKind::Timeout) {
                // In a cluster others answer while one is silent, so there the deadline alone tells.
                let silent = self.answered.load(Ordering::Relaxed) == answered;
                if self.client.is_connected() && (silent || self.client.is_clustered()) {
                    self.drop_connection(connection, "no reply came").await;
                }
                return Err(StoreError::Timeout);
            }
            if tries == MAX_TRIES || !is_passing(&error) {
                return Err(StoreError::Unavailable(error.to_string()));
            }
            tokio::time::sleep(RETRY_PAUSE * tries).await;
        }
    }

    /// fred's futures are boxed: each is 7 KB, and every layer above would hold and move as much.
    async fn send(&self, script: &Script, key: &Key, arguments: &[Value]) -> Result<Value, Error> {
        let sent = self
            .client
            .evalsha(script.sha, key.clone(), arguments.to_vec());
        match Box::pin(sent).await {
            // After a restart or a SCRIPT FLUSH; EVAL runs the script and keeps it for the next call.
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                let sent = self
                    .client
                    .eval(script.body, key.clone(), arguments.to_vec());
                Box::pin(sent).await
            }
            sent => sent,
        }
    }

    /// Drops the connection that a call was sent on, unless that was done since.
    ///
    /// fred's own watch for unresponsive connections counts from the last write, and so never fires
    /// on a busy one.
    async fn drop_connection(&self, seen: u64, reason: &str) {
        let order = Ordering::Relaxed;
        if self
            .dropped
            .compare_exchange(seen, seen + 1, order, order)
            .is_err()
        {
            return;
        }
        tracing::error!(reason, "dropping the connection to Redis");
        if let Err(error) = Box::pin(self.client.force_reconnection()).await {
            tracing::warn!(%error, "the connection could not be dropped");
        }
    }
}

impl Script {
    fn new(body: &'static str, fields: usize) -> Self {
        // Seven short strings that live as long as the process.
        let sha = Box::leak(sha1_hash(body).into_boxed_str());
        Self { sha, body, fields }
    }
}

/// A reply's letter and fields, where it is of the right form and to the right call.
fn parse(script: &Script, nonce: &str, value: Value) -> Option<(char, Vec<Bytes>)> {
    let Value::Array(values) = value else {
        return None;
    };
    if values.len() != script.fields + 2 {
        return None;
    }
    let mut strings = values.into_iter().map(|value| match value {
        Value::String(text) => Some(text.into_inner()),
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    });
    let echoed = strings.next()??;
    let letter = strings.next()??;
    if echoed != nonce.as_bytes() || letter.len() != 1 {
        return None;
    }
    Some((char::from(letter[0]), strings.collect::<Option<_>>()?))
}

/// Whether another try may find the store well again: the connection broke, or Redis is loading,
/// failing over, or moving a slot.
fn is_passing(error: &Error) -> bool {
    const PASSING: [&str; 5] = [
        "TRYAGAIN",
        "LOADING",
        "READONLY",
        "CLUSTERDOWN",
        "MASTERDOWN",
    ];
    matches!(
        error.kind(),
        ErrorKind::IO | ErrorKind::Canceled | ErrorKind::Routing | ErrorKind::Cluster
    ) || PASSING
        .iter()
        .any(|prefix| error.details().starts_with(prefix))
}
