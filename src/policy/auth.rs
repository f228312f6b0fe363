//! Authenticates requests that want to create a session: checks access tokens at a homeserver or an
//! OAuth 2.0 server.
//!
//! For [`Policy`](crate::policy::Policy). Checks are cached for a short time (`cache`), limited
//! (`concurrency`), and suspended while the verifier does not answer (`breaker`). If a token cannot
//! be checked, the result is an error. The rate limits per address come first, so a client that
//! makes up tokens exceeds those before it reaches the verifier.

pub(super) mod bearer;
mod breaker;
mod cache;
mod concurrency;
mod failure;
#[cfg(fuzzing)]
pub mod fuzzing;
mod introspection;
mod introspection_response;
mod outcome;
mod verifier;
mod verifier_response;
mod whoami;

use crate::clock::Clock;
use crate::model::{ClientIp, User};
use crate::telemetry::labels::AuthOutcome;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::{Gauge, Metrics};
use arc_swap::{ArcSwap, ArcSwapOption};
use breaker::{CircuitBreaker, Transition};
use cache::TokenCache;
pub(crate) use concurrency::MAX_CHECKS;
use concurrency::{MAX_PERMIT_WAIT, VerifierLimiter};
use failure::VerifierFailure;
use hyper::HeaderMap;
use outcome::TokenStatus;
pub use outcome::{AuthError, Errcode, TokenRejection};
use std::sync::Arc;
use std::time::Duration;
pub(crate) use verifier::TokenVerdict;
pub use verifier::{TokenVerifier, VerifierSetupError};

/// Timeout of a check, from its start to the last byte of the response. It includes the wait for a
/// permit and the connection. A person waits for the check, and a homeserver that takes longer will
/// not be faster for the next one.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// Minimum time between two log lines about invalid responses.
const BAD_REPLY_LOG_INTERVAL: Duration = Duration::from_mins(1);

