//! One connection to one server, which all calls to that server share.
//!
//! Measured on two cores with 50 clients, one connection was faster than two to eight, since
//! pipelining batches better. Nagle's algorithm stays on (docs/adr/0008-nagle-towards-redis.md).

use crate::store::redis::address::Address;
use crate::store::redis::call_permits::CallPermits;
use crate::store::redis::dial::Opened;
use crate::store::redis::error_kind::ErrorClass;
use crate::store::redis::replication::ReplicationWait;
use crate::store::redis::script::Script;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, LuaInterface};
use fred::types::{ClusterHash, CustomCommand, Key, Value};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    task: AbortHandle,
    address: Address,
    replication: Option<ReplicationWait>,
    permits: CallPermits,
    call_timeout: Duration,
    /// Number of replies. It distinguishes a slow Redis from a connection that has stopped
    /// answering.
    answered: AtomicU64,
    dropped: AtomicBool,
    has_ended: AtomicBool,
    end: Notify,
}

/// Ends the calls of a connection when it is dropped: fred leaves a call that comes while its task ends
/// in a queue that nothing reads.
#[derive(Debug)]
pub(super) struct EndOfCalls(pub(super) Arc<Connection>);

impl Drop for EndOfCalls {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::Release);
        self.0.end.notify_waiters();
    }
}

/// In which form to send a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptForm {
    /// Its digest (EVALSHA).
    Digest,
    /// Its text (EVAL), which also caches it again after Redis has restarted or got SCRIPT FLUSH.
    Text,
}

impl Connection {
    /// `call_timeout` is the time limit of a call that waits before it is sent. fred limits the others.
    pub(super) fn new(address: Address, opened: &Opened, call_timeout: Duration) -> Self {
        Self {
            client: opened.client.clone(),
            task: opened.task.abort_handle(),
            address,
            replication: opened.replication.as_ref().map(|(second, config)| {
                ReplicationWait::new(second.client.clone(), second.task.abort_handle(), *config)
            }),
            permits: CallPermits::new(),
            call_timeout,
            answered: AtomicU64::new(0),
            dropped: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            end: Notify::new(),
        }
    }

    /// The server.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// fred's client, for commands other than scripts.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Number of replies so far.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits for replicas; `None` if workers do not.
    pub(super) fn replication(&self) -> Option<&ReplicationWait> {
        self.replication.as_ref()
    }

