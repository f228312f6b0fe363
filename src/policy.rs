//! Decides which requests pass, before a body is read or the store is called. The limiters are in
//! `limits`.
//!
//! For the HTTP pipeline. A request that passes gets an [`Admitted`], which only this module can
//! create. Every handler requires one, or a [`CreateGrant`] made from one, so a handler that skips the
//! policy does not compile.

mod admin_access;
pub mod auth;
mod fetch_metadata;
mod homeservers;

pub use admin_access::{AdminAccess, AdminRejection};
pub use homeservers::{BaseUrls, Homeserver, Homeservers};

use crate::clock::Clock;
use crate::config::Mode;
use crate::config::limits::LimitsConfig;
use crate::limits::in_flight::{InFlightExceeded, InFlightLimits, InFlightPermits};
use crate::limits::replica::{LimitRejection, ReplicaLimits};
use crate::model::{DenyList, LimitExceeded, Owner, SessionId};
use crate::policy::auth::TokenRejection;
use crate::telemetry::metrics::Metrics;
use arc_swap::ArcSwap;
use hyper::HeaderMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Interval at which idle keys are removed from the rate limiters' tables.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// What a request intends to do.
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

/// Proof that a request passed the policy. The request counts as in flight until this is dropped, or
/// until it begins to wait for the store.
#[derive(Debug)]
pub struct Admitted<'a> {
    intent: Intent,
    in_maintenance: bool,
    permits: InFlightPermits<'a>,
}

/// Proof that the sender of a request may create sessions.
#[derive(Debug)]
pub struct CreateGrant(Owner);

impl<'a> Admitted<'a> {
    /// Returns the permission to create a session through MSC4108 of 2024, which has no users: any
    /// client has it.
    ///
    /// # Errors
    /// [`PolicyRejection::Maintenance`] if the operator switched creation off.
    pub fn without_auth(&self) -> Result<CreateGrant, PolicyRejection> {
        if self.in_maintenance {
            return Err(PolicyRejection::Maintenance);
        }
        Ok(CreateGrant(Owner {
            client: self.permits.client,
            user: None,
        }))
    }

    /// The permits of the request, which it releases if it waits for the store.
    pub(crate) fn into_permits(self) -> InFlightPermits<'a> {
        self.permits
    }
}

impl CreateGrant {
    /// The owner of the session to create.
    #[must_use]
    pub fn into_owner(self) -> Owner {
        self.0
    }
}

/// Why the policy rejected a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyRejection {
    /// A browser requested a session as a document or a subresource.
    FetchMetadata,
    /// A limit is exceeded.
    Limit(LimitExceeded),
    /// The client's address is on this deny list.
    Denied(DenyList),
    /// The operator switched creation off (`maintenance`).
    Maintenance,
    /// The session has its maximum number of requests in flight.
    SessionBusy,
    /// The client, or its IPv6 /48, has its maximum number of requests in flight.
    ClientBusy,
    /// Only users may create sessions, and the request is not authenticated as one.
    TokenRejection(TokenRejection),
}

impl From<LimitRejection> for PolicyRejection {
    fn from(rejection: LimitRejection) -> Self {
        match rejection {
            LimitRejection::Exceeded(exceeded) => Self::Limit(exceeded),
            LimitRejection::Denied(list) => Self::Denied(list),
        }
    }
}

impl From<InFlightExceeded> for PolicyRejection {
    fn from(exceeded: InFlightExceeded) -> Self {
        match exceeded {
            InFlightExceeded::Session => Self::SessionBusy,
            InFlightExceeded::Client => Self::ClientBusy,
        }
    }
}

/// The rules of this replica and the limiters' state. All of that state can be lost at any moment.
#[derive(Debug)]
pub struct Policy {
    /// Replaced as a whole on a reload: a request sees either the old limits or the new ones.
    limits: ArcSwap<ReplicaLimits>,
    maintenance: AtomicBool,
    in_flight: InFlightLimits,
    clock: Clock,
    metrics: Arc<Metrics>,
    /// Whether to log the id of each user who may create a session.
    log_users: bool,
}

impl Policy {
    /// Creates a policy with the given limits.
    #[must_use]
    pub fn new(
        limits: LimitsConfig,
        log_users: bool,
        clock: &Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let limits = ReplicaLimits::new(limits, None, clock, Arc::clone(&metrics));
        Self {
            limits: ArcSwap::from_pointee(limits),
            maintenance: AtomicBool::new(false),
            in_flight: InFlightLimits::new(),
            clock: clock.clone(),
            metrics,
            log_users,
        }
    }

