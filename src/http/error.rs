//! Every way in which a request is refused; what each means to a client is in `error/mapping.rs`.

mod mapping;

pub use mapping::ErrorResponse;

use crate::model::Api;
use crate::policy::PolicyRejection;
use crate::session::CreateError;
use crate::store::StoreError;
use std::time::Duration;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// No such path, or a dialect that is off.
    Unrecognized,
    /// An HTTP/1.1 request without `Host`, or with two (R0.36).
    InvalidHost,
    /// No homeserver of ours goes by the host that the request names.
    UnknownHost,
    /// The path is known, the method is not.
    MethodNotAllowed {
        /// The methods that are.
        allow: &'static str,
    },
    /// No such session, or no longer.
    NotFound,
    /// The sequence token was stale.
    Conflict(Api),
    /// `If-Match` names another state than the current one (RFC 9110 §13.1.1).
    PreconditionFailed,
    /// The body is not JSON, or not UTF-8.
    NotJson,
    /// The body did not arrive whole, or its chunks make no sense.
    BodyBroken,
    /// The body is JSON, but not one object with each key once.
    BadJson(&'static str),
    /// A field is missing.
    MissingParam(&'static str),
    /// A field or a path segment is malformed.
    InvalidParam(&'static str),
    /// The payload is too large.
    PayloadTooLarge,
    /// The body is too large, and what of it has not arrived is not waited for.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The policy refused.
    Refused(PolicyRejection),
    /// No session is created in the ETag dialect for now, by the operator's wish. (In the other one it is the
    /// policy's refusal, and a 403.)
    Maintenance,
    /// The session records no more transaction ids.
    TxnsFull {
        /// Time until the session ends.
        retry_after: Duration,
    },
    /// The session takes no more writes.
    WritesFull {
        /// Time until the session ends.
        retry_after: Duration,
    },
    /// The store could not answer; the outcome of a write is unknown.
    Store(StoreError),
    /// The request's whole deadline ran out; the outcome of a write is unknown.
    RequestTimeout,
    /// A panic.
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
