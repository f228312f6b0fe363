//! Calls of the Lua scripts: one round trip, a checked reply, and a second try where it is harmless.
//!
//! Every script is harmless when run twice, so a call whose connection broke is sent again within the
//! operation's deadline: the client then sees a slow success in place of a failed sign-in.

use crate::clock::Clock;
use crate::model::Payload;
use crate::store::StoreError;
use crate::store::redis::reconnect::Reconnect;
use crate::store::redis::reply::ScriptReply;
use crate::telemetry::metrics::Metrics;
use bytes::Bytes;
use bytes_utils::Str;
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
    sha: Str,
    body: &'static str,
}

/// The scripts and the connection they run on.
#[derive(Debug)]
pub(super) struct Scripts {
    client: Client,
    clock: Clock,
    /// How long one call may take, all its tries together.
    deadline: Duration,
    metrics: Arc<Metrics>,
    /// Echoed by each reply. Counts up, so no two calls of a process share one.
    nonce: AtomicU64,
    /// Counts replies, to tell a slow Redis from a connection that fell silent.
    answered: AtomicU64,
    reconnect: Arc<Reconnect>,
    create: Script,
    read: Script,
    write: Script,
    get_principals: Script,
    delete: Script,
    acquire_lease: Script,
    release_lease: Script,
    count_live: Script,
    pseudonym_key: Script,
}

