//! The checks by id, and what a check may find.

/// A check. The order is that in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckId {
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
    Delete,
    Cors,
    Clock,
    Addresses,
    RouteMsc4388,
    RouteV1,
}

impl CheckId {
    /// Every check, in the order in which they are made: the later ones use what the earlier ones
    /// found.
    pub(super) const ALL: [Self; 25] = [
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
        Self::Delete,
        Self::Cors,
        Self::Clock,
        Self::Addresses,
        Self::RouteMsc4388,
        Self::RouteV1,
    ];

    /// The id in reports. It never changes: alerts and scripts name it. docs/doctor.md has a section
    /// of this name.
    pub(super) const fn name(self) -> &'static str {
        match self {
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
            Self::Delete => "delete",
            Self::Cors => "cors",
            Self::Clock => "clock",
            Self::Addresses => "addresses",
        }
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
    /// What was asked, and what came.
    pub(super) what: String,
    /// What that means for a sign-in.
    pub(super) why: String,
    /// What the operator should do.
    pub(super) action: String,
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
