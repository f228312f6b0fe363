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
mod upstream;
mod verifier;
mod whoami;

use crate::clock::Clock;
use crate::model::{ClientIp, User};
use crate::telemetry::labels::AuthOutcome;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::{Gauge, Metrics};
use breaker::{CircuitBreaker, Turn};
use concurrency::{LONGEST_WAIT, VerifierLimiter};
use hyper::HeaderMap;
use moka::future::Cache;
use outcome::Found;
pub use outcome::{AuthError, Errcode, TokenRejection};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
pub use verifier::{SetupError, TokenVerifier};

/// How long an answer "it is theirs" is believed: so long does a token work that was logged out meanwhile.
const BELIEVED: Duration = Duration::from_mins(1);

/// How long a refusal is believed: long enough that a client in a loop costs nothing, and shorter than anyone
/// needs to sign in again.
const REFUSED: Duration = Duration::from_secs(5);

/// A question from its start to the last byte of its answer, the wait for a place and the connection included. A
/// person waits for it, and a homeserver that takes longer will not be quicker for the next.
const DEADLINE: Duration = Duration::from_secs(3);

/// Tokens that are remembered; about 300 bytes each.
const TOKENS: u64 = 10_000;

/// What is remembered of a token: an answer and until when it is believed, or that there was none.
#[derive(Debug, Clone)]
struct Remembered {
    found: Result<Found, AuthError>,
    until: Duration,
}

/// Who says whose token an access token is, and what they said lately.
#[derive(Debug)]
pub struct Auth {
    issuer: TokenVerifier,
    flights: VerifierLimiter,
    breaker: CircuitBreaker,
    remembered: Cache<[u8; 32], Remembered>,
    suspended: Gauge,
    /// Lines about answers that say nothing.
    told: LogThrottle,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl Auth {
    /// Asks nobody yet. `homeserver` is its name in the metrics; the only one needs none.
    #[must_use]
    pub fn new(
        issuer: TokenVerifier,
        homeserver: &str,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let suspended = metrics.auth_circuit_open.with_label_values(&[homeserver]);
        Self {
            suspended,
            told: LogThrottle::each(Duration::from_mins(1)),
            issuer,
            flights: VerifierLimiter::default(),
            breaker: CircuitBreaker::default(),
            remembered: Cache::builder()
                .max_capacity(TOKENS)
                .time_to_live(BELIEVED)
                .build(),
            clock,
            metrics,
        }
    }

    /// Whether nobody is asked for the moment, since nobody answered.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspended.get() != 0
    }

    /// Who sends a request with these headers.
    ///
    /// # Errors
    /// [`TokenRejection`].
    pub async fn user(
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
            .remembered
            .entry(key)
            .or_insert_with_if(self.ask(client, token), |known| {
                known.until <= self.clock.now()
            })
            .await;
        let cached = !entry.is_fresh();
        let Remembered { found, .. } = entry.into_value();
        self.metrics.auth_check(outcome(&found), cached);
        match found {
            Ok(Found::User { user, .. }) => Ok(user),
            Ok(Found::Refused {
                errcode,
                soft_logout,
            }) => Err(TokenRejection::Refused {
                errcode,
                soft_logout,
            }),
            Ok(Found::Forbidden) => Err(TokenRejection::Forbidden),
            Err(error) => Err(TokenRejection::Unknown(error)),
        }
    }

    /// Asks once whether anyone answers, and says in the log if not.
    pub(super) async fn probe(&self) {
        match self.issuer.probe(DEADLINE).await {
            Ok(()) => tracing::info!(asking = %self.issuer.url(), "access tokens can be checked"),
            Err(error) => tracing::warn!(
                asking = %self.issuer.url(),
                %error,
                "access tokens cannot be checked: until they can, no session is created with one"
            ),
        }
    }

    /// Asks about a token. What is not known is believed for no time at all: the next request asks again.
    async fn ask(&self, client: ClientIp, token: &str) -> Remembered {
        let found = self.fly(client, token).await;
        let now = self.clock.now();
        let until = match &found {
            Ok(Found::User { expires, .. }) => {
                now + expires.map_or(BELIEVED, |expires| self.left(expires).min(BELIEVED))
            }
            Ok(Found::Refused { .. } | Found::Forbidden) => now + REFUSED,
            Err(_) => now,
        };
        Remembered { found, until }
    }

    async fn fly(&self, client: ClientIp, token: &str) -> Result<Found, AuthError> {
        // Before the wait for a place: those that have one may be waiting for an answer that never comes.
        let begun = self.clock.now();
        let pass = self.breaker.pass(begun).map_err(AuthError::Suspended)?;
        let _flight = self.flights.start(client).await?;
        // However late we come back from the wait, the issuer gets the rest of the deadline whole: a timeout counts
        // against it, and must tell something of it and not of us.
        let waited = self.clock.now().saturating_sub(begun).min(LONGEST_WAIT);
        let found = self
            .issuer
            .ask(token, DEADLINE.saturating_sub(waited))
            .await;
        if let Err(error @ AuthError::BadReply) = &found {
            self.puzzled(error);
        }
        let answers = answers(&found);
        if let Some(turn) = self.breaker.tell(pass, answers, self.clock.now()) {
            self.turned(turn, found.as_ref().err());
        }
        found
    }

    /// Tells of an answer that says nothing, once a minute at most: it opens no breaker, and each costs a creation.
    fn puzzled(&self, error: &AuthError) {
        if self.told.is_due(self.clock.now()) {
            tracing::warn!(
                asking = %self.issuer.url(),
                %error,
                "an access token could not be checked, and no session was created with it; perhaps others of this minute"
            );
        }
    }

    /// Tells of the breaker: once when it opens, with the last of the errors, and once when it closes.
    fn turned(&self, turn: Turn, error: Option<&AuthError>) {
        self.breaker
            .told(|is_open| self.suspended.set(i64::from(is_open)));
        match (turn, error) {
            (Turn::Opened, Some(error)) => tracing::warn!(
                asking = %self.issuer.url(),
                %error,
                "access tokens cannot be checked: nobody is asked for a while, and no session is created with one"
            ),
            (Turn::Opened | Turn::Closed, _) => {
                tracing::info!(asking = %self.issuer.url(), "access tokens can be checked again");
            }
        }
    }

    /// Time until a moment that is told in seconds since 1970; none, where it has passed.
    fn left(&self, expires: u64) -> Duration {
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
const fn answers(found: &Result<Found, AuthError>) -> bool {
    matches!(found, Ok(_) | Err(AuthError::BadReply))
}

fn outcome(found: &Result<Found, AuthError>) -> AuthOutcome {
    match found {
        Ok(Found::User { .. }) => AuthOutcome::Accepted,
        Ok(Found::Refused { .. }) => AuthOutcome::Refused,
        Ok(Found::Forbidden) => AuthOutcome::Forbidden,
        Err(AuthError::Unreachable(_)) => AuthOutcome::Unreachable,
        Err(AuthError::Timeout) => AuthOutcome::Timeout,
        Err(AuthError::Unavailable(_)) => AuthOutcome::Unavailable,
        Err(AuthError::BadReply) => AuthOutcome::BadReply,
        Err(AuthError::Busy) => AuthOutcome::Busy,
        Err(AuthError::Suspended(_)) => AuthOutcome::CircuitOpen,
    }
}
