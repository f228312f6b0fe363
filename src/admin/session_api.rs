//! The admin API: `/admin/v1/sessions` counts sessions and ends them.
//!
//! Off unless `admin.token_file` is set. Each call is in the log, with its peer and what it did; no line
//! has a session id or the address of a client.

mod query;
mod reply;

use crate::clock::Clock;
use crate::net::peer_stream::PeerAddress;
use crate::policy::{AdminAccess, AdminRejection};
use crate::session::{AdminSessions, SessionSelector, WalkError};
use crate::store::{ListSessions, Store};
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::pseudonym::Pseudonyms;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response};
use query::{CountQuery, EndQuery, QueryError};
use std::sync::Arc;
use std::time::Duration;

/// The path of the API.
pub(super) const PATH: &str = "/admin/v1/sessions";

/// The admin API on top of a store.
#[derive(Debug)]
pub struct SessionApi<S> {
    sessions: AdminSessions<S>,
    pseudonyms: Pseudonyms,
    access: Arc<AdminAccess>,
    clock: Clock,
    /// At most one line a second about calls without the token.
    rejection_log: LogThrottle,
}

impl<S: Store + ListSessions> SessionApi<S> {
    /// Creates the API.
    #[must_use]
    pub fn new(
        store: Arc<S>,
        pseudonyms: Pseudonyms,
        access: Arc<AdminAccess>,
        clock: Clock,
    ) -> Self {
        Self {
            sessions: AdminSessions::new(store, pseudonyms.clone(), clock.clone()),
            pseudonyms,
            access,
            clock,
            rejection_log: LogThrottle::every(Duration::from_secs(1)),
        }
    }

    /// Answers a call. Returns `None` if the API is off.
    pub(super) async fn answer<B>(
        &self,
        request: &Request<B>,
        peer: PeerAddress,
    ) -> Option<Response<Full<Bytes>>> {
        let address = match peer {
            PeerAddress::Ip(address) => Some(address),
            PeerAddress::Unix => None,
        };
        match self.access.check(address, request.headers()) {
            Ok(()) => {}
            Err(AdminRejection::Off) => return None,
            Err(rejection) => {
                if self.rejection_log.try_acquire(self.clock.now()) {
                    tracing::warn!(
                        %peer,
                        ?rejection,
                        "a call to the admin API is rejected (sampled: one line per second)"
                    );
                }
                return Some(reply::rejection(rejection));
            }
        }
        let query = request.uri().query().unwrap_or_default();
        Some(match *request.method() {
            Method::GET | Method::HEAD => match query::parse_count(query) {
                Ok(query) => self.count(query, peer).await,
                Err(error) => rejected_query(&error, peer),
            },
            Method::DELETE => match query::parse_end(query, &self.pseudonyms) {
                Ok(query) => self.end(&query, peer).await,
                Err(error) => rejected_query(&error, peer),
            },
            _ => {
                tracing::info!(%peer, "admin call: unsupported method");
                reply::method_not_allowed()
            }
        })
    }

    async fn count(&self, query: CountQuery, peer: PeerAddress) -> Response<Full<Bytes>> {
        tracing::info!(%peer, "admin call: count the sessions");
        match self.sessions.count(query.limit).await {
            Ok(counts) => {
                tracing::info!(
                    %peer,
                    counted = counts.counted,
                    complete = counts.is_complete,
                    "admin call: counted the sessions"
                );
                reply::counts(&counts)
            }
            Err(error) => failed(&error, peer),
        }
    }

    async fn end(&self, query: &EndQuery, peer: PeerAddress) -> Response<Full<Bytes>> {
        let (of, pseudonym) = match &query.selector {
            SessionSelector::All => ("all", None),
            SessionSelector::Client(client) => ("client", Some(client)),
            SessionSelector::User(user) => ("user", Some(user)),
        };
        // Logged before, too: the caller may go away, and the call ends with it.
        tracing::info!(%peer, of, pseudonym, "admin call: end sessions");
        match self.sessions.end(&query.selector).await {
            Ok(result) => {
                tracing::info!(
                    %peer,
                    of,
                    pseudonym,
                    ended = result.ended,
                    complete = result.is_complete,
                    "admin call: ended sessions"
                );
                reply::ended(result)
            }
            Err(error) => failed(&error, peer),
        }
    }
}

fn rejected_query(error: &QueryError, peer: PeerAddress) -> Response<Full<Bytes>> {
    tracing::info!(%peer, %error, "admin call: rejected query");
    reply::bad_request(error)
}

fn failed(error: &WalkError, peer: PeerAddress) -> Response<Full<Bytes>> {
    let ended = match error {
        WalkError::Busy => 0,
        WalkError::Store { ended, .. } => *ended,
    };
    tracing::warn!(%peer, %error, ended, "admin call: failed");
    reply::walk_failed(error)
}
