//! The responses of the ETag dialect that have an ETag and dates.

use crate::http::error::ApiError;
use crate::http::etag::format_etag;
use crate::http::response::ApiResponse;
use crate::model::{SequenceToken, SubmittedToken};
use crate::store::{ReadResult, StoreError, Timestamps, WithTimestamps};
use bytes::Bytes;
use hyper::StatusCode;

/// Returns the response to a read: 304 if the client has the state already, that is if it `is_known`,
/// or `unless`, which the read named; else 200 with the payload.
pub(super) fn read_response(
    read: WithTimestamps<ReadResult>,
    unless: Option<SequenceToken>,
    is_known: impl FnOnce(&SequenceToken) -> bool,
) -> Result<ApiResponse, ApiError> {
    let (token, text) = match (read.result, unless) {
        (ReadResult::Unchanged { .. }, Some(token)) => (token, None),
        (ReadResult::Found { token, .. }, _) if is_known(&token) => (token, None),
        (ReadResult::Found { data, token, .. }, _) => (token, Some(data.to_bytes())),
        (ReadResult::Gone, _) => return Err(ApiError::NotFound),
        // The request named no token, so the store must return the payload; anything else is a
        // store error.
        (ReadResult::Unchanged { .. }, None) => return Err(ApiError::Internal),
    };
    let response = match text {
        Some(text) => ApiResponse::text(StatusCode::OK, text),
        None => ApiResponse::text(StatusCode::NOT_MODIFIED, Bytes::new()),
    };
    Ok(response.with_etag(
        format_etag(token),
        Some(require_timestamps(read.timestamps)?),
    ))
}

/// Returns a rejected write's response with the ETag that the write would have produced, if a retry
/// makes sense.
pub(super) fn rejected_write(
    error: ApiError,
    submitted: SubmittedToken,
) -> Result<ApiResponse, ApiError> {
    let status = error.response().status;
    let retryable = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    match submitted {
        SubmittedToken::Parsed { next, .. } if retryable.contains(&status) => {
            Ok(ApiResponse::from(error).with_etag(format_etag(next), None))
        }
        SubmittedToken::Parsed { .. } | SubmittedToken::Unknown => Err(error),
    }
}

/// Returns 412 with the ETag of the current state.
pub(super) fn precondition_failed(
    token: SequenceToken,
    timestamps: Option<Timestamps>,
) -> Result<ApiResponse, ApiError> {
    Ok(ApiResponse::from(ApiError::PreconditionFailed)
        .with_etag(format_etag(token), Some(require_timestamps(timestamps)?)))
}

/// The timestamps that the call requested.
pub(super) fn require_timestamps(timestamps: Option<Timestamps>) -> Result<Timestamps, ApiError> {
    timestamps.ok_or(ApiError::Store(StoreError::BadReply))
}