/// One argument of a script. Borrowed, since a call that is sent again needs it again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Argument<'a> {
    /// Text or bytes, copied.
    Bytes(&'a [u8]),
    /// A payload, shared.
    Payload(&'a Payload),
    /// A number.
    Number(u64),
}

/// Where a call stands before it is start, to tell afterwards what happened to its connection.
struct CallStart {
    nonce: u64,
    dropped: u64,
    answered: u64,
}

/// Declares one method per script, named as its file. What the reply means, `read` says; where it says
/// `BadReply`, the reply is no more believed than one of another form.
macro_rules! calls {
    ($($name:ident),*) => {
        $(pub(super) async fn $name<T>(
            &self,
            keys: &[Key],
            arguments: &[Argument<'_>],
            parse: impl FnOnce(ScriptReply) -> Result<T, StoreError>,
        ) -> Result<T, StoreError> {
            self.call(&self.$name, keys, arguments, parse).await
        })*
    };
}

impl Scripts {
    pub(super) fn new(
        client: Client,
        clock: Clock,
        deadline: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        // The start of the nonces differs from process to process, so that a reply kept by a proxy or
        // a connection that changed hands does not fit by chance.
        let nonce = AtomicU64::new(uuid::Uuid::new_v4().as_u64_pair().0 >> 16);
        let reconnect = Arc::new(Reconnect::new(client.clone(), deadline));
        Self {
            client,
            clock,
            deadline,
            metrics,
            nonce,
            answered: AtomicU64::new(0),
            reconnect,
            create: Script::new(include_str!("lua/create.lua")),
            read: Script::new(include_str!("lua/read.lua")),
            write: Script::new(include_str!("lua/write.lua")),
            get_principals: Script::new(include_str!("lua/get_principals.lua")),
            delete: Script::new(include_str!("lua/delete.lua")),
            acquire_lease: Script::new(include_str!("lua/acquire_lease.lua")),
            release_lease: Script::new(include_str!("lua/release_lease.lua")),
            count_live: Script::new(include_str!("lua/count_live.lua")),
            pseudonym_key: Script::new(include_str!("lua/pseudonym_key.lua")),
        }
    }

    /// The clock that the deadlines go by.
    pub(super) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    calls!(
        create,
        read,
        write,
        get_principals,
        delete,
        acquire_lease,
        release_lease,
        count_live,
        pseudonym_key
    );

    /// Runs a script, again where that may help, within the deadline.
    async fn call<T>(
        &self,
        script: &Script,
        keys: &[Key],
        arguments: &[Argument<'_>],
        parse: impl FnOnce(ScriptReply) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let start = CallStart {
            nonce: self.nonce.fetch_add(1, Ordering::Relaxed),
            dropped: self.reconnect.generation(),
            answered: self.answered.load(Ordering::Relaxed),
        };
        let started_at = self.clock.now();
        // fred's own deadline, which is ours but for a moment, ends the first try; only a second one
        // needs another timer.
        let mut outcome = self.send(script, false, start.nonce, keys, arguments).await;
        let (mut tries, mut may_have_run_before) = (1, false);
        loop {
            let error = match outcome {
                Ok(value) => {
                    let reply = ScriptReply::parse(start.nonce, may_have_run_before, value);
                    return self.receive(&start, reply.and_then(parse));
                }
                Err(error) => error,
            };
            let no_script = is_unknown_script(&error);
            if tries == MAX_TRIES || !(no_script || is_transient(&error)) {
                return Err(self.fail(&start, &error));
            }
            // In a box, so that a call that needs no second try does not hold the room for one.
            let again = Box::pin(async {
                if !no_script {
                    tokio::time::sleep(RETRY_PAUSE * tries).await;
                }
                self.send(script, no_script, start.nonce, keys, arguments)
                    .await
            });
            let left = (started_at + self.deadline).saturating_sub(self.clock.now());
            outcome = tokio::time::timeout(left, again)
                .await
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "the last try")));
            tries += 1;
            may_have_run_before |= may_have_executed(&error);
        }
    }

    /// Sends a call, by the script's name or `whole`: EVAL also keeps it for the next call, where Redis has
    /// restarted or was told to forget (SCRIPT FLUSH). fred's future is 7 KB, so whoever awaits this
    /// keeps it where it is made: pinned, and never in an argument. A box would cost a copy of it; moved
    /// through every layer it once cost a third of a request.
    async fn send(
        &self,
        script: &Script,
        use_eval: bool,
        nonce: u64,
        keys: &[Key],
        arguments: &[Argument<'_>],
    ) -> Result<Value, Error> {
        let (keys, arguments) = (keys.to_vec(), to_values(nonce, arguments));
        if use_eval {
            self.client.eval(script.body, keys, arguments).await
        } else {
            let sha = script.sha.clone();
            self.client.evalsha(sha, keys, arguments).await
        }
    }

    fn receive<T>(
        &self,
        start: &CallStart,
        result: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if matches!(result, Err(StoreError::BadReply)) {
            // One reply that is not the call's own: all that follow are shifted too.
            self.metrics.store_bad_replies.inc();
            self.reconnect
                .request(start.dropped, "a reply does not fit its call");
        }
        result
    }

    fn fail(&self, start: &CallStart, error: &Error) -> StoreError {
        if !matches!(error.kind(), ErrorKind::Timeout) {
            return StoreError::Unavailable(error.to_string());
        }
        // In a cluster others answer while one is silent, so there the deadline alone tells.
        let silent = self.answered.load(Ordering::Relaxed) == start.answered;
        if self.client.is_connected() && (silent || self.client.is_clustered()) {
            self.reconnect.request(start.dropped, "no reply came");
        }
        StoreError::Timeout
    }

    /// The task that reconnects.
    pub(super) fn reconnect(&self) -> Arc<Reconnect> {
        Arc::clone(&self.reconnect)
    }
}

impl Script {
    fn new(body: &'static str) -> Self {
        // Leaked, once a process: each call clones it, and clones of what is counted share one counter.
        let sha = Str::from_static(sha1_hash(body).leak());
        Self { sha, body }
    }
}

/// The nonce, and what the script is told beside it.
fn to_values(nonce: u64, arguments: &[Argument<'_>]) -> Vec<Value> {
    let mut values = Vec::with_capacity(arguments.len() + 1);
    values.push(to_integer(nonce));
    values.extend(arguments.iter().map(|argument| match argument {
        Argument::Bytes(bytes) => Value::Bytes(Bytes::copy_from_slice(bytes)),
        Argument::Payload(payload) => Value::Bytes(payload.to_bytes()),
        Argument::Number(value) => to_integer(*value),
    }));
    values
}

/// Numbers of ours stay below 2^53, since Lua's are exact up to there.
fn to_integer(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Whether the script may have run all the same: the connection broke before its answer came.
fn may_have_executed(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::IO | ErrorKind::Canceled)
}

fn is_unknown_script(error: &Error) -> bool {
    error.details().starts_with("NOSCRIPT")
}

/// Whether another try may find the store well again: the connection broke, or Redis is loading,
/// failing over, or moving a slot.
fn is_transient(error: &Error) -> bool {
    const TRANSIENT: [&str; 5] = [
        "TRYAGAIN",
        "LOADING",
        "READONLY",
        "CLUSTERDOWN",
        "MASTERDOWN",
    ];
    may_have_executed(error)
        || matches!(error.kind(), ErrorKind::Routing | ErrorKind::Cluster)
        || TRANSIENT
            .iter()
            .any(|prefix| error.details().starts_with(prefix))
}
