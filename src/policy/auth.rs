//! Whose token is it? Asked of a homeserver or an OAuth server, remembered for a short while, and answered with
//! an error when nobody can say.
//!
//! For [`Policy`](crate::policy::Policy), and only for who wants to create a session. The address limiter stands
//! before it: a client that makes tokens up runs into that first.

mod bearer;
mod breaker;
mod concurrency;
mod introspection;
mod outcome;
mod verifier;
mod verifier_response;
mod whoami;

use crate::clock::Clock;
use crate::model::{ClientIp, User};
use crate::telemetry::labels::AuthOutcome;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::{Gauge, Metrics};
use breaker::{CircuitBreaker, Transition};
use concurrency::{MAX_PERMIT_WAIT, VerifierLimiter};
use hyper::HeaderMap;
use moka::future::Cache;
use outcome::TokenStatus;
pub use outcome::{AuthError, Errcode, TokenRejection};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
pub use verifier::{TokenVerifier, VerifierSetupError};

/// How long an answer "it is theirs" is believed: so long does a token work that was logged out meanwhile.
const ACCEPTED_TTL: Duration = Duration::from_mins(1);

/// How long a refusal is believed: long enough that a client in a loop costs nothing, and shorter than anyone
/// needs to sign in again.
const REJECTED_TTL: Duration = Duration::from_secs(5);

/// A question from its start to the last byte of its answer, the wait for a place and the connection included. A
/// person waits for it, and a homeserver that takes longer will not be quicker for the next.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// Tokens that are remembered; about 300 bytes each.
const CACHE_CAPACITY: u64 = 10_000;

/// What is remembered of a token: an answer and until when it is believed, or that there was none.
#[derive(Debug, Clone)]
struct CachedStatus {
    status: Result<TokenStatus, AuthError>,
    until: Duration,
}

