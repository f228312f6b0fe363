//! Who may do what, decided before a body is read or the store is asked.
//!
//! For the HTTP pipeline. A request that passes is given an [`Admitted`], which only this module can
//! make and which every handler demands: a handler that forgot to ask does not compile.

mod client;
mod fetch_metadata;
mod rate;

pub use client::ClientIp;

use crate::clock::Clock;
use crate::config::limits::Limits;
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
pub struct Admitted(());

/// Why a request did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// The rules, and what they remember of clients. What they remember can be lost at any moment.
#[derive(Debug)]
pub struct Policy {
    limits: Option<RateLimits>,
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
    pub fn new(limits: Option<Limits>, clock: &Clock, metrics: Arc<Metrics>) -> Self {
        let limits = limits.map(|limits| RateLimits {
            create: RateLimit::new(limits.create, limits.max_keys, clock),
            session: RateLimit::new(limits.session, limits.max_keys, clock),
        });
        Self { limits, metrics }
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
        Ok(Admitted(()))
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
