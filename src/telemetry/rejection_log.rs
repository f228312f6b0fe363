//! Refusals by a limit in the log: a sample, and nobody named.
//!
//! The metrics count them all. One line a second for each reason shows an operator who it is (a pseudonym), without a
//! flood of refusals becoming a flood of lines, of which the access log has none either.

use crate::clock::Clock;
use crate::model::ClientIp;
use crate::model::Limit;
use crate::model::Rejection;
use crate::telemetry::access_log::RequestRecord;
use crate::telemetry::labels::ConnectionRefusal;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::pseudonym::Pseudonyms;
use crate::telemetry::unique_counter::UniqueCounter;
use std::time::Duration;

/// The sample.
#[derive(Debug)]
pub struct RejectionLog {
    pseudonyms: Pseudonyms,
    clock: Clock,
    /// For each reason one line a second.
    told: Vec<LogThrottle>,
    told_of_connections: Vec<LogThrottle>,
    clients: UniqueCounter,
}

impl RejectionLog {
    /// Nothing was told yet.
    #[must_use]
    pub fn new(pseudonyms: Pseudonyms, clock: Clock) -> Self {
        Self {
            pseudonyms,
            clock,
            told: seldom(Rejection::ALL),
            told_of_connections: seldom(ConnectionRefusal::ALL),
            clients: UniqueCounter::default(),
        }
    }

    /// Notes a refusal by a limit, which makes a line where this reason had none in this second.
    pub fn note(&self, reason: Rejection, access: &RequestRecord<'_>, replica: &str) {
        let client = access.client;
        let now = self.clock.now();
        self.clients.see(client, now);
        if !self.told[reason.index()].is_due(now) {
            return;
        }
        let client = self.pseudonyms.client(client);
        let session = access.session.map(|id| self.pseudonyms.session(id));
        tracing::info!(
            target: "refused",
            reason = reason.label(),
            client,
            api = access.api.label(),
            route = access.route.label(),
            session,
            request_id = access.request_id,
            replica,
            "a request, and perhaps others of this second"
        );
    }

    /// Notes a connection that was closed at once, likewise.
    pub fn note_connection(&self, reason: ConnectionRefusal, client: ClientIp) {
        let now = self.clock.now();
        self.clients.see(client, now);
        if self.told_of_connections[reason.index()].is_due(now) {
            let client = self.pseudonyms.client(client);
            tracing::info!(
                target: "refused",
                reason = reason.label(),
                client,
                "a connection, and perhaps others of this second"
            );
        }
    }

    /// About how many clients were refused something in this minute or in the last, whichever had more.
    #[must_use]
    pub fn clients(&self) -> u64 {
        self.clients.in_a_minute(self.clock.now())
    }
}

fn seldom<T>(reasons: &[T]) -> Vec<LogThrottle> {
    let each = |_| LogThrottle::each(Duration::from_secs(1));
    reasons.iter().map(each).collect()
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
