//! The single mapping from an error to what clients and operators see.

use crate::http::error::ApiError;
use crate::http::error::limit_message::limit_message;
use crate::model::{Api, LimitExceeded, Rejection};
use crate::policy::PolicyRejection;
use crate::policy::auth::TokenRejection;
use crate::store::StoreError;
use hyper::StatusCode;
use std::time::Duration;

/// The response to an error, and its reason for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorResponse<'a> {
    /// The HTTP status.
    pub status: StatusCode,
    /// The Matrix error code.
    pub errcode: &'a str,
    /// The additional error code of MSC4108 of 2024, `org.matrix.msc4108.errcode`.
    pub msc4108_errcode: Option<&'static str>,
    /// The message for people.
    pub message: &'static str,
    /// The reason in `rendezvous_rejections_total`.
    pub reason: Rejection,
    /// The time after which a retry makes sense, if it is known.
    pub retry_after: Option<Duration>,
    /// With a 401: whether the client may keep its stored data (client-server API, "Soft logout").
    pub soft_logout: Option<bool>,
    /// Whether the connection must close, because part of the request was left unread.
    pub close: bool,
}

/// The retry interval after an outage of unknown length: short, because a sign-in is waiting.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// The retry interval during maintenance, which takes minutes; no person waits that long.
const MAINTENANCE_RETRY: Duration = Duration::from_mins(1);

