//! Sign-ins through the fault: pairs of devices that sign in again and again.
//!
//! Half of the pairs speak the ETag dialect. Half of them retry a poll or a write after 503 or a
//! broken connection; the others end the sign-in, as the released clients do. No client retries a
//! creation: a person scans another code.

use crate::client::{Client, RETRY_PAUSE, Session};
use crate::progress::{Progress, lock};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use testkit::dialect::{Dialect, Update};
use testkit::history::{Operation, Outcome};
use testkit::sign_in::{Messenger, Pace, exchange_messages, message};
use tokio::time::{Instant, sleep};

/// Faster than people, so that a sign-in takes some seconds and spans the fault.
const PACE: Pace = Pace {
    poll: Duration::from_millis(150),
    think: Duration::from_millis(250),
};

/// How long a client retries one request.
const RETRY_LIMIT: Duration = Duration::from_secs(30);

/// Time between a refused creation and the next attempt.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(100);

/// Starts the sign-ins of one pair, and returns when enough were created, some of them after the
/// fault.
pub async fn run_pair(number: usize, progress: Arc<Progress>, workers: Vec<SocketAddr>) {
    let dialect = if number.is_multiple_of(2) {
        Dialect::Etag
    } else {
        Dialect::Json
    };
    let retries = (number / 2).is_multiple_of(2);
    let counters = progress.sign_ins_of(retries);
    // Otherwise all pairs would be in the same phase.
    sleep(Duration::from_millis(number as u64 * 40)).await;
    let mut since_the_fault = 0;
    for attempt in 0_usize.. {
        let is_over = progress.strike().is_some();
        if progress.is_stopped() || since_the_fault > 0 && progress.created() >= progress.sign_ins {
            return;
        }
        let name = format!("sign-in {number}/{attempt} ({dialect:?})");
        let client = |name: &str| {
            let first = number + attempt;
            Client::new(name.to_owned(), dialect, &progress, &workers, first)
        };
        let mut creator = client("first device");
        let Some(session) = creator.create(&name, &message(&name, 0)).await else {
            sleep(PAUSE_AFTER_REFUSAL).await;
            continue;
        };
        counters.created.add();
        since_the_fault += usize::from(is_over);
        let device = |client, known: &str| SignInDevice {
            client,
            session: session.clone(),
            known: known.to_owned(),
            retries,
        };
        let mut one = device(creator, &session.token);
        let mut two = device(client("second device"), "");
        let first = exchange_messages(&mut one, &name, "", 1, PACE);
        let second = exchange_messages(&mut two, &name, "", 0, PACE);
        match tokio::try_join!(first, second) {
            Ok(_) => {
                counters.completed.add();
                if dialect == Dialect::Etag {
                    progress.completed_with_etag.add();
                }
            }
            Err(failure) => lock(&counters.lost).push(format!("{name}: {failure}")),
        }
    }
}

/// A device of a sign-in.
struct SignInDevice {
    client: Client,
    session: Session,
    /// The token of the payload that it has read or written last; empty at first.
    known: String,
    retries: bool,
}

impl SignInDevice {
    /// Sends a request, once or until its outcome is known.
    async fn call(&mut self, operation: Operation) -> Outcome {
        let deadline = Instant::now() + RETRY_LIMIT;
        loop {
            let outcome = self.client.call(&self.session, operation.clone()).await;
            let may_retry = self.retries && Instant::now() < deadline;
            if outcome != Outcome::Unknown || !may_retry {
                return outcome;
            }
            sleep(RETRY_PAUSE).await;
        }
    }
}

/// The path is that of the session which the device has.
impl Messenger for SignInDevice {
    async fn poll(&mut self, _path: &str) -> Result<Option<Update>, String> {
        let has_tags = self.client.dialect == Dialect::Etag && !self.known.is_empty();
        let known = has_tags.then(|| self.known.clone());
        match self.call(Operation::Read { known }).await {
            Outcome::Unchanged => Ok(None),
            Outcome::Found { token, .. } if token == self.known => Ok(None),
            Outcome::Found { token, data } => {
                self.known.clone_from(&token);
                Ok(Some(Update { token, data }))
            }
            other => Err(format!("poll: {other}")),
        }
    }

    async fn write(&mut self, _path: &str, data: &str) -> Result<(), String> {
        let write = Operation::Write {
            compare: self.known.clone(),
            data: data.to_owned(),
            txn: None,
        };
        match self.call(write).await {
            Outcome::Written { token } => {
                self.known = token;
                Ok(())
            }
            other => Err(format!("write: {other}")),
        }
    }
}
