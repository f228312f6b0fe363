//! The body and headers of an error response.

use crate::http::error::ApiError;
use hyper::StatusCode;
use hyper::header::{ALLOW, CONNECTION, HeaderMap, HeaderValue, RETRY_AFTER};
use serde::Serialize;
use std::time::Duration;

#[derive(Serialize)]
struct ErrorBody<'a> {
    errcode: &'a str,
    #[serde(
        rename = "org.matrix.msc4108.errcode",
        skip_serializing_if = "Option::is_none"
    )]
    msc4108_errcode: Option<&'a str>,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    soft_logout: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

/// Builds the Matrix error body (client-server API, "Standard error response") and its headers.
pub(super) fn write_error(error: &ApiError, headers: &mut HeaderMap) -> Vec<u8> {
    let response = error.response();
    if let Some(after) = response.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
    }
    if response.close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let ApiError::MethodNotAllowed { allow } = error {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    // Only M_LIMIT_EXCEEDED has this field; a 503 uses the header alone.
    let is_limit_exceeded = response.status == StatusCode::TOO_MANY_REQUESTS;
    let retry_after_ms = response
        .retry_after
        .filter(|_| is_limit_exceeded)
        .map(milliseconds);
    let body = ErrorBody {
        errcode: response.errcode,
        msc4108_errcode: response.msc4108_errcode,
        error: response.message,
        soft_logout: response.soft_logout,
        retry_after_ms,
    };
    serde_json::to_vec(&body).expect("strings and a number")
}

/// Whole seconds, rounded up, and at least 1: 0 would invite the client to retry at once.
fn whole_seconds(duration: Duration) -> u64 {
    milliseconds(duration).div_ceil(1000)
}

/// Whole milliseconds, rounded up.
fn milliseconds(duration: Duration) -> u64 {
    duration
        .as_micros()
        .div_ceil(1000)
        .max(1)
        .try_into()
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{milliseconds, whole_seconds};
    use std::time::Duration;

    // R0.2
    #[test]
    fn wait_is_rounded_up_in_header_and_body() {
        for (micros, millis, seconds) in [
            (0, 1, 1),
            (1, 1, 1),
            (1_000_000, 1000, 1),
            (1_000_001, 1001, 2),
            (99_000_400, 99_001, 100),
        ] {
            let wait = Duration::from_micros(micros);
            assert_eq!(
                (milliseconds(wait), whole_seconds(wait)),
                (millis, seconds),
                "{wait:?}"
            );
        }
    }
}
