//! What must not pass: payloads that are too long, and page loads.

use crate::doctor::check::{CheckId, CheckOutcome, Problem, needs, warn};
use crate::doctor::check_context::CheckContext;
use crate::doctor::diagnosis::{describe, matrix_error, unexpected};
use crate::doctor::exchange::ProbeRequest;
use crate::model::MAX_PAYLOAD_BYTES;
use hyper::StatusCode;
use hyper::header::HeaderName;

/// The header by which a browser marks the load of a page.
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Writes the longest payload, and one that is a byte longer.
pub(super) async fn payload_size(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str = "messages have up to 4096 bytes, and the limit bounds what strangers store";
    let session = context.etag_session()?;
    if session.previous_etag.is_none() {
        return Err(needs(CheckId::Write));
    }
    let longest = "x".repeat(MAX_PAYLOAD_BYTES);
    let request = format!("PUT {} of {MAX_PAYLOAD_BYTES} bytes", session.url.path());
    let response = context
        .put(&session.url, &session.etag, &longest, WHY)
        .await?;
    if response.status != StatusCode::ACCEPTED {
        return Err(unexpected(&request, &response, "202", WHY));
    }
    context.record_write(longest, &response);
    let session = context.etag_session()?;
    let longer = "x".repeat(MAX_PAYLOAD_BYTES + 1);
    let request = format!("PUT {} of one byte more", session.url.path());
    let response = context
        .put(&session.url, &session.etag, &longer, WHY)
        .await?;
    if response.status != StatusCode::PAYLOAD_TOO_LARGE || matrix_error(&response).is_none() {
        let expected = "413 with a Matrix error";
        return Err(unexpected(&request, &response, expected, WHY));
    }
    Ok("4096 bytes pass, 4097 are 413".to_owned())
}

/// Opens the session as a page.
pub(super) async fn page_load(context: &mut CheckContext) -> CheckOutcome {
    const WHY: &str =
        "a session that opens as a page could show a stranger's content under this host's name";
    let session = context.etag_session()?;
    if !session.created.is_ours {
        let reason = "the session is not one of matrix-rendezvous";
        return Err(Problem::Skip(reason.to_owned()));
    }
    let call = ProbeRequest::get(&session.url).header(SEC_FETCH_MODE, "navigate");
    let response = context.call(call, WHY).await?;
    let request = format!("GET {} with Sec-Fetch-Mode: navigate", session.url.path());
    if response.status != StatusCode::FORBIDDEN || matrix_error(&response).is_none() {
        let what = format!("{request}: {}; expected 403", describe(&response));
        let action = "let the proxy forward Sec-Fetch-… header fields";
        return Err(warn(what, WHY, action));
    }
    Ok("403".to_owned())
}
