//! The required parts of a request of the ETag dialect.

use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::etag::EtagList;
use crate::http::host;
use crate::model::Payload;
use hyper::header::{CONTENT_TYPE, HeaderMap, IF_MATCH};

/// A write: the expected state and the new payload.
pub(super) async fn parse_write<B: RequestBody>(
    context: &mut RequestContext<'_, B>,
) -> Result<(EtagList, Payload), ApiError> {
    let missing = ApiError::MissingParam("The header If-Match is missing");
    let tags = EtagList::parse(context.headers(), &IF_MATCH).ok_or(missing)?;
    Ok((tags, read_text(context).await?))
}

/// The same for a rejected write, as far as it has arrived: a rejected client must not hold
/// resources by sending slowly.
///
/// # Errors
/// `InvalidTransferCoding`, which closes the connection.
pub(super) async fn parse_rejected_write<B: RequestBody>(
    context: &mut RequestContext<'_, B>,
) -> Result<Option<(EtagList, Payload)>, ApiError> {
    let tags = EtagList::parse(context.headers(), &IF_MATCH);
    let is_text = require_text_plain(context.headers()).is_ok();
    let (Some(tags), true) = (tags, is_text) else {
        return Ok(None);
    };
    let body = context.buffered_body().await?;
    let payload = body.and_then(|body| parse_payload(&body).ok());
    Ok(payload.map(|payload| (tags, payload)))
}

/// Reads a body of text.
pub(super) async fn read_text<B: RequestBody>(
    context: &mut RequestContext<'_, B>,
) -> Result<Payload, ApiError> {
    require_text_plain(context.headers())?;
    let body = context.read_body().await?;
    parse_payload(&body)
}

fn parse_payload(body: &[u8]) -> Result<Payload, ApiError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| ApiError::InvalidParam("The payload is not UTF-8"))?;
    Payload::new(text).map_err(|_| ApiError::PayloadTooLarge)
}

/// Checks the content type. The dialect uses text only; parameters of the type are ignored (R2.28).
fn require_text_plain(headers: &HeaderMap) -> Result<(), ApiError> {
    let content_type = headers
        .get(CONTENT_TYPE)
        .ok_or(ApiError::MissingParam("The header Content-Type is missing"))?;
    let essence = content_type.to_str().unwrap_or("").split(';').next();
    if essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/plain")) {
        return Ok(());
    }
    Err(ApiError::InvalidParam("Content-Type is not text/plain"))
}

/// Returns the URL at which clients reach this server, without a trailing slash: the configured one, or that
/// by which the request came.
pub(super) fn base_url<B>(context: &RequestContext<'_, B>) -> Result<String, ApiError> {
    let configured = context.caller.base_urls.get(&context.homeserver.name);
    if let Some(configured) = configured {
        return Ok(configured.to_owned());
    }
    let scheme = if context.caller.is_https {
        "https"
    } else {
        "http"
    };
    host::authority(context.request)
        .map(|host| format!("{scheme}://{host}"))
        .ok_or(ApiError::InvalidParam("The header Host names no host"))
}
