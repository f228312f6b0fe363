//! Limits, under the names that the configuration, metrics and logs share.

use crate::model::label::label;
use serde::{Serialize, Serializer};
use std::str::FromStr;
use std::time::Duration;

label! {
    /// A limit of the section `limits`, or `session.max_live`. Its label is its name in
    /// `limits.shadow` and in metrics.
    Limit {
        /// `limits.create.client`: rate of creations per client.
        CreateClient = "create_client",
        /// `limits.create.network`: rate of creations per IPv6 /48.
        CreateNetwork = "create_network",
        /// `limits.create.user`: rate of creations per user.
        CreateUser = "create_user",
        /// `limits.requests.client`: rate of requests on sessions and on unknown paths per client.
        RequestsClient = "requests_client",
        /// `limits.requests.network`: rate of requests on sessions and on unknown paths per IPv6 /48.
        RequestsNetwork = "requests_network",
        /// `limits.requests.session`: rate of requests per session.
        RequestsSession = "requests_session",
        /// `session.max_live`: live sessions in total.
        LiveTotal = "live_total",
        /// `limits.live.client`: live sessions per client.
        LiveClient = "live_client",
        /// `limits.live.network`: live sessions per IPv6 /48.
        LiveNetwork = "live_network",
        /// `limits.live.user`: live sessions per user.
        LiveUser = "live_user",
        /// `limits.live.ipv4_24`: fraction of the live sessions per IPv4 /24.
        LiveIpv4Slash24 = "live_ipv4_24",
        /// `limits.live.ipv4_16`: fraction of the live sessions per IPv4 /16.
        LiveIpv4Slash16 = "live_ipv4_16",
        /// `limits.live.ipv6_40`: fraction of the live sessions per IPv6 /40.
        LiveIpv6Slash40 = "live_ipv6_40",
        /// `limits.live.ipv6_32`: fraction of the live sessions per IPv6 /32.
        LiveIpv6Slash32 = "live_ipv6_32",
    }
}

label! {
    /// A deny list of the section `limits.deny`.
    DenyList {
        /// `limits.deny.create`: addresses that may not create or discover sessions.
        Create = "deny_create",
        /// `limits.deny.requests`: addresses that may only create, discover and send preflights.
        Requests = "deny_requests",
    }
}

label! {
    /// A rule that can be in shadow mode: it counts what it would reject, and lets it pass.
    ShadowRule {
    }
    with {
        /// A deny list.
        Deny(DenyList),
        /// A limit.
        Limit(Limit),
    }
}

impl Limit {
    /// The rate limits. Each remembers its keys on each replica. They are the first of `ALL`.
    pub const KEYED: &'static [Self] = &[
        Self::CreateClient,
        Self::CreateNetwork,
        Self::CreateUser,
        Self::RequestsClient,
        Self::RequestsNetwork,
        Self::RequestsSession,
    ];
}

/// A set of limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitSet(u16);

impl LimitSet {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Returns the set with `limit` added.
    #[must_use]
    pub const fn with(self, limit: Limit) -> Self {
        Self(self.0 | 1 << limit.index())
    }

    /// Whether `limit` is in the set.
    #[must_use]
    pub const fn has(self, limit: Limit) -> bool {
        self.0 & 1 << limit.index() != 0
    }

    /// Iterates over the limits in the set.
    pub fn iter(self) -> impl Iterator<Item = Limit> {
        let all = Limit::ALL.iter().copied();
        all.filter(move |limit| self.has(*limit))
    }
}

impl FromIterator<Limit> for LimitSet {
    fn from_iter<I: IntoIterator<Item = Limit>>(limits: I) -> Self {
        limits.into_iter().fold(Self::default(), Self::with)
    }
}

impl FromStr for ShadowRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = Self::ALL.iter().find(|rule| rule.label() == text);
        rule.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|rule| rule.label()).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

impl Serialize for ShadowRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.label())
    }
}

/// The error of a request that a limit rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitExceeded {
    /// The limit that rejected the request.
    pub limit: Limit,
    /// The time after which one more request passes.
    pub retry_after: Duration,
}
