//! The writes of a sign-in in the ETag dialect, and its end.

use crate::doctor::check::{CheckId, CheckOutcome, fail, needs};
use crate::doctor::check_context::{CheckContext, message, single_header};
use crate::doctor::checks::creation::no_etag;
use crate::doctor::checks::reads::FORWARD_CONDITIONS;
use crate::doctor::diagnosis::{
    CACHE, FORWARD_ERRORS, describe, matrix_error, media_type, unexpected,
};
use crate::doctor::exchange::ProbeRequest;
use hyper::header::ETAG;
use hyper::{Method, StatusCode};

/// Writes the other device's response.
pub(super) async fn write(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "each device sends its messages by this request";
    let session = context.etag_session()?;
    let payload = message(2);
    let response = context
        .put(&session.url, &session.etag, &payload, WHY)
        .await?;
    let request = format!("PUT {} with If-Match", session.url.path());
    if response.status == StatusCode::PRECONDITION_FAILED {
        return Err(fail(
            format!(
                "{request}: 412, for the ETag {} that was just received",
                session.etag
            ),
            "no device can send its first message",
            "turn off what changes ETags in the proxy: compression, rewriting of bodies",
        ));
    }
    let is_without_condition = response.is_ours
        && matrix_error(&response).is_some_and(|(errcode, _)| errcode == "M_MISSING_PARAM");
    if is_without_condition {
        let what = format!("{request}: {}", describe(&response));
        return Err(fail(what, WHY, FORWARD_CONDITIONS));
    }
    if response.status != StatusCode::ACCEPTED {
        return Err(unexpected(&request, &response, "202", WHY));
    }
    let etag = single_header(&response, &ETAG).ok_or_else(|| no_etag(&request))?;
    if etag == session.etag {
        return Err(fail(
            format!("{request}: 202 with the ETag before the write"),
            "the device takes its own message for the other's",
            CACHE,
        ));
    }
    context.record_write(payload, &response);
    Ok("202 with a new ETag".to_owned())
}

/// Writes over a message that is no longer there.
pub(super) async fn conflict(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "two devices that write at once must not lose a message";
    let session = context.etag_session()?;
    let stale = session.previous_etag.clone();
    let stale = stale.ok_or_else(|| needs(CheckId::Write))?;
    let response = context.put(&session.url, &stale, &message(3), WHY).await?;
    let request = format!("PUT {} with an old If-Match", session.url.path());
    if response.status != StatusCode::PRECONDITION_FAILED {
        return Err(unexpected(&request, &response, "412", WHY));
    }
    if matrix_error(&response).is_none() {
        let expected = "412 with a Matrix error in JSON";
        return Err(unexpected(&request, &response, expected, WHY));
    }
    if single_header(&response, &ETAG).is_none() {
        return Err(no_etag(&request));
    }
    Ok("412 with JSON and ETag".to_owned())
}

/// Deletes the session, and looks for it.
pub(super) async fn delete(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "a client that ends a sign-in deletes its session";
    const GONE: &str = "clients say \"expired\" at a 404 with JSON, and fail at any other response";
    let session = context.etag_session()?;
    let response = context
        .call(ProbeRequest::new(Method::DELETE, &session.url), WHY)
        .await?;
    let request = format!("DELETE {}", session.url.path());
    if response.status != StatusCode::NO_CONTENT {
        return Err(unexpected(&request, &response, "204", WHY));
    }
    if let Some(session) = &mut context.etag_session {
        session.is_deleted = true;
    }
    let response = context.call(ProbeRequest::get(&session.url), GONE).await?;
    let request = format!("GET {} after a DELETE", session.url.path());
    if response.status == StatusCode::OK {
        let what = format!("{request}: 200; expected 404");
        return Err(fail(what, "a cache answers for sessions that ended", CACHE));
    }
    if response.status != StatusCode::NOT_FOUND {
        return Err(unexpected(&request, &response, "404", GONE));
    }
    if media_type(&response) != "application/json" || matrix_error(&response).is_none() {
        let what = format!(
            "{request}: {}; expected a Matrix error in JSON",
            describe(&response)
        );
        return Err(fail(what, GONE, FORWARD_ERRORS));
    }
    Ok("204, then 404 with JSON".to_owned())
}
