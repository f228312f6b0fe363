//! The rate limits of this replica, per client, IPv6 /48, user and session, and the deny lists.
//!
//! The store enforces the limits that hold over all replicas when it creates a session
//! (`store::session_limits`). A limit in shadow mode counts what it would reject and lets it pass.

use crate::clock::Clock;
use crate::config::limits::{DenyConfig, DenyListConfig, LimitsConfig, RateConfig};
use crate::limits::keyed_rate::{KeyedRateLimiter, OverflowPolicy, SweepStats};
use crate::model::{
    ClientIp, DenyList, Limit, LimitExceeded, LimitSet, SessionId, User, embedded_ipv4,
};
use crate::telemetry::metrics::Metrics;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The limits of a client and of its network.
const CREATE_LIMITS: [Limit; 2] = [Limit::CreateClient, Limit::CreateNetwork];
const REQUEST_LIMITS: [Limit; 2] = [Limit::RequestsClient, Limit::RequestsNetwork];

/// Why a limit rejected a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitRejection {
    /// A rate is used up.
    Exceeded(LimitExceeded),
    /// The client's address is on this deny list.
    Denied(DenyList),
}

/// Every rate limit and deny list of this replica, from the configuration's section `limits`.
#[derive(Debug)]
pub(crate) struct ReplicaLimits {
    rate_config: Option<RateConfig>,
    rates: Option<Arc<Rates>>,
    deny: DenyConfig,
    shadow: LimitSet,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Rates {
    discover_client: KeyedRateLimiter<ClientIp>,
    discover_network: KeyedRateLimiter<ClientIp>,
    create_client: KeyedRateLimiter<ClientIp>,
    create_network: KeyedRateLimiter<ClientIp>,
    create_user: KeyedRateLimiter<User>,
    requests_client: KeyedRateLimiter<ClientIp>,
    requests_network: KeyedRateLimiter<ClientIp>,
    requests_session: KeyedRateLimiter<SessionId>,
}

impl Rates {
    fn new(settings: RateConfig, clock: &Clock) -> Self {
        let RateConfig {
            max_keys,
            create,
            requests,
            ..
        } = settings;
        // A new sign-in can wait. One that has begun must not end because a table is full.
        let (shared, allow) = (OverflowPolicy::SharedBucket, OverflowPolicy::Allow);
        Self {
            discover_client: KeyedRateLimiter::new(create.client, max_keys, shared, clock),
            discover_network: KeyedRateLimiter::new(create.network, max_keys, shared, clock),
            create_client: KeyedRateLimiter::new(create.client, max_keys, shared, clock),
            create_network: KeyedRateLimiter::new(create.network, max_keys, shared, clock),
            create_user: KeyedRateLimiter::new(create.user, max_keys, shared, clock),
            requests_client: KeyedRateLimiter::new(requests.client, max_keys, allow, clock),
            requests_network: KeyedRateLimiter::new(requests.network, max_keys, allow, clock),
            requests_session: KeyedRateLimiter::new(requests.session, max_keys, allow, clock),
        }
    }
}

impl ReplicaLimits {
    /// Creates the limits. The counts of `previous` are kept if the rates are the same: a change of
    /// a deny list must not give every client a new allowance.
    pub(crate) fn new(
        settings: LimitsConfig,
        previous: Option<&Self>,
        clock: &Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let same = previous.filter(|previous| previous.rate_config == settings.rates);
        let rates = || {
            let rate_config = settings.rates?;
            Some(Arc::new(Rates::new(rate_config, clock)))
        };
        Self {
            rate_config: settings.rates,
            rates: same.map_or_else(rates, |same| same.rates.clone()),
            deny: settings.deny,
            shadow: settings.shadow,
            metrics,
        }
    }

    /// Whether clients are limited at all (`limits.enabled`).
    pub(crate) fn is_enabled(&self) -> bool {
        self.rates.is_some()
    }

    /// Counts one creation by the client at this address.
    pub(crate) fn check_create(&self, address: IpAddr) -> Result<(), LimitRejection> {
        self.check_deny_list(DenyList::Create, &self.deny.create, address)?;
        self.rates.as_ref().map_or(Ok(()), |rates| {
            let tables = [&rates.create_client, &rates.create_network];
            self.check_client_and_network(CREATE_LIMITS, tables, address.into())
        })
    }

