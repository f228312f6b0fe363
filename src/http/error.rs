//! Every way in which a request is rejected. `error/mapping.rs` maps each to a response.

mod limit_message;
mod mapping;

pub use mapping::ErrorResponse;

use crate::model::Api;
use crate::policy::PolicyRejection;
use crate::session::CreateError;
use crate::store::StoreError;
use std::time::Duration;

/// An error response of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// The path is unknown.
    Unrecognized,
    /// The dialect of the path is off (R0.6).
    DialectDisabled,
    /// An HTTP/1.1 request without `Host`, or with two (R0.36).
    InvalidHost,
    /// A transfer coding other than `chunked`, once, or trailers (R0.42). The rest of the connection is
    /// not read.
    InvalidTransferCoding,
    /// No configured homeserver has the host that the request names.
    UnknownHost,
    /// The path is known, the method is not allowed.
    MethodNotAllowed {
        /// The allowed methods.
        allow: &'static str,
    },
    /// The session does not exist, or no longer exists.
    NotFound,
    /// The sequence token is stale.
    Conflict(Api),
    /// `If-Match` does not name the current state (RFC 9110, 13.1.1).
    PreconditionFailed,
    /// The body is not JSON, or not UTF-8.
    NotJson,
    /// The body ended early, or its chunks are invalid.
    BodyBroken,
    /// The body is JSON, but not one object with unique keys.
    BadJson(&'static str),
    /// A required field is missing.
    MissingParam(&'static str),
    /// A field or a path segment is invalid.
    InvalidParam(&'static str),
    /// The payload is too large.
    PayloadTooLarge,
    /// The body is too large; the rest of it is not read.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The policy rejected the request.
    Refused(PolicyRejection),
    /// The ETag dialect creates no session, because `maintenance` is on. (In the JSON dialect this
    /// is a rejection of the policy, and a 403.)
    Maintenance,
    /// The answer of `http.readiness_path` while the replica is not ready (R0.44). Such a request is not counted.
    NotReady,
    /// The session records no further transaction id.
    TxnsFull {
        /// The time until the session ends.
        retry_after: Duration,
    },
    /// The session accepts no further write.
    WritesFull {
        /// The time until the session ends.
        retry_after: Duration,
    },
    /// The store is unavailable; the outcome of a write is unknown.
    Store(StoreError),
    /// `http.request_timeout` has passed; the outcome of a write is unknown.
    RequestTimeout,
    /// A handler panicked.
    Internal,
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<CreateError> for ApiError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Limit(exceeded) => Self::Refused(PolicyRejection::Limit(exceeded)),
            CreateError::Store(error) => Self::Store(error),
        }
    }
}

impl From<PolicyRejection> for ApiError {
    fn from(refusal: PolicyRejection) -> Self {
        Self::Refused(refusal)
    }
}
