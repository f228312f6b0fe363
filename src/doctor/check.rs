//! The checks by id, and what a check may find.

/// A check. The order is that in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckId {
    Configuration,
    RedisConnection,
    RedisWrite,
    RedisFit,
    RedisMemory,
    RedisClock,
    TokenVerifier,
    ReplicasReady,
    ReplicasAlike,
    TrustedProxies,
    WellKnown,
    WellKnownCors,
    Versions,
    DeviceGrant,
    DeviceEndpoint,
    LinkPage,
    Create,
    SessionUrl,
    RouteMsc4108,
    OneStore,
    Read,
    NotModified,
    Write,
    ReadAfterWrite,
    HeldRead,
    Conflict,
    PayloadSize,
    PageLoad,
    Preflight,
    SteadyPolls,
    KeptConnection,
    Delete,
    Cors,
    Clock,
    Addresses,
    Certificate,
    RouteMsc4388,
    Authorization,
    JsonExchange,
    RouteV1,
}

impl CheckId {
    /// Every check, in the order in which they are made: the later ones use what the earlier ones
    /// found.
    pub(super) const ALL: [Self; 40] = [
        Self::Configuration,
        Self::RedisConnection,
        Self::RedisWrite,
        Self::RedisFit,
        Self::RedisMemory,
        Self::RedisClock,
        Self::TokenVerifier,
        Self::ReplicasReady,
        Self::ReplicasAlike,
        Self::TrustedProxies,
        Self::WellKnown,
        Self::WellKnownCors,
        Self::Versions,
        Self::DeviceGrant,
        Self::DeviceEndpoint,
        Self::LinkPage,
        Self::Create,
        Self::SessionUrl,
        Self::RouteMsc4108,
        Self::OneStore,
        Self::Read,
        Self::NotModified,
        Self::Write,
        Self::ReadAfterWrite,
        Self::HeldRead,
        Self::Conflict,
        Self::PayloadSize,
        Self::PageLoad,
        Self::Preflight,
        Self::SteadyPolls,
        Self::KeptConnection,
        Self::Delete,
        Self::Cors,
        Self::Clock,
        Self::Addresses,
        Self::Certificate,
        Self::RouteMsc4388,
        Self::Authorization,
        Self::JsonExchange,
        Self::RouteV1,
    ];

    /// Whether it is about the configuration or the replicas, and not about one homeserver. The alert
    /// `RendezvousFailsFromOutside` leaves these ids out.
    pub(super) const fn is_inside(self) -> bool {
        matches!(
            self,
            Self::Configuration
                | Self::RedisConnection
                | Self::RedisWrite
                | Self::RedisFit
                | Self::RedisMemory
                | Self::RedisClock
                | Self::TokenVerifier
                | Self::ReplicasReady
                | Self::ReplicasAlike
                | Self::TrustedProxies
        )
    }

    /// The id in reports. It never changes: alerts and scripts name it. docs/doctor.md has a section
    /// of this name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::RedisConnection => "redis-connection",
            Self::RedisWrite => "redis-write",
            Self::RedisFit => "redis-fit",
            Self::RedisMemory => "redis-memory",
            Self::RedisClock => "redis-clock",
            Self::TokenVerifier => "token-verifier",
            Self::ReplicasReady => "replicas-ready",
            Self::ReplicasAlike => "replicas-alike",
            Self::TrustedProxies => "trusted-proxies",
            Self::WellKnown => "well-known",
            Self::WellKnownCors => "well-known-cors",
            Self::Versions => "versions",
            Self::DeviceGrant => "device-grant",
            Self::DeviceEndpoint => "device-endpoint",
            Self::LinkPage => "link-page",
            Self::Create => "create",
            Self::SessionUrl => "session-url",
            Self::RouteMsc4108 => "route-msc4108",
            Self::RouteMsc4388 => "route-msc4388",
            Self::RouteV1 => "route-v1",
            Self::Read => "read",
            Self::NotModified => "not-modified",
            Self::OneStore => "one-store",
            Self::Write => "write",
            Self::ReadAfterWrite => "read-after-write",
            Self::HeldRead => "held-read",
            Self::Conflict => "conflict",
            Self::PayloadSize => "payload-size",
            Self::PageLoad => "page-load",
            Self::Preflight => "preflight",
            Self::SteadyPolls => "steady-polls",
            Self::KeptConnection => "kept-connection",
            Self::Delete => "delete",
            Self::Cors => "cors",
            Self::Clock => "clock",
            Self::Addresses => "addresses",
            Self::Certificate => "certificate",
            Self::Authorization => "authorization",
            Self::JsonExchange => "json-exchange",
        }
    }
}

/// The checks of one report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckScope {
    /// Every check.
    All,
    /// The checks of the configuration and of the replicas, which concern every homeserver.
    Inside,
    /// The checks that send what a client would send.
    Outside,
}

impl CheckScope {
    /// Returns the checks, in the order in which they are made.
    pub(super) fn checks(self) -> impl Iterator<Item = CheckId> {
        let is_in_scope = move |id: &CheckId| match self {
            Self::All => true,
            Self::Inside => id.is_inside(),
            Self::Outside => !id.is_inside(),
        };
        CheckId::ALL.into_iter().filter(is_in_scope)
    }
}

/// What a check found: what it saw, or a problem.
pub(super) type CheckOutcome = Result<String, Problem>;

/// A check that did not pass.
#[derive(Debug)]
pub(super) enum Problem {
    /// Sign-ins fail by this, for some or for all clients.
    Fail(Finding),
    /// Sign-ins work, but something is not as it should be.
    Warn(Finding),
    /// The check could not be made; the reason.
    Skip(String),
}

/// What is wrong, in the words of the report.
#[derive(Debug)]
pub(super) struct Finding {
    /// The request, and its response.
    pub(super) what: String,
    /// What that means for a sign-in.
    pub(super) why: String,
    /// What the operator should do.
    pub(super) action: String,
}

impl Problem {
    /// What was seen, or why the check was not made.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Fail(finding) | Self::Warn(finding) => &finding.what,
            Self::Skip(reason) => reason,
        }
    }
}

impl Finding {
    fn new(what: impl Into<String>, why: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            why: why.into(),
            action: action.into(),
        }
    }
}

/// Returns the [`Problem::Fail`] of these words.
pub(super) fn fail(
    what: impl Into<String>,
    why: impl Into<String>,
    action: impl Into<String>,
) -> Problem {
    Problem::Fail(Finding::new(what, why, action))
}

/// Returns the [`Problem::Warn`] of these words.
pub(super) fn warn(
    what: impl Into<String>,
    why: impl Into<String>,
    action: impl Into<String>,
) -> Problem {
    Problem::Warn(Finding::new(what, why, action))
}

/// Returns the [`Problem::Skip`] of a check that needs what another check did not find.
pub(super) fn needs(check: CheckId) -> Problem {
    Problem::Skip(format!("needs {}", check.name()))
}