    /// Replaces the limits. The counts of clients are kept if the rates are the same.
    pub fn set_limits(&self, limits: LimitsConfig) {
        let previous = self.limits.load();
        let metrics = Arc::clone(&self.metrics);
        let limits = ReplicaLimits::new(limits, Some(&previous), &self.clock, metrics);
        self.limits.store(Arc::new(limits));
    }

    /// Switches the creation of sessions off or on. Live sessions continue either way.
    pub fn set_maintenance(&self, is_on: bool) {
        self.maintenance.store(is_on, Ordering::Relaxed);
        self.metrics.maintenance.set(i64::from(is_on));
    }

    /// Whether the operator switched the creation of sessions off.
    #[must_use]
    pub fn is_in_maintenance(&self) -> bool {
        self.maintenance.load(Ordering::Relaxed)
    }

    /// Decides whether a request passes. `session` is the session that the request's path names.
    ///
    /// # Errors
    /// [`PolicyRejection`] if a limit, a deny list or the request's fetch metadata rejects it.
    pub fn admit(
        &self,
        intent: Intent,
        address: IpAddr,
        session: Option<SessionId>,
        headers: &HeaderMap,
    ) -> Result<Admitted<'_>, PolicyRejection> {
        let limits = self.limits.load();
        match intent {
            Intent::Discover => limits.check_discover(address)?,
            Intent::Create => limits.check_create(address)?,
            Intent::Read | Intent::Write | Intent::Delete => {
                limits.check_request(address, session)?;
            }
        }
        if intent == Intent::Read && !fetch_metadata::allows(headers) {
            return Err(PolicyRejection::FetchMetadata);
        }
        let limit_clients = limits.is_enabled();
        let permits = self
            .in_flight
            .try_acquire(address.into(), session, limit_clients)?;
        Ok(Admitted {
            intent,
            in_maintenance: self.is_in_maintenance(),
            permits,
        })
    }

    /// Counts a request that no handler receives: of an unknown path or host, of a dialect that is
    /// off, or with an unsupported method. It is charged like a request on a session (R0.41):
    /// otherwise its rate would have no bound.
    ///
    /// # Errors
    /// [`PolicyRejection`] if the rate of the client or of its network is exceeded, or if the
    /// client's address is on the deny list `requests`.
    pub fn charge_unrouted(&self, address: IpAddr) -> Result<(), PolicyRejection> {
        Ok(self.limits.load().check_request(address, None)?)
    }

    /// Decides whether the sender may create sessions through MSC4388 (docs/protocol.md, R1.41 to
    /// R1.46). In mode `open` every client may, except with a rejected token: a rejected token
    /// never counts as absent. In mode `authenticated` only a user may.
    ///
    /// # Errors
    /// [`PolicyRejection`] if maintenance is on, the token is missing or rejected, or the user's
    /// rate is exceeded.
    pub async fn authorize_create(
        &self,
        admitted: &Admitted<'_>,
        homeserver: &Homeserver,
        headers: &HeaderMap,
    ) -> Result<CreateGrant, PolicyRejection> {
        // First, so that no token is checked in vain: maintenance rejects every creation.
        if admitted.in_maintenance {
            return Err(PolicyRejection::Maintenance);
        }
        let client = admitted.permits.client;
        let user = match &homeserver.auth {
            Some(auth) => auth.authenticate(client, headers).await,
            None => Err(TokenRejection::NoToken),
        };
        let user = match user {
            Ok(user) => Some(user.qualified_by(&homeserver.name)),
            Err(TokenRejection::NoToken) if homeserver.mode == Mode::Open => None,
            Err(rejection) => return Err(PolicyRejection::TokenRejection(rejection)),
        };
        if let (Some(user), Intent::Create) = (&user, admitted.intent) {
            self.limits.load().check_user_create(user)?;
            if self.log_users {
                tracing::info!(target: "users", %user, "may create a session");
            }
        }
        Ok(CreateGrant(Owner { client, user }))
    }

    /// Removes idle keys from the limiters' tables every 10 s. Runs beside the service and never
    /// returns.
    pub async fn sweep_forever(&self) {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            self.limits.load().sweep();
        }
    }
}
