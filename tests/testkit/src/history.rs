//! Records the calls on one session, and checks that a session of the protocol could have answered
//! them: a compare-and-swap register that expires, and that recognises retries.
//!
//! For runs that break Redis while clients work. Each client records when it sends a request, when
//! its response arrives, and what the response says. [`check`] then searches for an order of the
//! calls that explains every response: each call takes effect at one moment between its begin and
//! its end (linearizability). A call without a usable response (503, a broken connection, a timeout)
//! may have taken effect at any time after its begin, or never.
//!
//! A server may send a request to its store twice (R0.3), so a write that is answered with 404 or with
//! a conflict may have been applied just before: the session was deleted since, or has forgotten the
//! write after five others (R1.23). For the same reason a delete may be a success although the session
//! was gone already.
//!
//! The rules are those of `docs/protocol.md`: R1.15 (no token comes back), R1.19 to R1.30 (which
//! writes are applied, recognised or refused), R0.7 and R0.22 (404 only if the session is deleted or
//! its lifetime is over).
//!
//! The search is Wing and Gong's, with the visited states remembered (Lowe). It is this module's own
//! and not stateright's `LinearizabilityTester`, for these reasons:
//! - stateright gives a call of unknown outcome one response, by the specification. Here the token
//!   that such a write produced is unknown until a later response shows it, so the search must try
//!   several.
//! - It has no time, only an order. Here a session expires, no earlier than its lifetime.
//! - It remembers no visited state and copies the remaining history at each step, so its time is
//!   exponential in the calls that overlap. A raced session has dozens of unknown outcome, which
//!   overlap everything after them.
//!
//! The search trusts no knowledge of how the server makes tokens. It only learns from the responses
//! which tokens exist, and with which data.

mod outcome;
mod recorder;
mod register;
mod report;
mod search;
mod steps;
mod symbols;
#[cfg(test)]
mod tests;

pub use outcome::outcome_of;
pub use recorder::{OpenCall, Recorder};
pub use report::Violation;
pub use search::check;

use std::time::Duration;

/// A request on a session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operation {
    /// POST.
    Create {
        /// The first payload.
        data: String,
    },
    /// GET.
    Read {
        /// The token in `If-None-Match`, if there is one.
        known: Option<String>,
    },
    /// PUT.
    Write {
        /// The token that the write expects to be current.
        compare: String,
        /// The payload.
        data: String,
        /// The txnId, if there is one.
        txn: Option<String>,
    },
    /// DELETE.
    Delete,
}

/// What a response says about the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The session was created.
    Created {
        /// Its first token.
        token: String,
    },
    /// A read returned the payload.
    Found {
        /// The current token.
        token: String,
        /// The payload.
        data: String,
    },
    /// The token of the read is the current one (304).
    Unchanged,
    /// The write is a success.
    Written {
        /// The token that it returned.
        token: String,
    },
    /// The write is a conflict (409, 412).
    Conflict {
        /// The current token, if the response has it.
        current: Option<String>,
    },
    /// The session was deleted.
    Deleted,
    /// The session does not exist (404).
    Gone,
    /// The request was refused before it could have an effect (400, 403, 413, 429).
    Rejected,
    /// Whether the request had an effect is unknown (503, no response).
    Unknown,
    /// A success that the protocol does not allow here. The check always fails.
    Malformed {
        /// The status code.
        status: u16,
    },
}

/// A request and its response.
#[derive(Debug, Clone)]
pub struct Call {
    /// The client that sent it, for reports.
    pub client: String,
    /// The request.
    pub operation: Operation,
    /// When it was sent, since the start of the run.
    pub begin: Duration,
    /// When its response was complete, since the start of the run. Ignored if the outcome is
    /// [`Outcome::Unknown`].
    pub end: Duration,
    /// The response.
    pub outcome: Outcome,
}

/// A period in which the store may lose the end of what it has acknowledged: a restart without a
/// durable log, or a failover to a replica that is behind.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    /// The first moment, since the start of the run.
    pub begin: Duration,
    /// The last moment, since the start of the run.
    pub end: Duration,
}

/// A period in which two stores may have answered.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    begin: Duration,
    end: Duration,
}

/// All calls on one session.
#[derive(Debug, Clone)]
pub struct History {
    /// `session.ttl`.
    pub lifetime: Duration,
    /// The calls, in any order.
    pub calls: Vec<Call>,
    /// When the store may lose data. Empty if it must not.
    pub losses: Vec<Loss>,
    doubts: Vec<Doubt>,
}

impl History {
    /// Puts in doubt each answered call that was under way in this period, in which two stores may have
    /// answered: an old primary, and the one that replaces it. Such a call has taken effect before its
    /// response, or never.
    pub fn doubt(&mut self, begin: Duration, end: Duration) {
        self.doubts.push(Doubt { begin, end });
    }

    fn is_doubtful(&self, call: &Call) -> bool {
        let mut doubts = self.doubts.iter();
        doubts.any(|doubt| call.begin <= doubt.end && call.end >= doubt.begin)
    }
}
