//! The responses of the admin API: JSON objects. An error has the member `error`.

use crate::policy::AdminRejection;
use crate::session::{EndedSessions, OwnerCount, SessionCounts, WalkError};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use std::fmt::Display;

pub(super) fn counts(counts: &SessionCounts) -> Response<Full<Bytes>> {
    let list = |name: &str, owners: &[OwnerCount]| {
        let owner = |owner: &OwnerCount| json!({name: owner.pseudonym, "sessions": owner.sessions});
        owners.iter().map(owner).collect::<Vec<Value>>()
    };
    let body = json!({
        "live": counts.live,
        "counted": counts.counted,
        "complete": counts.is_complete,
        "clients": list("client", &counts.clients),
        "users": list("user", &counts.users),
    });
    with_json(StatusCode::OK, &body)
}

pub(super) fn ended(result: EndedSessions) -> Response<Full<Bytes>> {
    let body = json!({"ended": result.ended, "complete": result.is_complete});
    with_json(StatusCode::OK, &body)
}

pub(super) fn bad_request(error: &impl Display) -> Response<Full<Bytes>> {
    with_error(StatusCode::BAD_REQUEST, error)
}

pub(super) fn method_not_allowed() -> Response<Full<Bytes>> {
    let error = "GET counts the sessions, DELETE ends them";
    let mut response = with_error(StatusCode::METHOD_NOT_ALLOWED, &error);
    let allow = HeaderValue::from_static("GET, HEAD, DELETE");
    response.headers_mut().insert(ALLOW, allow);
    response
}

pub(super) fn rejection(rejection: AdminRejection) -> Response<Full<Bytes>> {
    let header = "send the header field Authorization: Bearer TOKEN";
    let (status, error) = match rejection {
        AdminRejection::Off | AdminRejection::NoToken => (
            StatusCode::UNAUTHORIZED,
            format!("the token is missing: {header}, with the content of admin.token_file"),
        ),
        AdminRejection::WrongToken => (
            StatusCode::UNAUTHORIZED,
            format!("the token is not that of admin.token_file: {header}"),
        ),
        AdminRejection::TooMany { .. } => (
            StatusCode::TOO_MANY_REQUESTS,
            "too many calls without the right token: wait as long as Retry-After says".to_owned(),
        ),
    };
    let mut response = with_error(status, &error);
    let headers = response.headers_mut();
    if let AdminRejection::TooMany { retry_after } = rejection {
        let seconds = retry_after.as_millis().div_ceil(1000).max(1);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        headers.insert(RETRY_AFTER, seconds.into());
    } else {
        // A 401 requires it (RFC 9110, 15.5.2).
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

pub(super) fn walk_failed(error: &WalkError) -> Response<Full<Bytes>> {
    match error {
        WalkError::Busy => with_error(StatusCode::CONFLICT, error),
        WalkError::Store { ended, .. } => {
            let body = json!({"error": error.to_string(), "ended": ended, "complete": false});
            with_json(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
    }
}

fn with_error(status: StatusCode, error: &impl Display) -> Response<Full<Bytes>> {
    with_json(status, &json!({"error": error.to_string()}))
}

fn with_json(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(format!("{body}\n").into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
