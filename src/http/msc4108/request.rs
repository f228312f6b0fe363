//! What a request of the ETag dialect must have, and what it says.

use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::etag::Tags;
use crate::http::host;
use crate::model::Payload;
use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HeaderMap, IF_MATCH};

/// A write: the state that it follows, and the new payload.
pub(super) async fn write<B>(
    exchange: &mut RequestContext<'_, B>,
) -> Result<(Tags, Payload), ApiError>
where
    B: Body<Data = Bytes> + Send + Unpin,
{
    let missing = ApiError::MissingParam("The header If-Match is missing");
    let tags = Tags::of(exchange.headers(), &IF_MATCH).ok_or(missing)?;
    Ok((tags, text(exchange).await?))
}

/// The same of a write that is refused, as far as it can be told without waiting for the client: whoever is refused
/// must not hold anything by sending slowly.
pub(super) async fn refused_write<B>(
    exchange: &mut RequestContext<'_, B>,
) -> Option<(Tags, Payload)>
where
    B: Body<Data = Bytes> + Send + Unpin,
{
    let tags = Tags::of(exchange.headers(), &IF_MATCH)?;
    require_text(exchange.headers()).ok()?;
    let body = exchange.body_at_hand().await?;
    Some((tags, payload(&body).ok()?))
}

/// A body of text.
pub(super) async fn text<B>(exchange: &mut RequestContext<'_, B>) -> Result<Payload, ApiError>
where
    B: Body<Data = Bytes> + Send + Unpin,
{
    require_text(exchange.headers())?;
    let body = exchange.body().await?;
    payload(&body)
}

fn payload(body: &[u8]) -> Result<Payload, ApiError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| ApiError::InvalidParam("The payload is not UTF-8"))?;
    Payload::new(text).map_err(|_| ApiError::PayloadTooLarge)
}

/// The dialect sends text and nothing else; parameters of the type are ignored.
fn require_text(headers: &HeaderMap) -> Result<(), ApiError> {
    let content_type = headers
        .get(CONTENT_TYPE)
        .ok_or(ApiError::MissingParam("The header Content-Type is missing"))?;
    let essence = content_type.to_str().unwrap_or("").split(';').next();
    if essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/plain")) {
        return Ok(());
    }
    Err(ApiError::InvalidParam("Content-Type is not text/plain"))
}

/// Where the request says that this server is reached.
pub(super) fn base<B>(exchange: &RequestContext<'_, B>) -> Result<String, ApiError> {
    let scheme = if exchange.caller.https {
        "https"
    } else {
        "http"
    };
    host::named(exchange.request)
        .map(|host| format!("{scheme}://{host}"))
        .ok_or(ApiError::InvalidParam("The header Host names no host"))
}
