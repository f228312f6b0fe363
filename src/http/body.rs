//! Reads a request's body: bounded in size before it is read, and in time while it is.

use crate::http::error::ApiError;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::pin::Pin;
use std::time::Duration;

/// The longest body, in bytes: a payload of 4096 characters takes six times as much when each is
/// escaped (`\u0041`), and the token and the field names take the rest.
pub const MAX_BODY_BYTES: usize = 32 * 1024;

/// Reads a whole body.
///
/// # Errors
/// `BodyTooLarge` by Content-Length, or as soon as more has arrived; `BodyTimeout`; `NotJson` where
/// the body breaks off.
pub async fn read<B>(body: B, deadline: Duration) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes> + Send,
{
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(ApiError::BodyTooLarge);
    }
    let body = std::pin::pin!(body);
    tokio::time::timeout(deadline, collect(body))
        .await
        .unwrap_or(Err(ApiError::BodyTimeout))
}

async fn collect<B>(mut body: Pin<&mut B>) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes> + Send,
{
    let mut whole = Bytes::new();
    // Most bodies are one frame, which is then taken as it is; only a second one costs a copy.
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(ApiError::NotJson);
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if whole.len() + joined.len() + data.len() > MAX_BODY_BYTES {
            return Err(ApiError::BodyTooLarge);
        }
        if whole.is_empty() && joined.is_empty() {
            whole = data;
        } else {
            joined.extend_from_slice(&std::mem::take(&mut whole));
            joined.extend_from_slice(&data);
        }
    }
    Ok(if joined.is_empty() {
        whole
    } else {
        joined.freeze()
    })
}