impl ApiError {
    /// Returns the response to this error. The Matrix error codes are those of the client-server
    /// API and of MSC4388.
    #[must_use]
    #[expect(
        clippy::too_many_lines,
        reason = "one exhaustive match is the point of this file"
    )]
    pub fn response(&self) -> ErrorResponse<'_> {
        use Rejection as R;
        use StatusCode as S;
        let matrix_error = |status, errcode, message, reason| ErrorResponse {
            status,
            errcode,
            msc4108_errcode: None,
            message,
            reason,
            retry_after: None,
            soft_logout: None,
            close: false,
        };
        let too_many_requests = |message, reason, retry_after| ErrorResponse {
            retry_after: Some(retry_after),
            ..matrix_error(S::TOO_MANY_REQUESTS, "M_LIMIT_EXCEEDED", message, reason)
        };
        let unavailable = |message, reason| ErrorResponse {
            retry_after: Some(RETRY_SOON),
            ..matrix_error(S::SERVICE_UNAVAILABLE, "M_UNKNOWN", message, reason)
        };
        match self {
            Self::Unrecognized => matrix_error(
                S::NOT_FOUND,
                "M_UNRECOGNIZED",
                "Unrecognized request",
                R::Unrecognized,
            ),
            // Clients cannot tell it from an unknown path; operators can.
            Self::DialectDisabled => matrix_error(
                S::NOT_FOUND,
                "M_UNRECOGNIZED",
                "Unrecognized request",
                R::DialectDisabled,
            ),
            Self::InvalidHost => matrix_error(
                S::BAD_REQUEST,
                "M_UNKNOWN",
                "HTTP/1.1 requires exactly one Host header",
                R::InvalidHost,
            ),
            Self::InvalidTransferCoding => ErrorResponse {
                close: true,
                ..matrix_error(
                    S::BAD_REQUEST,
                    "M_UNKNOWN",
                    "The only supported Transfer-Encoding is chunked, once, without trailers",
                    R::InvalidTransferCoding,
                )
            },
            Self::UnknownHost => matrix_error(
                S::NOT_FOUND,
                "M_UNRECOGNIZED",
                "No homeserver by this name is served here",
                R::UnknownHost,
            ),
            Self::MethodNotAllowed { .. } => matrix_error(
                S::METHOD_NOT_ALLOWED,
                "M_UNRECOGNIZED",
                "Unrecognized method for this path",
                R::MethodNotAllowed,
            ),
            Self::NotFound => matrix_error(
                S::NOT_FOUND,
                "M_NOT_FOUND",
                "No such rendezvous session, or it has expired",
                R::NotFound,
            ),
            Self::Conflict(api) => {
                let errcode = match api {
                    Api::V1 => "M_CONCURRENT_WRITE",
                    Api::Msc4388 | Api::Msc4108 | Api::None => {
                        "IO_ELEMENT_MSC4388_CONCURRENT_WRITE"
                    }
                };
                matrix_error(
                    S::CONFLICT,
                    errcode,
                    "sequence_token is not the current one",
                    R::Conflict,
                )
            }
            Self::PreconditionFailed => ErrorResponse {
                msc4108_errcode: Some("M_CONCURRENT_WRITE"),
                ..matrix_error(
                    S::PRECONDITION_FAILED,
                    "M_UNKNOWN",
                    "If-Match is not the current ETag",
                    R::Conflict,
                )
            },
            Self::NotJson => matrix_error(
                S::BAD_REQUEST,
                "M_NOT_JSON",
                "The body is not valid JSON",
                R::NotJson,
            ),
            Self::BodyBroken => ErrorResponse {
                close: true,
                ..matrix_error(
                    S::BAD_REQUEST,
                    "M_NOT_JSON",
                    "The body did not arrive whole",
                    R::NotJson,
                )
            },
            Self::BadJson(message) => {
                matrix_error(S::BAD_REQUEST, "M_BAD_JSON", message, R::BadJson)
            }
            Self::MissingParam(message) => {
                matrix_error(S::BAD_REQUEST, "M_MISSING_PARAM", message, R::MissingParam)
            }
            Self::InvalidParam(message) => {
                matrix_error(S::BAD_REQUEST, "M_INVALID_PARAM", message, R::InvalidParam)
            }
            Self::PayloadTooLarge => matrix_error(
                S::PAYLOAD_TOO_LARGE,
                "M_TOO_LARGE",
                "The payload is longer than 4096 bytes",
                R::TooLarge,
            ),
            Self::BodyTooLarge => ErrorResponse {
                close: true,
                ..matrix_error(
                    S::PAYLOAD_TOO_LARGE,
                    "M_TOO_LARGE",
                    "The body is longer than 32 KiB",
                    R::TooLarge,
                )
            },
            Self::BodyTimeout => ErrorResponse {
                close: true,
                ..matrix_error(
                    S::REQUEST_TIMEOUT,
                    "M_UNKNOWN",
                    "The body did not arrive in time",
                    R::BodyTimeout,
                )
            },
            Self::Refused(PolicyRejection::FetchMetadata) => matrix_error(
                S::FORBIDDEN,
                "M_FORBIDDEN",
                "Rendezvous sessions cannot be loaded as a document",
                R::FetchMetadata,
            ),
            Self::Refused(PolicyRejection::Limit(LimitExceeded { limit, retry_after })) => {
                too_many_requests(limit_message(*limit), R::Limit(*limit), *retry_after)
            }
            Self::Refused(PolicyRejection::Denied(list)) => matrix_error(
                S::FORBIDDEN,
                "M_FORBIDDEN",
                "This address may not use the service",
                R::Denied(*list),
            ),
            Self::Refused(PolicyRejection::Maintenance) => matrix_error(
                S::FORBIDDEN,
                "M_FORBIDDEN",
                "No new rendezvous sessions for now",
                R::Maintenance,
            ),
            // Clients of the ETag dialect do not discover first, and take a 403 as final.
            Self::Maintenance => ErrorResponse {
                retry_after: Some(MAINTENANCE_RETRY),
                ..unavailable("No new rendezvous sessions for now", R::Maintenance)
            },
            Self::Refused(PolicyRejection::SessionBusy) => too_many_requests(
                "Too many requests on this session at a time",
                R::SessionBusy,
                RETRY_SOON,
            ),
            Self::Refused(PolicyRejection::ClientBusy) => too_many_requests(
                "Too many requests from this address at a time",
                R::ClientBusy,
                RETRY_SOON,
            ),
            Self::Refused(PolicyRejection::TokenRejection(TokenRejection::NoToken)) => {
                matrix_error(
                    S::FORBIDDEN,
                    "M_FORBIDDEN",
                    "Only users of the homeserver may create a rendezvous session",
                    R::NoToken,
                )
            }
            Self::Refused(PolicyRejection::TokenRejection(TokenRejection::Rejected {
                errcode,
                soft_logout,
            })) => ErrorResponse {
                soft_logout: Some(*soft_logout),
                ..matrix_error(
                    S::UNAUTHORIZED,
                    errcode.as_str(),
                    "The homeserver refuses the access token",
                    R::TokenRefused,
                )
            },
            Self::Refused(PolicyRejection::TokenRejection(TokenRejection::Forbidden)) => {
                matrix_error(
                    S::FORBIDDEN,
                    "M_FORBIDDEN",
                    "This user may not create a rendezvous session",
                    R::TokenForbidden,
                )
            }
            Self::Refused(PolicyRejection::TokenRejection(TokenRejection::Unverified(error))) => {
                ErrorResponse {
                    retry_after: Some(error.retry_after().max(RETRY_SOON)),
                    ..unavailable(
                        "The access token cannot be checked at the moment; try again",
                        R::AuthUnavailable,
                    )
                }
            }
            Self::TxnsFull { retry_after } => too_many_requests(
                "Too many transaction ids in this session",
                R::TxnsFull,
                *retry_after,
            ),
            Self::WritesFull { retry_after } => too_many_requests(
                "Too many writes to this session",
                R::WritesFull,
                *retry_after,
            ),
            Self::Store(
                StoreError::Unavailable(_)
                | StoreError::ConnectionLost(_)
                | StoreError::NotReplicated(_)
                | StoreError::Rejected(_)
                | StoreError::Timeout
                | StoreError::BadReply,
            ) => unavailable(
                "The session store is not available; try again",
                R::StoreUnavailable,
            ),
            Self::NotReady => unavailable("This replica is not ready", R::StoreUnavailable),
            Self::RequestTimeout => unavailable("The request took too long", R::RequestTimeout),
            Self::Internal => matrix_error(
                S::INTERNAL_SERVER_ERROR,
                "M_UNKNOWN",
                "Internal server error",
                R::Panic,
            ),
        }
    }
}
