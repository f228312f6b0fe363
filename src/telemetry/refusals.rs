//! Refusals by a limit in the log: a sample, and nobody named.
//!
//! The metrics count them all. One line a second for each reason shows an operator who it is, without a flood
//! of refusals becoming a flood of lines, of which the access log has none either; "who" is a keyed hash of the client, the same on all replicas for
//! a day, so that lines about one client can be told from lines about another.

use crate::clock::Clock;
use crate::model::{ClientIp, CurrentSecret};
use crate::telemetry::labels::{Api, ConnectionRefusal, Route};
use crate::telemetry::limit::Limit;
use crate::telemetry::rejection::Rejection;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a pseudonym, of which base64 makes 12 characters: enough to tell clients apart.
const PSEUDONYM: usize = 9;

/// What kind of name a pseudonym stands for: another one than in the store, so that a log and a store that both
/// leak cannot be laid side by side.
const KIND: char = 'l';

/// The sample.
#[derive(Debug)]
pub struct Refusals {
    secret: Arc<CurrentSecret>,
    clock: Clock,
    /// For each reason the second of its last line, by the clock, plus one.
    told: Vec<AtomicU64>,
    told_of_connections: Vec<AtomicU64>,
}

impl Refusals {
    /// Nothing was told yet.
    #[must_use]
    pub fn new(secret: Arc<CurrentSecret>, clock: Clock) -> Self {
        Self {
            secret,
            clock,
            told: never(Rejection::ALL),
            told_of_connections: never(ConnectionRefusal::ALL),
        }
    }

    /// Notes a refusal, which makes a line where it is by a limit, and this reason had none in this second.
    pub fn note(&self, reason: Rejection, client: ClientIp, api: Api, route: Route) {
        if !is_by_a_limit(reason) {
            return;
        }
        if !self.is_due(&self.told[reason.index()]) {
            return;
        }
        let client = self.pseudonym(client);
        tracing::info!(
            target: "refused",
            reason = reason.label(),
            client,
            api = api.label(),
            route = route.label(),
            "a request, and perhaps others of this second"
        );
    }
}

impl Refusals {
    /// Notes a connection that was closed at once, likewise.
    pub fn note_connection(&self, reason: ConnectionRefusal, client: ClientIp) {
        if self.is_due(&self.told_of_connections[reason.index()]) {
            let client = self.pseudonym(client);
            tracing::info!(
                target: "refused",
                reason = reason.label(),
                client,
                "a connection, and perhaps others of this second"
            );
        }
    }

    /// Whether this second has had no such line yet; it has now.
    fn is_due(&self, told: &AtomicU64) -> bool {
        let second = self.clock.now().as_secs() + 1;
        told.load(Ordering::Relaxed) != second && told.swap(second, Ordering::Relaxed) != second
    }

    fn pseudonym(&self, client: ClientIp) -> String {
        let hash = self.secret.get().hash(KIND, &client.octets());
        URL_SAFE_NO_PAD.encode(&hash[..PSEUDONYM])
    }
}

fn never<T>(reasons: &[T]) -> Vec<AtomicU64> {
    reasons.iter().map(|_| AtomicU64::new(0)).collect()
}

/// Others are a client's mistakes, or ours: the access log has each of them, and none of these.
#[must_use]
pub fn is_by_a_limit(reason: Rejection) -> bool {
    use Rejection as R;
    let of_a_session = matches!(
        reason,
        R::SessionBusy | R::ClientBusy | R::TxnsFull | R::WritesFull
    );
    of_a_session || Limit::ALL.iter().any(|limit| R::from(*limit) == reason)
}
