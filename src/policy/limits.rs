//! What one client, one IPv6 network, one user may ask for, and from where nobody may: on this replica.
//!
//! What holds over all replicas the store counts, when it takes a place for a new session. A limit in shadow
//! mode counts what it would refuse and lets it pass.

use crate::clock::Clock;
use crate::config::limits::{Counted, Deny, Limits as Settings};
use crate::model::{ClientIp, SessionId, User};
use crate::policy::Refusal;
use crate::policy::rate::{Overflow, RateLimit};
use crate::telemetry::limit::{Limit, Limits as Shadow};
use crate::telemetry::metrics::Metrics;
use ipnet::IpNet;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Limits {
    counted: Option<Counted>,
    rates: Option<Arc<Rates>>,
    deny: Deny,
    shadow: Shadow,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Rates {
    create_client: RateLimit<ClientIp>,
    create_network: RateLimit<ClientIp>,
    create_user: RateLimit<User>,
    requests_client: RateLimit<ClientIp>,
    requests_network: RateLimit<ClientIp>,
    requests_session: RateLimit<SessionId>,
}

impl Rates {
    fn new(settings: Counted, clock: &Clock) -> Self {
        let Counted {
            max_keys,
            create,
            requests,
            ..
        } = settings;
        // A sign-in that has not begun can wait; one that has must not end for want of memory.
        let (shared, open) = (Overflow::Shared, Overflow::Open);
        Self {
            create_client: RateLimit::new(create.client, max_keys, shared, clock),
            create_network: RateLimit::new(create.network, max_keys, shared, clock),
            create_user: RateLimit::new(create.user, max_keys, shared, clock),
            requests_client: RateLimit::new(requests.client, max_keys, open, clock),
            requests_network: RateLimit::new(requests.network, max_keys, open, clock),
            requests_session: RateLimit::new(requests.session, max_keys, open, clock),
        }
    }
}

impl Limits {
    /// With what those `before` them remember, where the same is counted: a deny list that changes must not give
    /// everybody a new allowance.
    pub(super) fn new(
        settings: Settings,
        before: Option<&Self>,
        clock: &Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let same = before.filter(|before| before.counted == settings.counted);
        let rates = || {
            let counted = settings.counted?;
            Some(Arc::new(Rates::new(counted, clock)))
        };
        Self {
            counted: settings.counted,
            rates: same.map_or_else(rates, |same| same.rates.clone()),
            deny: settings.deny,
            shadow: settings.shadow,
            metrics,
        }
    }

    /// One discovery or creation.
    pub(super) fn create(&self, client: ClientIp) -> Result<(), Refusal> {
        self.allow_from(Limit::DenyCreate, &self.deny.create, client)?;
        let Some(rates) = &self.rates else {
            return Ok(());
        };
        self.hold(Limit::CreateClient, rates.create_client.check(&client))?;
        client.network().map_or(Ok(()), |network| {
            self.hold(Limit::CreateNetwork, rates.create_network.check(&network))
        })
    }

    /// One creation by a user.
    pub(super) fn create_by(&self, user: &User) -> Result<(), Refusal> {
        self.rates.as_ref().map_or(Ok(()), |rates| {
            self.hold(Limit::CreateUser, rates.create_user.check(user))
        })
    }

    /// One request on a session.
    pub(super) fn request(
        &self,
        client: ClientIp,
        session: Option<SessionId>,
    ) -> Result<(), Refusal> {
        self.allow_from(Limit::DenyRequests, &self.deny.requests, client)?;
        let Some(rates) = &self.rates else {
            return Ok(());
        };
        self.hold(Limit::RequestsClient, rates.requests_client.check(&client))?;
        if let Some(network) = client.network() {
            let held = rates.requests_network.check(&network);
            self.hold(Limit::RequestsNetwork, held)?;
        }
        session.map_or(Ok(()), |session| {
            let held = rates.requests_session.check(&session);
            self.hold(Limit::RequestsSession, held)
        })
    }

    fn allow_from(&self, limit: Limit, denied: &[IpNet], client: ClientIp) -> Result<(), Refusal> {
        if denied.iter().any(|network| client.is_in(network)) {
            return self.refuse(limit, Refusal::Denied(limit));
        }
        Ok(())
    }

    fn hold(&self, limit: Limit, held: Result<(), Duration>) -> Result<(), Refusal> {
        held.or_else(|retry_after| self.refuse(limit, Refusal::Limit { limit, retry_after }))
    }

    fn refuse(&self, limit: Limit, refusal: Refusal) -> Result<(), Refusal> {
        if self.shadow.has(limit) {
            self.metrics.shadow(limit);
            return Ok(());
        }
        Err(refusal)
    }

    /// Forgets who has been idle.
    pub(super) fn sweep(&self) {
        let Some(rates) = &self.rates else { return };
        let swept = [
            (Limit::CreateClient, rates.create_client.sweep()),
            (Limit::CreateNetwork, rates.create_network.sweep()),
            (Limit::CreateUser, rates.create_user.sweep()),
            (Limit::RequestsClient, rates.requests_client.sweep()),
            (Limit::RequestsNetwork, rates.requests_network.sweep()),
            (Limit::RequestsSession, rates.requests_session.sweep()),
        ];
        for (limit, left) in swept {
            let keys = self
                .metrics
                .limiter_keys
                .with_label_values(&[limit.label()]);
            keys.set(i64::try_from(left).unwrap_or(i64::MAX));
        }
    }
}