/// VerifierEndpoint says whose token an access token is, and what they said lately.
#[derive(Debug)]
pub struct Authenticator {
    verifier: TokenVerifier,
    concurrency: VerifierLimiter,
    breaker: CircuitBreaker,
    cache: Cache<[u8; 32], CachedStatus>,
    circuit_open: Gauge,
    /// Lines about answers that say nothing.
    bad_reply_log: LogThrottle,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl Authenticator {
    /// Asks nobody yet. `homeserver` is its name in the metrics; the only one needs none.
    #[must_use]
    pub fn new(
        verifier: TokenVerifier,
        homeserver: &str,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let circuit_open = metrics.auth_circuit_open.with_label_values(&[homeserver]);
        Self {
            circuit_open,
            bad_reply_log: LogThrottle::every(Duration::from_mins(1)),
            verifier,
            concurrency: VerifierLimiter::default(),
            breaker: CircuitBreaker::default(),
            cache: Cache::builder()
                .max_capacity(CACHE_CAPACITY)
                .time_to_live(ACCEPTED_TTL)
                .build(),
            clock,
            metrics,
        }
    }

    /// Whether nobody is asked for the moment, since nobody answered.
    #[must_use]
    pub fn is_circuit_open(&self) -> bool {
        self.circuit_open.get() != 0
    }

    /// VerifierEndpoint sends a request with these headers.
    ///
    /// # Errors
    /// [`TokenRejection`].
    pub async fn authenticate(
        &self,
        client: ClientIp,
        headers: &HeaderMap,
    ) -> Result<User, TokenRejection> {
        let token = match bearer::token(headers) {
            Ok(Some(token)) => token,
            Ok(None) => return Err(TokenRejection::NoToken),
            Err(bearer::Malformed) => {
                return Err(TokenRejection::Refused {
                    errcode: Errcode::unknown_token(),
                    soft_logout: false,
                });
            }
        };
        // Only the hash is kept: what remembers tokens must not be a place to steal them from.
        let key: [u8; 32] = Sha256::digest(token).into();
        let entry = self
            .cache
            .entry(key)
            .or_insert_with_if(self.verify_and_set_expiry(client, token), |known| {
                known.until <= self.clock.now()
            })
            .await;
        let cached = !entry.is_fresh();
        let CachedStatus { status, .. } = entry.into_value();
        self.metrics
            .auth_checks
            .inc((auth_outcome(&status), cached));
        match status {
            Ok(TokenStatus::Accepted { user, .. }) => Ok(user),
            Ok(TokenStatus::Rejected {
                errcode,
                soft_logout,
            }) => Err(TokenRejection::Refused {
                errcode,
                soft_logout,
            }),
            Ok(TokenStatus::Forbidden) => Err(TokenRejection::Forbidden),
            Err(error) => Err(TokenRejection::Unverified(error)),
        }
    }

    /// Asks once whether anyone answers, and says in the log if not.
    pub(super) async fn probe(&self) {
        match self.verifier.probe(CHECK_TIMEOUT).await {
            Ok(()) => tracing::info!(asking = %self.verifier.url(), "access tokens can be checked"),
            Err(error) => tracing::warn!(
                asking = %self.verifier.url(),
                %error,
                "access tokens cannot be checked: until they can, no session is created with one"
            ),
        }
    }

    /// Asks about a token. What is not known is believed for no time at all: the next request asks again.
    async fn verify_and_set_expiry(&self, client: ClientIp, token: &str) -> CachedStatus {
        let status = self.verify(client, token).await;
        let now = self.clock.now();
        let until = match &status {
            Ok(TokenStatus::Accepted { expires, .. }) => {
                now + expires.map_or(ACCEPTED_TTL, |expires| {
                    self.time_until(expires).min(ACCEPTED_TTL)
                })
            }
            Ok(TokenStatus::Rejected { .. } | TokenStatus::Forbidden) => now + REJECTED_TTL,
            Err(_) => now,
        };
        CachedStatus { status, until }
    }

    async fn verify(&self, client: ClientIp, token: &str) -> Result<TokenStatus, AuthError> {
        // Before the wait for a place: those that have one may be waiting for an answer that never comes.
        let begun = self.clock.now();
        let permit = self
            .breaker
            .try_acquire(begun)
            .map_err(AuthError::CircuitOpen)?;
        let _permit = self.concurrency.acquire(client).await?;
        // However late we come back from the wait, the issuer gets the rest of the deadline whole: a timeout counts
        // against it, and must tell something of it and not of us.
        let waited = self.clock.now().saturating_sub(begun).min(MAX_PERMIT_WAIT);
        let status = self
            .verifier
            .check_token(token, CHECK_TIMEOUT.saturating_sub(waited))
            .await;
        if let Err(error @ AuthError::BadReply) = &status {
            self.log_bad_reply(error);
        }
        let success = is_success(&status);
        if let Some(transition) = self.breaker.record(permit, success, self.clock.now()) {
            self.log_breaker_transition(transition, status.as_ref().err());
        }
        status
    }

    /// Tells of an answer that says nothing, once a minute at most: it opens no breaker, and each costs a creation.
    fn log_bad_reply(&self, error: &AuthError) {
        if self.bad_reply_log.try_acquire(self.clock.now()) {
            tracing::warn!(
                asking = %self.verifier.url(),
                %error,
                "an access token could not be checked, and no session was created with it; perhaps others of this minute"
            );
        }
    }

    /// Tells of the breaker: once when it opens, with the last of the errors, and once when it closes.
    fn log_breaker_transition(&self, transition: Transition, error: Option<&AuthError>) {
        self.breaker
            .inspect(|is_open| self.circuit_open.set(i64::from(is_open)));
        match (transition, error) {
            (Transition::Opened, Some(error)) => tracing::warn!(
                asking = %self.verifier.url(),
                %error,
                "access tokens cannot be checked: nobody is asked for a while, and no session is created with one"
            ),
            (Transition::Opened | Transition::Closed, _) => {
                tracing::info!(asking = %self.verifier.url(), "access tokens can be checked again");
            }
        }
    }

    /// Time until a moment that is told in seconds since 1970; none, where it has passed.
    fn time_until(&self, expires: u64) -> Duration {
        let now = self
            .clock
            .time_of_day()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Duration::from_secs(expires).saturating_sub(now)
    }
}

/// Whether asking on makes sense. An answer without sense may be about this token alone, which a client made up;
/// if it counted, one client could keep all others from being asked about.
const fn is_success(status: &Result<TokenStatus, AuthError>) -> bool {
    matches!(status, Ok(_) | Err(AuthError::BadReply))
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
