//! Who may do what, decided before a body is read or the store is asked.
//!
//! For the HTTP pipeline. A request that passes is given an [`Admitted`], which only this module can
//! make and which every handler demands: a handler that forgot to ask does not compile.

pub mod auth;
mod fetch_metadata;
mod homeserver;

pub use homeserver::{Homeserver, Homeservers};

use crate::clock::Clock;
use crate::config::Mode;
use crate::config::limits::LimitsConfig;
use crate::limits::in_flight::{InFlightLimiter, InFlightPermit};
use crate::limits::replica::{LimitRejection, ReplicaLimits};
use crate::model::{ClientIp, Limit, LimitExceeded, Owner, SessionId};
use crate::policy::auth::TokenRejection;
use crate::telemetry::metrics::Metrics;
use arc_swap::ArcSwap;
use hyper::HeaderMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Time between two sweeps of the rate limiters' tables.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Requests under way at a time on this replica: on one session, where two devices have one each, or two where one
/// has given up waiting; of one client, where the two devices of each of the sessions that it may have do the same;
/// of one IPv6 /48, ten times that, as of all else.
const MAX_IN_FLIGHT_PER_SESSION: u16 = 64;
const MAX_IN_FLIGHT_PER_CLIENT: u16 = 256;
const MAX_IN_FLIGHT_PER_NETWORK: u16 = 2560;

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

/// Proof that a request passed the policy. While it is held, the request counts as one under way.
#[derive(Debug)]
pub struct Admitted<'a> {
    client: ClientIp,
    intent: Intent,
    in_maintenance: bool,
    _permits: InFlightPermits<'a>,
}

/// Where a request is counted as under way: on its session, of its client and of its network.
type InFlightPermits<'a> = [Option<InFlightPermit<'a>>; 3];

/// Proof that whoever sends a request may create sessions.
#[derive(Debug)]
pub struct CreateGrant(Owner);

impl Admitted<'_> {
    /// Who may create sessions through MSC4108 of 2024, which knows no users: anyone.
    ///
    /// # Errors
    /// [`PolicyRejection::Maintenance`].
    pub fn without_auth(self) -> Result<CreateGrant, PolicyRejection> {
        if self.in_maintenance {
            return Err(PolicyRejection::Maintenance);
        }
        Ok(CreateGrant(Owner {
            client: self.client,
            user: None,
        }))
    }
}

impl CreateGrant {
    /// Whose the session will be.
    #[must_use]
    pub fn into_owner(self) -> Owner {
        self.0
    }
}

/// Why a request did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyRejection {
    /// A browser asked for a session as a page or a subresource.
    FetchMetadata,
    /// A limit is used up.
    Limit(LimitExceeded),
    /// Nobody at the client's address may.
    Denied(Limit),
    /// Nobody creates sessions for now, by the operator's wish.
    Maintenance,
    /// As many requests are under way on the session as may be.
    SessionBusy,
    /// As many requests are under way of the client, or of its network, as may be.
    ClientBusy,
    /// Only users create sessions, and there is none behind the request.
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

/// The rules, and what they remember of clients. What they remember can be lost at any moment.
#[derive(Debug)]
pub struct Policy {
    /// Replaced as a whole: a request goes by the old ones or by the new ones.
    limits: ArcSwap<ReplicaLimits>,
    maintenance: AtomicBool,
    sessions: InFlightLimiter,
    clients: InFlightLimiter,
    clock: Clock,
    metrics: Arc<Metrics>,
    /// Whether the log tells which users create sessions.
    log_users: bool,
}

impl Policy {
    /// Rules with the given limits.
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
            sessions: InFlightLimiter::new(),
            clients: InFlightLimiter::new(),
            clock: clock.clone(),
            metrics,
            log_users,
        }
    }

    /// From now on these limits hold. What is remembered of clients stays, where what they may ask for does.
    pub fn set_limits(&self, limits: LimitsConfig) {
        let previous = self.limits.load();
        let metrics = Arc::clone(&self.metrics);
        let limits = ReplicaLimits::new(limits, Some(&previous), &self.clock, metrics);
        self.limits.store(Arc::new(limits));
    }

    /// From now on sessions are created, or none are; those that live go on.
    pub fn set_maintenance(&self, is_on: bool) {
        self.maintenance.store(is_on, Ordering::Relaxed);
        self.metrics.maintenance.set(i64::from(is_on));
    }

    /// Whether no session is created, by the operator's wish.
    #[must_use]
    pub fn is_in_maintenance(&self) -> bool {
        self.maintenance.load(Ordering::Relaxed)
    }

    /// Decides about one request, on a session where there is one.
    ///
    /// # Errors
    /// The [`PolicyRejection`].
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
                limits.check_request(address, session)?
            }
        }
        if intent == Intent::Read && !fetch_metadata::allows(headers) {
            return Err(PolicyRejection::FetchMetadata);
        }
        let client = address.into();
        Ok(Admitted {
            client,
            intent,
            in_maintenance: self.is_in_maintenance(),
            _permits: self.acquire_in_flight(client, session, limits.is_enabled())?,
        })
    }

    /// Counts a request as under way. Of clients as long as they have limits at all.
    fn acquire_in_flight(
        &self,
        client: ClientIp,
        session: Option<SessionId>,
        limit_clients: bool,
    ) -> Result<InFlightPermits<'_>, PolicyRejection> {
        let on_session = |session| {
            self.sessions
                .try_acquire(session, MAX_IN_FLIGHT_PER_SESSION)
                .ok_or(PolicyRejection::SessionBusy)
        };
        let on_session = session.map(on_session).transpose()?;
        if !limit_clients {
            return Ok([on_session, None, None]);
        }
        let acquire = |key: ClientIp, kind: u8, max| {
            let permit = self.clients.try_acquire((kind, key), max);
            permit.ok_or(PolicyRejection::ClientBusy)
        };
        let of_client = acquire(client, 0, MAX_IN_FLIGHT_PER_CLIENT)?;
        let network = client.network();
        let of_network = network.map(|network| acquire(network, 1, MAX_IN_FLIGHT_PER_NETWORK));
        Ok([on_session, Some(of_client), of_network.transpose()?])
    }

    /// Decides who may create sessions through MSC4388: in mode `open` anyone, but not with a token that is
    /// refused, which is never taken for none; else a user.
    ///
    /// # Errors
    /// The [`PolicyRejection`].
    pub async fn authorize_create(
        &self,
        admitted: &Admitted<'_>,
        homeserver: &Homeserver,
        headers: &HeaderMap,
    ) -> Result<CreateGrant, PolicyRejection> {
        // Before anyone is asked about a token: the answer is no, whoever it is.
        if admitted.in_maintenance {
            return Err(PolicyRejection::Maintenance);
        }
        let client = admitted.client;
        let user = match &homeserver.auth {
            Some(auth) => auth.authenticate(client, headers).await,
            None => Err(TokenRejection::NoToken),
        };
        let user = match user {
            Ok(user) => Some(user.of(&homeserver.name)),
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

    /// Forgets idle clients, for ever; to be run beside the service.
    pub async fn sweep_forever(&self) {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            self.limits.load().sweep();
        }
    }
}
