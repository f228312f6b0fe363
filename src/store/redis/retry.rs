//! Retries of one call: after a lost connection, a redirection, or an error that passes.
//!
//! The caller's deadline bounds all tries together.

use crate::store::StoreError;
use crate::store::redis::argument::{Argument, to_values};
use crate::store::redis::connection::{Connection, ScriptForm};
use crate::store::redis::error_kind::{self, ErrorClass};
use crate::store::redis::script::Script;
use crate::store::redis::topology::{Redirect, Topology};
use fred::error::Error;
use fred::types::{Key, Value};
use std::sync::Arc;
use std::time::Duration;

/// Pause before the first retry of a call. Each further pause is longer by the same amount. A
/// failover or a slot migration takes longer than a round trip, and the operation's deadline ends
/// the retries.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Maximum number of redirections that a call follows at once. The next one waits as any other retry.
const MAX_REDIRECTS: u32 = 3;

/// Maximum number of tries of one call. With the pauses above they outlast the default deadline of
/// 800 ms. The bound matters if a longer deadline is configured.
const MAX_TRIES: u32 = 16;

/// One call, with what a retry needs again.
pub(super) struct Call<'a> {
    pub(super) script: &'a Script,
    pub(super) nonce: u64,
    pub(super) keys: &'a [Key],
    pub(super) arguments: &'a [Argument<'a>],
}

/// A reply, the connection that it came on, and whether an earlier try may have run.
pub(super) struct Replied {
    pub(super) value: Value,
    pub(super) connection: Arc<Connection>,
    pub(super) may_have_run_before: bool,
}

impl Call<'_> {
    /// Repeats a call until it gets a reply, an error that is not transient, or no more time; if the
    /// script is one to run once, also until a try may have run. `failed` is the first try; `None` if
    /// there was no connection.
    pub(super) async fn retry(
        &self,
        topology: &Topology,
        mut failed: Option<Failed>,
        left: Duration,
    ) -> Result<Replied, StoreError> {
        let mut may_have_run_before = false;
        let retries = async {
            let (mut tries, mut redirects) = (1, 0);
            loop {
                let Some(Failed {
                    class,
                    error,
                    connection,
                }) = &failed
                else {
                    topology.suspect();
                    let connection = topology.wait_for_connection(&self.keys[0]).await;
                    match self.send(connection, ScriptForm::Digest).await {
                        Ok(replied) => return Ok(replied),
                        Err(error) => failed = Some(error),
                    }
                    continue;
                };
                may_have_run_before |= class.may_have_executed();
                tries += 1;
                // A call without a reply has used all its time.
                let is_last = matches!(class, ErrorClass::NoReply | ErrorClass::Rejected)
                    || (may_have_run_before && self.script.runs_once());
                if is_last || tries > MAX_TRIES {
                    return Err(());
                }
                let again = match Redirect::parse(error, connection.address()) {
                    // A slot that moves back and forth, or views that differ, need a moment.
                    Some(redirect) if redirects < MAX_REDIRECTS => {
                        redirects += 1;
                        let connection = topology.follow(&redirect, &self.keys[0]).await;
                        if matches!(redirect, Redirect::Ask(_)) {
                            self.send_asking(connection).await
                        } else {
                            self.send(connection, ScriptForm::Digest).await
                        }
                    }
                    _ if *class == ErrorClass::UnknownScript => {
                        let connection = Arc::clone(connection);
                        self.send(connection, ScriptForm::Text).await
                    }
                    _ => {
                        redirects = 0;
                        topology.suspect();
                        tokio::time::sleep(RETRY_PAUSE * tries).await;
                        let connection = topology.wait_for_connection(&self.keys[0]).await;
                        self.send(connection, ScriptForm::Digest).await
                    }
                };
                match again {
                    Ok(replied) => return Ok(replied),
                    Err(error) => failed = Some(error),
                }
            }
        };
        match tokio::time::timeout(left, retries).await {
            Ok(Ok(replied)) => Ok(Replied {
                may_have_run_before,
                ..replied
            }),
            // The deadline came before the reply to EVAL. NOSCRIPT is no error of the call.
            Err(_)
                if failed
                    .as_ref()
                    .is_some_and(|failed| failed.class == ErrorClass::UnknownScript) =>
            {
                Err(StoreError::Timeout)
            }
            Ok(Err(())) | Err(_) => Err(failed.map_or_else(
                || StoreError::Unavailable("no connection".to_owned()),
                |failed| failed.class.into_store_error(&failed.error),
            )),
        }
    }

    async fn send(&self, connection: Arc<Connection>, form: ScriptForm) -> Result<Replied, Failed> {
        let answered = connection.answered();
        let (keys, values) = (self.keys.to_vec(), to_values(self.nonce, self.arguments));
        let outcome = connection.run(self.script, form, keys, values).await;
        Replied::from_outcome(outcome, connection, answered)
    }

    async fn send_asking(&self, connection: Arc<Connection>) -> Result<Replied, Failed> {
        let answered = connection.answered();
        let (keys, values) = (self.keys.to_vec(), to_values(self.nonce, self.arguments));
        let outcome = connection.run_asking(self.script, keys, values).await;
        Replied::from_outcome(outcome, connection, answered)
    }
}

/// A try that failed, and its connection.
pub(super) struct Failed {
    class: ErrorClass,
    error: Error,
    connection: Arc<Connection>,
}

impl Failed {
    pub(super) fn new(error: Error, connection: Arc<Connection>, answered_at_start: u64) -> Self {
        let class = error_kind::classify(&error);
        connection.note_error(class, answered_at_start);
        Self {
            class,
            error,
            connection,
        }
    }
}

impl Replied {
    fn from_outcome(
        outcome: Result<Value, Error>,
        connection: Arc<Connection>,
        answered_at_start: u64,
    ) -> Result<Self, Failed> {
        match outcome {
            Ok(value) => Ok(Self {
                value,
                connection,
                may_have_run_before: false,
            }),
            Err(error) => Err(Failed::new(error, connection, answered_at_start)),
        }
    }
}