    /// Counts one discovery by the client at this address. Discoveries have their own allowances,
    /// as large as those of creations: a client that discovers before it creates must not have only
    /// half as many creations.
    pub(crate) fn check_discover(&self, address: IpAddr) -> Result<(), LimitRejection> {
        self.check_deny_list(DenyList::Create, &self.deny.create, address)?;
        self.rates.as_ref().map_or(Ok(()), |rates| {
            let tables = [&rates.discover_client, &rates.discover_network];
            self.check_client_and_network(CREATE_LIMITS, tables, address.into())
        })
    }

    /// Counts one creation by a user.
    pub(crate) fn check_user_create(&self, user: &User) -> Result<(), LimitRejection> {
        self.rates.as_ref().map_or(Ok(()), |rates| {
            self.enforce(Limit::CreateUser, rates.create_user.try_acquire(user))
        })
    }

    /// Counts one request on a session.
    pub(crate) fn check_request(
        &self,
        address: IpAddr,
        session: Option<SessionId>,
    ) -> Result<(), LimitRejection> {
        self.check_deny_list(DenyList::Requests, &self.deny.requests, address)?;
        let Some(rates) = &self.rates else {
            return Ok(());
        };
        let tables = [&rates.requests_client, &rates.requests_network];
        self.check_client_and_network(REQUEST_LIMITS, tables, address.into())?;
        session.map_or(Ok(()), |session| {
            let outcome = rates.requests_session.try_acquire(&session);
            self.enforce(Limit::RequestsSession, outcome)
        })
    }

    /// Counts one request of a client and one of its network. If the network's allowance is used
    /// up, the client's key is removed: otherwise one network of 65,536 clients would fill the
    /// table, and new clients everywhere would be rejected.
    fn check_client_and_network(
        &self,
        [client_limit, network_limit]: [Limit; 2],
        [clients, networks]: [&KeyedRateLimiter<ClientIp>; 2],
        client: ClientIp,
    ) -> Result<(), LimitRejection> {
        self.enforce(client_limit, clients.try_acquire(&client))?;
        let Some(network) = client.network() else {
            return Ok(());
        };
        let outcome = networks.try_acquire(&network);
        // In shadow mode the network's limit rejects nothing, so the client's must go on counting.
        if outcome.is_err() && !self.shadow.has(network_limit) {
            clients.remove(&client);
        }
        self.enforce(network_limit, outcome)
    }

    fn check_deny_list(
        &self,
        list: DenyList,
        config: &DenyListConfig,
        address: IpAddr,
    ) -> Result<(), LimitRejection> {
        let in_ipv4 = match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => embedded_ipv4(v6).map(IpAddr::V4),
        };
        // Both forms: a list can contain the IPv4 address, or the range of a translator.
        let is_listed = |network: &IpNet| {
            network.contains(&address) || in_ipv4.is_some_and(|v4| network.contains(&v4))
        };
        if !config.networks.iter().any(is_listed) {
            return Ok(());
        }
        if config.is_shadow {
            self.metrics.shadowed.inc(list.into());
            return Ok(());
        }
        Err(LimitRejection::Denied(list))
    }

    fn enforce(&self, limit: Limit, outcome: Result<(), Duration>) -> Result<(), LimitRejection> {
        outcome.or_else(|retry_after| {
            if self.shadow.has(limit) {
                self.metrics.shadowed.inc(limit.into());
                return Ok(());
            }
            let exceeded = LimitExceeded { limit, retry_after };
            Err(LimitRejection::Exceeded(exceeded))
        })
    }

    /// Removes idle keys, and records the size of each table and its overflows.
    pub(crate) fn sweep(&self) {
        let Some(rates) = &self.rates else { return };
        // Both tables are swept in any case; the gauge of the limit shows the creations' table
        // only.
        let discovering = [
            rates.discover_client.sweep(),
            rates.discover_network.sweep(),
        ];
        for (limit, SweepStats { overflows, .. }) in CREATE_LIMITS.into_iter().zip(discovering) {
            self.metrics.limiter_overflows.inc_by(limit, overflows);
        }
        let swept = [
            (Limit::CreateClient, rates.create_client.sweep()),
            (Limit::CreateNetwork, rates.create_network.sweep()),
            (Limit::CreateUser, rates.create_user.sweep()),
            (Limit::RequestsClient, rates.requests_client.sweep()),
            (Limit::RequestsNetwork, rates.requests_network.sweep()),
            (Limit::RequestsSession, rates.requests_session.sweep()),
        ];
        for (limit, SweepStats { keys, overflows }) in swept {
            let keys = i64::try_from(keys).unwrap_or(i64::MAX);
            self.metrics.limiter_keys.set(limit, keys);
            self.metrics.limiter_overflows.inc_by(limit, overflows);
        }
    }
}

#[cfg(test)]
mod tests;
