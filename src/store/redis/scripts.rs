//! Calls of the Lua scripts: one round trip, a checked reply, and a retry if it is harmless.
//!
//! `Scripts` has one method per script, declared by `calls!` below and named as its file in `lua/`.
//! `lua/lease.lua`, `lua/session.lua` and `lua/release.lua` are no scripts: they hold the functions
//! that two scripts share, and stand before the text of each.
//!
//! Every script is idempotent. So if the connection of a call breaks, the call is sent again within
//! the operation's deadline, and the client sees a slow success instead of a failed sign-in.

use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::redis::argument::{Argument, to_values};
use crate::store::redis::error_kind::{self, ErrorClass};
use crate::store::redis::reconnect::Reconnect;
use crate::store::redis::reply::ScriptReply;
use crate::telemetry::metrics::Metrics;
use bytes_utils::Str;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, LuaInterface};
use fred::types::{Key, Value};
use fred::util::sha1_hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Pause before the first retry of a call. Each further pause is longer by the same amount. A
/// failover or a slot migration takes longer than a round trip, and the operation's deadline ends
/// the retries.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Maximum number of tries of one call. With the pauses above they outlast the default deadline of
/// 800 ms. The bound matters if a longer deadline is configured.
const MAX_TRIES: u32 = 16;

/// A script and its SHA-1 digest, by which Redis finds it in its cache.
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
    /// Maximum duration of one call, all its tries together.
    deadline: Duration,
    metrics: Arc<Metrics>,
    /// The next nonce, which a reply echoes. It counts up, so no two calls of a process share one.
    nonce: AtomicU64,
    /// Number of replies. It distinguishes a slow Redis from a connection that has stopped
    /// answering.
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
    create_with_lease: Script,
    delete_with_lease: Script,
}

/// The counters at the start of a call, to see later whether its connection was dropped or answered
/// others.
struct CallStart {
    nonce: u64,
    dropped: u64,
    answered: u64,
}

/// A script made of these files in `lua/`.
macro_rules! script {
    ($($name:literal),+) => {
        Script::new(concat!($(include_str!(concat!("lua/", $name, ".lua"))),+))
    };
}

/// Declares one method per script, named as its file. `parse` turns the reply into a result. If it
/// returns `BadReply`, the reply is treated as one of another form.
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
        // The first nonce differs between processes, so that a reply held back by a proxy, or a
        // connection that changed hands, does not match by chance.
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
            create: script!("session", "create"),
            read: script!("read"),
            write: script!("write"),
            get_principals: script!("get_principals"),
            delete: script!("delete"),
            acquire_lease: script!("lease", "acquire_lease"),
            release_lease: script!("release", "release_lease"),
            count_live: script!("count_live"),
            pseudonym_key: script!("pseudonym_key"),
            create_with_lease: script!("lease", "session", "create_with_lease"),
            delete_with_lease: script!("release", "delete_with_lease"),
        }
    }

    /// The clock of the deadlines.
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
        pseudonym_key,
        create_with_lease,
        delete_with_lease
    );

    /// Runs a script, with retries within the deadline if the error is transient.
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
        // fred's own deadline, which is slightly shorter than this one, ends the first try. Only
        // retries need a timer.
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
            let class = error_kind::classify(&error);
            // A timeout leaves no time for another try.
            let is_last = matches!(class, ErrorClass::NoReply | ErrorClass::Rejected);
            if is_last || tries == MAX_TRIES {
                return Err(self.fail(&start, class, &error));
            }
            let no_script = class == ErrorClass::UnknownScript;
            // Boxed, so that a call without a retry does not hold the space for one.
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
            may_have_run_before |= class.may_have_executed();
        }
    }

    /// Sends a call, by EVALSHA or, with `use_eval`, by EVAL. EVAL also caches the script again,
    /// after Redis has restarted or got SCRIPT FLUSH.
    ///
    /// fred's future is 7 KB. Callers must await it where it is created: pinned, and never passed
    /// as an argument. A box would cost a copy of it. When it was moved through every layer, that
    /// once cost a third of a request.
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

    /// Counts a reply, and drops the connection if the reply does not fit its call.
    fn receive<T>(
        &self,
        start: &CallStart,
        result: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if matches!(result, Err(StoreError::BadReply)) {
            // If one reply belongs to another call, all that follow are shifted too.
            self.metrics.store_bad_replies.inc();
            self.reconnect
                .request(start.dropped, "a reply does not fit its call");
        }
        result
    }

    /// Turns the last error of a call into a store error. Drops a connection that has stopped
    /// answering.
    fn fail(&self, start: &CallStart, class: ErrorClass, error: &Error) -> StoreError {
        if class == ErrorClass::NoReply {
            // In a cluster other nodes answer while one does not, so there a timeout alone decides.
            let silent = self.answered.load(Ordering::Relaxed) == start.answered;
            if self.client.is_connected() && (silent || self.client.is_clustered()) {
                self.reconnect.request(start.dropped, "no reply arrived");
            }
        }
        class.into_store_error(error)
    }

    /// The reconnect requests, and the task that serves them.
    pub(super) fn reconnect(&self) -> Arc<Reconnect> {
        Arc::clone(&self.reconnect)
    }
}

impl Script {
    fn new(body: &'static str) -> Self {
        // Leaked once per process: every call clones it, and clones of a counted string would share
        // one counter.
        let sha = Str::from_static(sha1_hash(body).leak());
        Self { sha, body }
    }
}
