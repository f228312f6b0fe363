//! Parses the path and the method of a request.

use crate::http::error::ApiError;
use crate::model::Api;
use crate::model::{InvalidTxnId, SessionId, TxnKey};
use crate::policy::Intent;
use crate::telemetry::labels::{MethodLabel, RouteLabel};
use hyper::Method;
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// The unstable prefix of MSC4388, always served.
pub const MSC4388_UNSTABLE_PREFIX: &str = "/_matrix/client/unstable/io.element.msc4388/rendezvous";

/// The stable prefix of MSC4388, served by configuration.
pub const MSC4388_STABLE_PREFIX: &str = "/_matrix/client/v1/rendezvous";

/// The prefix of MSC4108 of 2024, served by configuration.
pub const MSC4108_PREFIX: &str = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";

/// Every method of any path, for a preflight (R0.14). [`Route::allow`] has those of one path.
pub const CORS_METHODS: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS";

const PREFIXES: [(Api, &str); 3] = [
    (Api::Msc4388, MSC4388_UNSTABLE_PREFIX),
    (Api::V1, MSC4388_STABLE_PREFIX),
    (Api::Msc4108, MSC4108_PREFIX),
];

/// The resource that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The API of the path.
    pub api: Api,
    /// The resource of that API.
    pub target: Target,
}

/// The resources of the rendezvous API, and everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Discovery and creation.
    Rendezvous,
    /// One session; `None` if the id is invalid.
    Session(Option<SessionId>),
    /// A write with a transaction id.
    Txn(Option<SessionId>, Result<TxnKey, InvalidTxnId>),
    /// Any other path, below a prefix or not.
    Other,
}

impl Target {
    /// The session that the path names.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        match self {
            Self::Session(id) | Self::Txn(id, _) => *id,
            Self::Rendezvous | Self::Other => None,
        }
    }
}

impl Route {
    /// Parses a request's path. It splits at raw slashes first and then percent-decodes each
    /// segment (R0.12), so an encoded slash is part of a segment. Several leading slashes count as
    /// one (R0.11), because a base URL often ends in a slash.
    #[must_use]
    pub fn parse(path: &str) -> Self {
        let path = &path[path.len() - path.trim_start_matches('/').len()..];
        for (api, prefix) in PREFIXES {
            if let Some(rest) = strip_prefix(path, &prefix[1..]) {
                let target = match Target::parse(rest) {
                    // The ETag dialect has no txnIds.
                    Target::Txn(..) if api == Api::Msc4108 => Target::Other,
                    target => target,
                };
                return Self { api, target };
            }
        }
        Self {
            api: Api::None,
            target: Target::Other,
        }
    }

    /// The methods of this path, for `Allow` (RFC 9110, 10.2.1).
    #[must_use]
    pub fn allow(self) -> &'static str {
        match self.target {
            Target::Rendezvous if self.api == Api::Msc4108 => "POST, OPTIONS",
            Target::Rendezvous => "GET, HEAD, POST, OPTIONS",
            Target::Session(_) => "GET, HEAD, PUT, DELETE, OPTIONS",
            Target::Txn(..) => "PUT, OPTIONS",
            Target::Other => "OPTIONS",
        }
    }

    /// The intent of a method on this path.
    ///
    /// # Errors
    /// [`ApiError::Unrecognized`] or [`ApiError::MethodNotAllowed`] (R0.4, R0.5).
    pub fn intent(self, method: &Method) -> Result<Intent, ApiError> {
        match (self.target, method) {
            (Target::Other, _) => Err(ApiError::Unrecognized),
            (Target::Rendezvous, &Method::GET | &Method::HEAD) if self.api != Api::Msc4108 => {
                Ok(Intent::Discover)
            }
            (Target::Rendezvous, &Method::POST) => Ok(Intent::Create),
            (Target::Session(_), &Method::GET | &Method::HEAD) => Ok(Intent::Read),
            (Target::Session(_) | Target::Txn(..), &Method::PUT) => Ok(Intent::Write),
            (Target::Session(_), &Method::DELETE) => Ok(Intent::Delete),
            _ => Err(ApiError::MethodNotAllowed {
                allow: self.allow(),
            }),
        }
    }

    /// The path's template, for metrics.
    #[must_use]
    pub fn label(self) -> RouteLabel {
        match self.target {
            Target::Rendezvous => RouteLabel::Rendezvous,
            Target::Session(_) => RouteLabel::Session,
            Target::Txn(..) => RouteLabel::Txn,
            Target::Other => RouteLabel::Other,
        }
    }
}

impl Target {
    /// Parses the rest after the prefix: empty, or segments that each begin with a slash.
    fn parse(rest: &str) -> Self {
        // The fast path for nearly every request: our ids contain neither slashes nor escapes.
        if let Some(id) = rest.as_bytes().get(1..).and_then(SessionId::parse) {
            return Self::Session(Some(id));
        }
        if rest == "/" {
            return Self::Rendezvous;
        }
        let mut segments = rest.split('/').skip(1);
        match (segments.next(), segments.next(), segments.next()) {
            (None, ..) => Self::Rendezvous,
            (Some(id), None, _) => Self::Session(SessionId::parse(&decode(id))),
            (Some(id), Some(txn), None) => {
                Self::Txn(SessionId::parse(&decode(id)), TxnKey::parse(&decode(txn)))
            }
            (Some(_), Some(_), Some(_)) => Self::Other,
        }
    }
}