    /// Counts a reply.
    pub(super) fn count_reply(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs a script. If too many calls are in flight, the call waits first; the wait and the call share
    /// the time limit. If the connection ends, the call ends too.
    ///
    /// fred's future is 7 KB. It is boxed here, so that a request whose read is held between two calls
    /// does not hold the space for it, and so that no caller moves it. When it was moved through
    /// every layer, that once cost a third of a request.
    ///
    /// # Errors
    /// Those of fred. [`ErrorKind::Timeout`] also if the call was not sent within the time limit.
    pub(super) async fn run(
        &self,
        script: &Script,
        form: ScriptForm,
        keys: Vec<Key>,
        arguments: Vec<Value>,
    ) -> Result<Value, Error> {
        let Some(_permit) = self.permits.try_acquire(script) else {
            // Boxed, so that a call that does not wait does not hold the space for it.
            return Box::pin(self.run_after_wait(script, form, keys, arguments)).await;
        };
        match form {
            ScriptForm::Digest => {
                let mut call = Box::pin(self.client.evalsha(script.sha(), keys, arguments));
                self.until_end(call.as_mut()).await
            }
            ScriptForm::Text => {
                let mut call = Box::pin(self.client.eval(script.body(), keys, arguments));
                self.until_end(call.as_mut()).await
            }
        }
    }

    /// Runs a script as soon as fewer calls are in flight.
    async fn run_after_wait(
        &self,
        script: &Script,
        form: ScriptForm,
        keys: Vec<Key>,
        arguments: Vec<Value>,
    ) -> Result<Value, Error> {
        let call = async {
            let _permit = self.permits.acquire(script).await;
            match form {
                ScriptForm::Digest => {
                    let call = self.client.evalsha(script.sha(), keys, arguments);
                    call.await
                }
                ScriptForm::Text => self.client.eval(script.body(), keys, arguments).await,
            }
        };
        let timed_out = |_| Err(Error::new(ErrorKind::Timeout, "no reply in time"));
        timeout(self.call_timeout, self.until_end(pin!(call)))
            .await
            .unwrap_or_else(timed_out)
    }

    /// Waits for a call or for the end of the connection, whichever comes first.
    async fn until_end(
        &self,
        call: Pin<&mut impl Future<Output = Result<Value, Error>>>,
    ) -> Result<Value, Error> {
        // Before the flag is read, so that no end is missed between the two. (A CancellationToken would
        // take a lock at each poll.)
        let end = self.end.notified();
        let ended = async {
            if !self.has_ended.load(Ordering::Acquire) {
                end.await;
            }
        };
        tokio::select! {
            biased;
            reply = call => reply,
            () = ended => Err(Error::new(ErrorKind::IO, "Connection closed")),
        }
    }

    /// Runs a script whose key is being imported to this server (ASK): after ASKING, in one
    /// pipeline, since ASKING applies to the next command of the connection.
    pub(super) async fn run_asking(
        &self,
        script: &Script,
        keys: Vec<Key>,
        arguments: Vec<Value>,
    ) -> Result<Value, Error> {
        let pipeline = self.client.pipeline();
        let asking = CustomCommand::new_static("ASKING", ClusterHash::Random, false);
        let _: () = pipeline.custom(asking, Vec::<Value>::new()).await?;
        // By its text: the server that imports the slot may not have the script yet.
        let eval = CustomCommand::new_static("EVAL", ClusterHash::Random, false);
        let count = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        let mut words = vec![Value::from(script.body()), Value::Integer(count)];
        words.extend(keys.into_iter().map(Value::from));
        words.extend(arguments);
        let _: () = pipeline.custom(eval, words).await?;
        self.until_end(pin!(pipeline.last())).await
    }

    /// Drops the connection: every call on it fails at once, and `node` opens another.
    pub(super) fn drop_because(&self, reason: &str) {
        if !self.dropped.swap(true, Ordering::Relaxed) {
            tracing::error!(address = %self.address, reason, "dropping the connection to Redis");
            self.task.abort();
        }
    }

    /// Counts an error that Redis sent. Drops the connection if there was no reply, and no call has
    /// had one since this call started.
    pub(super) fn note_error(&self, class: ErrorClass, answered_at_start: u64) {
        match class {
            ErrorClass::NoReply if self.answered() == answered_at_start => {
                self.drop_because("no reply arrived");
            }
            ErrorClass::NoReply | ErrorClass::ConnectionLost | ErrorClass::NotSent => {}
            ErrorClass::Redirected
            | ErrorClass::NotReady
            | ErrorClass::UnknownScript
            | ErrorClass::Rejected => self.count_reply(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Connection, EndOfCalls, ScriptForm};
    use crate::store::redis::address::Address;
    use crate::store::redis::dial::Opened;
    use crate::store::redis::script::Script;
    use fred::error::ErrorKind;
    use fred::types::Builder;
    use std::future::pending;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::time::timeout;
    use tokio_util::task::AbortOnDropHandle;

    /// A connection without a server. fred queues its calls, as it does while a client's task ends.
    fn unconnected() -> (Connection, Opened) {
        let opened = Opened {
            client: Builder::default_centralized().build().expect("a client"),
            task: AbortOnDropHandle::new(tokio::spawn(pending())),
            replication: None,
        };
        let address = Address::Tcp("redis".to_owned(), 6379);
        let connection = Connection::new(address, &opened, Duration::from_secs(1));
        (connection, opened)
    }

    /// The calls before it hold all permits, until the end of its time or nearly so.
    #[tokio::test(start_paused = true)]
    async fn waiting_call_ends_within_its_time_limit() {
        let (connection, _opened) = unconnected();
        let script = Script::new("return 1");
        let run = || connection.run(&script, ScriptForm::Digest, vec!["key".into()], vec![]);
        let mut permits = Vec::new();
        while let Some(permit) = connection.permits.try_acquire(&script) {
            permits.push(permit);
        }
        let error = run().await.expect_err("no permit");
        assert_eq!(*error.kind(), ErrorKind::Timeout);
        let sent = timeout(Duration::from_millis(1500), run());
        let (error, ()) = tokio::join!(sent, async {
            tokio::time::sleep(Duration::from_millis(900)).await;
            permits.pop();
        });
        let error = error.expect("an end").expect_err("no connection");
        assert_eq!(*error.kind(), ErrorKind::Timeout);
    }

    #[tokio::test]
    async fn queued_call_ends_with_its_connection() {
        let (connection, _opened) = unconnected();
        let connection = Arc::new(connection);
        let script = Script::new("return 1");
        let end_of_calls = EndOfCalls(Arc::clone(&connection));
        let call = connection.run(&script, ScriptForm::Digest, vec!["key".into()], vec![]);
        let call = timeout(Duration::from_secs(10), call);
        let (reply, ()) = tokio::join!(call, async { drop(end_of_calls) });
        let error = reply.expect("an end").expect_err("no connection");
        assert_eq!(*error.kind(), ErrorKind::IO);
        // A call that finds the connection ended.
        let late = connection.run(&script, ScriptForm::Text, vec!["key".into()], vec![]);
        let late = timeout(Duration::from_secs(10), late).await;
        late.expect("an end").expect_err("no connection");
    }
}
