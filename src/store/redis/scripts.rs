//! Calls of the Lua scripts: one round trip, a checked reply, and a retry if it is harmless.
//!
//! `Scripts` has one method per script, declared by `calls!` below and named as its file in `lua/`.
//! The other files in `lua/` are parts that two scripts share.
//!
//! Scripts that create a session or its lease run once: they are not sent again after a try that may
//! have run. That try may still be under way, and would create the session anew after its deletion.
//! `create_delete` repeats the creation under another id. Every other script is idempotent. So if the
//! connection of a call breaks, the call is sent again within the operation's deadline, and the
//! client sees a slow success instead of a failed sign-in.

use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::redis::argument::{Argument, to_values};
use crate::store::redis::connection::ScriptForm;
use crate::store::redis::reply::ScriptReply;
use crate::store::redis::retry::{Call, Failed, Replied};
use crate::store::redis::script::Script;
use crate::store::redis::topology::Topology;
use crate::telemetry::metrics::Metrics;
use fred::types::Key;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The scripts and the connection they run on.
#[derive(Debug)]
pub(super) struct Scripts {
    topology: Topology,
    clock: Clock,
    /// Maximum duration of one call, all its tries together.
    deadline: Duration,
    metrics: Arc<Metrics>,
    /// The next nonce, which a reply echoes. It counts up, so no two calls of a process share one.
    nonce: AtomicU64,
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

/// A script made of these files in `lua/`.
macro_rules! script {
    ($($name:literal),+) => {
        Script::new(text!($($name),+))
    };
}

macro_rules! text {
    ($($name:literal),+) => {
        concat!($(include_str!(concat!("lua/", $name, ".lua"))),+)
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
        topology: Topology,
        clock: Clock,
        deadline: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        // The first nonce differs between processes, so that a reply held back by a proxy, or a
        // connection that changed hands, does not match by chance.
        let nonce = AtomicU64::new(uuid::Uuid::new_v4().as_u64_pair().0 >> 16);
        Self {
            topology,
            clock,
            deadline,
            metrics,
            nonce,
            create: Script::run_once(text!("create_session", "create", "reply_created"))
                .acknowledging("C"),
            read: script!("read"),
            // A conflict acknowledges nothing, but its txnId is recorded.
            write: script!("write").acknowledging("WRPC"),
            get_principals: script!("get_principals"),
            delete: script!("delete").acknowledging("DG"),
            acquire_lease: Script::run_once(text!("check_lease", "add_lease", "acquire_lease")),
            release_lease: script!("release", "release_lease"),
            count_live: script!("count_live"),
            // It is the write probe too, which must fail as a creation does.
            pseudonym_key: script!("pseudonym_key").acknowledging("S"),
            create_with_lease: Script::run_once(text!(
                "check_lease",
                "create_session",
                "add_lease",
                "create_with_lease",
                "reply_created"
            ))
            .acknowledging("C"),
            delete_with_lease: script!("release", "delete_with_lease").acknowledging("DG"),
        }
    }

    /// The clock of the deadlines.
    pub(super) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// The servers that the scripts run on.
    pub(super) fn topology(&self) -> &Topology {
        &self.topology
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
        let call = Call {
            script,
            nonce: self.nonce.fetch_add(1, Ordering::Relaxed),
            keys,
            arguments,
        };
        let started_at = self.clock.now();
        // fred's own deadline, which is slightly shorter than this one, ends the first try. Only
        // retries need a timer.
        let first = match self.topology.connection(&keys[0]) {
            Some(connection) => {
                let answered = connection.answered();
                let values = to_values(call.nonce, arguments);
                let (keys, form) = (keys.to_vec(), ScriptForm::Digest);
                match connection.run(script, form, keys, values).await {
                    Ok(value) => {
                        let replied = Replied {
                            value,
                            connection,
                            may_have_run_before: false,
                        };
                        return self.receive(&call, replied, started_at, parse).await;
                    }
                    Err(error) => Some(Failed::new(error, connection, answered)),
                }
            }
            None => None,
        };
        // Boxed, so that a call without a retry does not hold the space for one.
        let left = (started_at + self.deadline).saturating_sub(self.clock.now());
        let replied = Box::pin(call.retry(&self.topology, first, left)).await?;
        self.receive(&call, replied, started_at, parse).await
    }

    /// Counts a reply, and drops the connection if the reply does not fit its call. Waits for replicas
    /// if they must have what the reply acknowledges.
    async fn receive<T>(
        &self,
        call: &Call<'_>,
        replied: Replied,
        started_at: Duration,
        parse: impl FnOnce(ScriptReply) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let Replied {
            value,
            connection,
            may_have_run_before,
        } = replied;
        connection.count_reply();
        let reply = ScriptReply::parse(call.nonce, may_have_run_before, value);
        let is_change = reply
            .as_ref()
            .is_ok_and(|reply| call.script.acknowledges(reply.status));
        let result = reply.and_then(parse);
        if matches!(result, Err(StoreError::BadReply)) {
            // If one reply belongs to another call, all that follow are shifted too.
            self.metrics.store_bad_replies.inc();
            connection.drop_because("a reply does not fit its call");
        }
        if let (true, Ok(_), Some(replication)) = (is_change, &result, connection.replication()) {
            let left = (started_at + self.deadline).saturating_sub(self.clock.now());
            // Boxed, so that a call without this does not hold the space for it.
            let wait = Box::pin(replication.wait(&call.keys[0]));
            tokio::time::timeout(left, wait)
                .await
                .unwrap_or(Err(StoreError::Timeout))?;
        }
        result
    }
}
