//! The limits by their names, which configuration, metrics and logs share.

use crate::model::Rejection;
use crate::model::label::label;
use serde::{Serialize, Serializer};
use std::str::FromStr;
use std::time::Duration;

label! {
    /// A limit of the section `limits`, and `session.max_live`, by the name that `limits.shadow` and the
    /// metrics have for it.
    Limit {
        /// `limits.deny.create`.
        DenyCreate = "deny_create",
        /// `limits.deny.requests`.
        DenyRequests = "deny_requests",
        /// `limits.create.client`.
        CreateClient = "create_client",
        /// `limits.create.network`.
        CreateNetwork = "create_network",
        /// `limits.create.user`.
        CreateUser = "create_user",
        /// `limits.requests.client`.
        RequestsClient = "requests_client",
        /// `limits.requests.network`.
        RequestsNetwork = "requests_network",
        /// `limits.requests.session`.
        RequestsSession = "requests_session",
        /// `session.max_live`.
        LiveTotal = "live_total",
        /// `limits.live.client`.
        LiveClient = "live_client",
        /// `limits.live.network`.
        LiveNetwork = "live_network",
        /// `limits.live.user`.
        LiveUser = "live_user",
    }
}

impl Limit {
    /// Those that remember whom they count, on each replica.
    pub const REMEMBERING: &'static [Self] = &[
        Self::CreateClient,
        Self::CreateNetwork,
        Self::CreateUser,
        Self::RequestsClient,
        Self::RequestsNetwork,
        Self::RequestsSession,
    ];

    /// What a client is told when it is used up.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::CreateClient | Self::DenyCreate => "Too many sessions created from this address",
            Self::CreateNetwork => "Too many sessions created from this network",
            Self::CreateUser => "Too many sessions created by this user",
            Self::RequestsClient | Self::DenyRequests => "Too many requests from this address",
            Self::RequestsNetwork => "Too many requests from this network",
            Self::RequestsSession => "Too many requests on this session",
            Self::LiveTotal => "Too many rendezvous sessions",
            Self::LiveClient => "Too many rendezvous sessions from this address",
            Self::LiveNetwork => "Too many rendezvous sessions from this network",
            Self::LiveUser => "Too many rendezvous sessions of this user",
        }
    }
}

/// Some of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitSet(u16);

impl LimitSet {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// With this one.
    #[must_use]
    pub const fn with(self, limit: Limit) -> Self {
        Self(self.0 | 1 << limit.index())
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, limit: Limit) -> bool {
        self.0 & 1 << limit.index() != 0
    }

    /// Each of them.
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

impl From<Limit> for Rejection {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::DenyCreate => Self::DenyCreate,
            Limit::DenyRequests => Self::DenyRequests,
            Limit::CreateClient => Self::CreateClient,
            Limit::CreateNetwork => Self::CreateNetwork,
            Limit::CreateUser => Self::CreateUser,
            Limit::RequestsClient => Self::RequestsClient,
            Limit::RequestsNetwork => Self::RequestsNetwork,
            Limit::RequestsSession => Self::RequestsSession,
            Limit::LiveTotal => Self::LiveTotal,
            Limit::LiveClient => Self::LiveClient,
            Limit::LiveNetwork => Self::LiveNetwork,
            Limit::LiveUser => Self::LiveUser,
        }
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().find(|limit| limit.label() == text);
        known.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|limit| limit.label()).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.label())
    }
}

/// A limit is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitExceeded {
    /// The limit that rejected the request.
    pub limit: Limit,
    /// The time after which one more request passes.
    pub retry_after: Duration,
}