/// A token verifier, behind a cache, a concurrency limit and a circuit breaker.
#[derive(Debug)]
pub struct Authenticator {
    /// Replaced as a whole on a reload: a check uses either the old credentials or the new ones.
    verifier: ArcSwap<TokenVerifier>,
    concurrency: VerifierLimiter,
    breaker: CircuitBreaker,
    cache: TokenCache,
    circuit_open: Gauge,
    bad_reply_log: LogThrottle,
    /// Why the last check or probe failed, for `/readyz?verbose`. `None` if it did not fail.
    last_failure: ArcSwapOption<String>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl Authenticator {
    /// Creates an authenticator. Opens no connection. `homeserver` is the homeserver's name in the
    /// metrics, and empty if there is only one.
    #[must_use]
    pub fn new(
        verifier: TokenVerifier,
        homeserver: &str,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let circuit_open = metrics.auth_circuit_open.with_label_values(&[homeserver]);
        Self {
            verifier: ArcSwap::from_pointee(verifier),
            concurrency: VerifierLimiter::default(),
            breaker: CircuitBreaker::default(),
            cache: TokenCache::new(clock.clone()),
            circuit_open,
            bad_reply_log: LogThrottle::every(BAD_REPLY_LOG_INTERVAL),
            last_failure: ArcSwapOption::empty(),
            clock,
            metrics,
        }
    }

    /// Replaces the credentials and the trusted certificate authorities of the verifier. Returns
    /// `false`, and changes nothing, if `verifier` has another URL.
    ///
    /// The cache and the circuit breaker's state are kept: they are about the server at that URL.
    /// Checks in flight finish with the old verifier.
    pub(super) fn set_verifier(&self, verifier: TokenVerifier) -> bool {
        let is_same_server = self.verifier.load().url() == verifier.url();
        if is_same_server {
            self.verifier.store(Arc::new(verifier));
        }
        is_same_server
    }

    /// Whether the circuit breaker is open: no token is checked, since the verifier did not answer.
    #[must_use]
    pub fn is_circuit_open(&self) -> bool {
        self.circuit_open.get() != 0
    }

    /// Why the last check or probe failed. `None` if it did not fail, or if there was none.
    #[must_use]
    pub fn last_failure(&self) -> Option<Arc<String>> {
        self.last_failure.load_full()
    }

    /// Returns the user of the access token in the request's headers.
    ///
    /// # Errors
    /// - [`TokenRejection::NoToken`] if there is no `Authorization` header.
    /// - [`TokenRejection::Rejected`] if the header is malformed or the verifier rejects the token.
    /// - [`TokenRejection::Forbidden`] if the token's holder may not create sessions.
    /// - [`TokenRejection::Unverified`] if the token could not be checked.
    pub async fn authenticate(
        &self,
        client: ClientIp,
        headers: &HeaderMap,
    ) -> Result<User, TokenRejection> {
        let token = match bearer::token(headers) {
            Ok(Some(token)) => token,
            Ok(None) => return Err(TokenRejection::NoToken),
            Err(bearer::Malformed) => {
                return Err(TokenRejection::Rejected {
                    errcode: Errcode::unknown_token(),
                    soft_logout: false,
                });
            }
        };
        let verify = self.verify(client, token);
        let (status, is_cached) = self.cache.get_or_verify(token, verify).await;
        let outcome = auth_outcome(&status);
        self.metrics.auth_checks.inc((outcome, is_cached));
        match status {
            Ok(TokenStatus::Accepted { user, .. }) => Ok(user),
            Ok(TokenStatus::Rejected {
                errcode,
                soft_logout,
            }) => Err(TokenRejection::Rejected {
                errcode,
                soft_logout,
            }),
            Ok(TokenStatus::Forbidden) => Err(TokenRejection::Forbidden),
            Err(error) => Err(TokenRejection::Unverified(error)),
        }
    }

    /// Sends one check to the verifier and logs whether it answers.
    pub(super) async fn probe(&self) {
        let verifier = self.verifier.load_full();
        let outcome = verifier.probe(CHECK_TIMEOUT, &self.clock).await;
        self.keep_failure(outcome.as_ref().err());
        match outcome {
            Ok(()) => {
                tracing::info!(verifier = %verifier.url(), "access tokens can be checked");
            }
            Err(failure) => tracing::warn!(
                verifier = %verifier.url(),
                error = failure.text,
                "access tokens cannot be checked: requests with a token create no session until they can"
            ),
        }
    }

    /// Sends a probe whenever the circuit breaker needs one. Never ends.
    ///
    /// The probe is a request without a token, so that no client chooses what the verifier answers.
    pub async fn run_breaker_probes(&self) {
        loop {
            self.breaker.probe_due(&self.clock).await;
            let verifier = self.verifier.load_full();
            let answer = verifier.probe_without_token(CHECK_TIMEOUT).await;
            self.keep_failure(answer.as_ref().err());
            let transition = self.breaker.record_probe(answer.is_ok(), self.clock.now());
            self.publish_transition(transition, answer.err().as_ref());
        }
    }

    /// Keeps the text of a failure, or none after a check or a probe that did not fail.
    fn keep_failure(&self, failure: Option<&VerifierFailure>) {
        let text = failure.map(|failure| Arc::new(failure.text.clone()));
        // Nearly every check succeeds after one that did.
        if text.is_some() || self.last_failure.load().is_some() {
            self.last_failure.store(text);
        }
    }

    /// Checks a token at the verifier, unless the circuit breaker is open or too many checks are in
    /// flight.
    async fn verify(&self, client: ClientIp, token: &str) -> Result<TokenStatus, AuthError> {
        // Before the wait for a permit: the checks that hold the permits may wait for a response
        // that never comes.
        let started_at = self.clock.now();
        let breaker = &self.breaker;
        breaker
            .ensure_closed(started_at)
            .map_err(AuthError::CircuitOpen)?;
        let _permit = self.concurrency.acquire(client).await?;
        let timeout = rest_of_timeout(self.clock.now().saturating_sub(started_at));
        let verifier = self.verifier.load_full();
        let status = verifier.check_token(token, timeout, &self.clock).await;
        self.keep_failure(status.as_ref().err());
        if let Err(failure) = &status
            && failure.error == AuthError::BadReply
        {
            self.log_bad_reply(failure);
        }
        let status = status.map_err(|failure| failure.error);
        let transition = breaker.record_check(status.as_ref(), client, self.clock.now());
        self.publish_transition(transition, None);
        status
    }

    /// Logs an invalid response, at most once a minute. Each costs a creation, and none opens the
    /// breaker.
    fn log_bad_reply(&self, failure: &VerifierFailure) {
        if self.bad_reply_log.try_acquire(self.clock.now()) {
            tracing::warn!(
                verifier = %self.verifier.load().url(),
                error = failure.text,
                "an access token could not be checked, and its request created no session (logged once a minute)"
            );
        }
    }

    /// Logs that the breaker opened, with the error of the probe, or that it closed. Updates the
    /// gauge.
    fn publish_transition(
        &self,
        transition: Option<Transition>,
        failure: Option<&VerifierFailure>,
    ) {
        let Some(transition) = transition else {
            return;
        };
        self.breaker
            .inspect(|is_open| self.circuit_open.set(i64::from(is_open)));
        match (transition, failure) {
            (Transition::Opened, Some(failure)) => tracing::warn!(
                verifier = %self.verifier.load().url(),
                error = failure.text,
                "access tokens cannot be checked: circuit breaker open, requests with a token create no session"
            ),
            (Transition::Opened | Transition::Closed, _) => {
                tracing::info!(verifier = %self.verifier.load().url(), "access tokens can be checked again");
            }
        }
    }
}

/// Returns the timeout of the request to the verifier after this wait for a permit.
///
/// The wait is capped, however late the task is polled after it: the verifier gets the whole rest of
/// the timeout. A timeout counts against the verifier, so it must not be caused by this process.
fn rest_of_timeout(waited: Duration) -> Duration {
    CHECK_TIMEOUT.saturating_sub(waited.min(MAX_PERMIT_WAIT))
}

fn auth_outcome(status: &Result<TokenStatus, AuthError>) -> AuthOutcome {
    match status {
        Ok(TokenStatus::Accepted { .. }) => AuthOutcome::Accepted,
        Ok(TokenStatus::Rejected { .. }) => AuthOutcome::Refused,
        Ok(TokenStatus::Forbidden) => AuthOutcome::Forbidden,
        Err(AuthError::Unreachable(_)) => AuthOutcome::Unreachable,
        Err(AuthError::Timeout) => AuthOutcome::Timeout,
        Err(AuthError::Unavailable(_)) => AuthOutcome::Unavailable,
        Err(AuthError::BadReply) => AuthOutcome::BadReply,
        Err(AuthError::Busy) => AuthOutcome::Busy,
        Err(AuthError::CircuitOpen(_)) => AuthOutcome::CircuitOpen,
    }
}

#[cfg(test)]
mod tests {
    use super::rest_of_timeout;
    use std::time::Duration;

    #[test]
    fn verifier_has_2s_however_long_the_wait_was() {
        let rest_in_ms = |waited| rest_of_timeout(Duration::from_millis(waited)).as_millis();
        assert_eq!(
            [0, 400, 1000, 5000].map(rest_in_ms),
            [3000, 2600, 2000, 2000]
        );
    }
}