/// Returns the rest of `path` after `prefix`, if the prefix ends at a segment boundary.
fn strip_prefix<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    if let Some(rest) = path.strip_prefix(prefix) {
        return (rest.is_empty() || rest.starts_with('/')).then_some(rest);
    }
    if !path.contains('%') {
        return None;
    }
    let mut rest = path;
    for (index, expected) in prefix.split('/').enumerate() {
        if index > 0 {
            rest = rest.strip_prefix('/')?;
        }
        let (segment, _) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if *decode(segment) != *expected.as_bytes() {
            return None;
        }
        rest = &rest[segment.len()..];
    }
    Some(rest)
}

fn decode(segment: &str) -> Cow<'_, [u8]> {
    // The decoder checks every byte, and clients that follow the proposal encode none.
    if segment.contains('%') {
        percent_decode(segment.as_bytes()).into()
    } else {
        segment.as_bytes().into()
    }
}

/// The label of the method in metrics.
#[must_use]
pub fn method_label(method: &Method) -> MethodLabel {
    match *method {
        Method::GET => MethodLabel::Get,
        Method::HEAD => MethodLabel::Head,
        Method::POST => MethodLabel::Post,
        Method::PUT => MethodLabel::Put,
        Method::DELETE => MethodLabel::Delete,
        Method::OPTIONS => MethodLabel::Options,
        _ => MethodLabel::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::{MSC4108_PREFIX, MSC4388_STABLE_PREFIX, MSC4388_UNSTABLE_PREFIX, Route, Target};
    use crate::model::Api;
    use crate::model::{InvalidTxnId, SessionId, TxnKey};

    fn target(path: &str) -> Target {
        Route::parse(path).target
    }

    #[test]
    fn paths_name_resources() {
        let id = SessionId::random();
        assert_eq!(
            Route::parse(MSC4388_UNSTABLE_PREFIX),
            Route {
                api: Api::Msc4388,
                target: Target::Rendezvous
            }
        );
        assert_eq!(
            Route::parse(MSC4388_STABLE_PREFIX),
            Route {
                api: Api::V1,
                target: Target::Rendezvous
            }
        );
        assert_eq!(
            Route::parse(&format!("{MSC4108_PREFIX}/{id}")),
            Route {
                api: Api::Msc4108,
                target: Target::Session(Some(id))
            }
        );
        assert_eq!(
            target(&format!("/{MSC4388_UNSTABLE_PREFIX}")),
            Target::Rendezvous
        );
        assert_eq!(
            target(&format!("{MSC4388_UNSTABLE_PREFIX}/{id}")),
            Target::Session(Some(id))
        );
        for prefix in [
            MSC4388_UNSTABLE_PREFIX,
            MSC4388_STABLE_PREFIX,
            MSC4108_PREFIX,
        ] {
            assert_eq!(target(&format!("{prefix}/")), Target::Rendezvous);
        }
        assert_eq!(
            target(&format!("{MSC4388_UNSTABLE_PREFIX}//")),
            Target::Txn(None, Err(InvalidTxnId))
        );
        let txn = TxnKey::parse(b"t1");
        assert_eq!(
            target(&format!("{MSC4388_UNSTABLE_PREFIX}/{id}/t1")),
            Target::Txn(Some(id), txn)
        );
        assert_eq!(
            target(&format!("{MSC4388_UNSTABLE_PREFIX}/{id}/t%31")),
            Target::Txn(Some(id), txn)
        );
        assert_eq!(
            target(&format!("{MSC4388_UNSTABLE_PREFIX}/{id}/")),
            Target::Txn(Some(id), Err(InvalidTxnId))
        );
        // An unknown path below a prefix still gets the headers of its API.
        for (other, api) in [
            ("", Api::None),
            ("/", Api::None),
            ("*", Api::None),
            ("/x", Api::None),
            (&format!("{MSC4388_UNSTABLE_PREFIX}x"), Api::None),
            (&format!("{MSC4388_UNSTABLE_PREFIX}/a/b/c"), Api::Msc4388),
            (&format!("{MSC4108_PREFIX}/a/b"), Api::Msc4108),
        ] {
            let target = Target::Other;
            assert_eq!(Route::parse(other), Route { api, target }, "{other}");
        }
    }

    #[test]
    fn encoded_slash_is_part_of_its_segment() {
        let id = SessionId::random();
        assert_eq!(
            target(&format!("{MSC4388_UNSTABLE_PREFIX}%2F{id}")),
            Target::Other
        );
        assert_eq!(
            target(&format!("{MSC4388_UNSTABLE_PREFIX}/{id}%2Ft1")),
            Target::Session(None)
        );
        assert_eq!(
            target(&format!("{MSC4388_UNSTABLE_PREFIX}/{id}/a%2Fb")),
            Target::Txn(Some(id), Err(InvalidTxnId))
        );
        let encoded = MSC4388_UNSTABLE_PREFIX.replace("rendezvous", "%72endezvous");
        assert_eq!(
            target(&format!("{encoded}/{id}")),
            Target::Session(Some(id))
        );
    }
}
