//! Who may do what, decided before a body is read or the store is asked.
//!
//! For the HTTP pipeline. A request that passes is given an [`Admitted`], which only this module can
//! make and which every handler demands: a handler that forgot to ask does not compile.

pub mod auth;
mod fetch_metadata;
mod homeserver;
mod rate;

pub use homeserver::{Homeserver, Homeservers};

use crate::clock::Clock;
use crate::config::Mode;
use crate::config::limits::Limits;
use crate::model::{ClientIp, Owner};
use crate::policy::auth::NoUser;
use crate::telemetry::labels::Limiter;
use crate::telemetry::metrics::Metrics;
use hyper::HeaderMap;
use rate::RateLimit;
use std::sync::Arc;
use std::time::Duration;

/// Time between two sweeps of the rate limiters' tables.
const SWEEP: Duration = Duration::from_secs(10);

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Ask whether a session may be created.
    Discover,
    /// Create a session.
    Create,
    /// Read a session.
    Read,
    /// Write a session.
    Write,
    /// Delete a session.
    Delete,
}

/// Proof that a request passed the policy.
#[derive(Debug)]
pub struct Admitted {
    client: ClientIp,
}

/// Proof that whoever sends a request may create sessions.
#[derive(Debug)]
pub struct Creator(Owner);

impl Admitted {
    /// Who may create sessions through MSC4108 of 2024, which knows no users: anyone.
    #[must_use]
    pub fn anyone(self) -> Creator {
        Creator(Owner {
            client: self.client,
            user: None,
        })
    }
}

impl Creator {
    /// Whose the session will be.
    #[must_use]
    pub fn into_owner(self) -> Owner {
        self.0
    }
}

/// Why a request did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A browser asked for a session as a page or a subresource.
    FetchMetadata,
    /// The client has used up its rate.
    Rate {
        /// Which one.
        limiter: Limiter,
        /// When one more request will pass.
        retry_after: Duration,
    },
    /// Only users create sessions, and there is none behind the request.
    NoUser(NoUser),
}

/// The rules, and what they remember of clients. What they remember can be lost at any moment.
#[derive(Debug)]
pub struct Policy {
    limits: Option<RateLimits>,
    /// Whether the log tells which users create sessions.
    log_users: bool,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct RateLimits {
    create: RateLimit,
    session: RateLimit,
}

impl Policy {
    /// Rules with the given limits; `None` turns rates off.
    #[must_use]
    pub fn new(
        limits: Option<Limits>,
        log_users: bool,
        clock: &Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let limits = limits.map(|limits| RateLimits {
            create: RateLimit::new(limits.create, limits.max_keys, clock),
            session: RateLimit::new(limits.session, limits.max_keys, clock),
        });
        Self {
            limits,
            log_users,
            metrics,
        }
    }

    /// Decides about one request.
    ///
    /// # Errors
    /// The [`Refusal`].
    pub fn admit(
        &self,
        intent: Intent,
        client: ClientIp,
        headers: &HeaderMap,
    ) -> Result<Admitted, Refusal> {
        if let Some(limits) = &self.limits {
            let (limiter, rate) = match intent {
                Intent::Discover | Intent::Create => (Limiter::Create, &limits.create),
                Intent::Read | Intent::Write | Intent::Delete => {
                    (Limiter::Session, &limits.session)
                }
            };
            rate.check(client).map_err(|retry_after| Refusal::Rate {
                limiter,
                retry_after,
            })?;
        }
        if intent == Intent::Read && !fetch_metadata::allows(headers) {
            return Err(Refusal::FetchMetadata);
        }
        Ok(Admitted { client })
    }

    /// Decides who may create sessions through MSC4388: in mode `open` anyone, but not with a token that is
    /// refused, which is never taken for none; else a user.
    ///
    /// # Errors
    /// The [`Refusal`].
    pub async fn creator(
        &self,
        admitted: &Admitted,
        homeserver: &Homeserver,
        headers: &HeaderMap,
    ) -> Result<Creator, Refusal> {
        let client = admitted.client;
        let user = match &homeserver.auth {
            Some(auth) => auth.user(client, headers).await,
            None => Err(NoUser::NoToken),
        };
        let user = match user {
            Ok(user) => Some(user.of(&homeserver.name)),
            Err(NoUser::NoToken) if homeserver.mode == Mode::Open => None,
            Err(no_user) => return Err(Refusal::NoUser(no_user)),
        };
        if let Some(user) = user.as_ref().filter(|_| self.log_users) {
            tracing::info!(target: "users", %user, "may create a session");
        }
        Ok(Creator(Owner { client, user }))
    }

    /// Forgets idle clients, for ever; to be run beside the service.
    pub async fn housekeeping(&self) {
        let Some(limits) = &self.limits else { return };
        loop {
            tokio::time::sleep(SWEEP).await;
            for (limiter, rate) in [
                (Limiter::Create, &limits.create),
                (Limiter::Session, &limits.session),
            ] {
                rate.sweep();
                let keys = i64::try_from(rate.keys()).unwrap_or(i64::MAX);
                self.metrics
                    .limiter_keys
                    .with_label_values(&[limiter.label()])
                    .set(keys);
            }
        }
    }
}
