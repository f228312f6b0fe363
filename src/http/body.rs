//! Reads a request body within size and time limits, and drains what is already buffered of an
//! unread one, so that the connection can be reused.

use crate::clock::lazy_timeout::LazyTimeout;
use crate::http::error::ApiError;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::header::EXPECT;
use hyper::{Request, Version};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

/// The largest body, in bytes. A payload of 4096 characters takes six times as much if each is
/// escaped (`\u0041`); the token and the field names take the rest.
pub const MAX_BODY_BYTES: usize = 32 * 1024;

/// The limits on discarding an unread body, in bytes and time (docs/protocol.md, R0.19).
const MAX_DISCARD_BYTES: usize = 4 * 1024 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// The request body that the pipeline reads.
pub trait RequestBody: Body<Data = Bytes> + Send + Unpin {}

impl<B: Body<Data = Bytes> + Send + Unpin> RequestBody for B {}

/// Reads a whole body.
///
/// # Errors
/// `BodyTooLarge` on Content-Length, or as soon as more has arrived; `BodyTimeout` if the
/// body is late; `BodyBroken` if it ends early;
/// `InvalidTransferCoding` if it has trailers.
pub async fn read<B: RequestBody>(
    body: &mut B,
    timeout: Duration,
    deadline: &mut LazyTimeout,
) -> Result<Bytes, ApiError> {
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(ApiError::BodyTooLarge);
    }
    deadline
        .timeout(timeout, pin!(collect(body)))
        .await
        .unwrap_or(Err(ApiError::BodyTimeout))
}

async fn collect<B: RequestBody>(body: &mut B) -> Result<Bytes, ApiError> {
    let mut whole = Bytes::new();
    // Most bodies are one frame, which is used without a copy. Only a second frame costs a copy.
    let mut buffer = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(ApiError::BodyBroken);
        };
        // Trailers. hyper accepts a bare LF in them, and a proxy may see another end (R0.42).
        let Ok(data) = frame.into_data() else {
            return Err(ApiError::InvalidTransferCoding);
        };
        if whole.len() + buffer.len() + data.len() > MAX_BODY_BYTES {
            return Err(ApiError::BodyTooLarge);
        }
        if whole.is_empty() && buffer.is_empty() {
            whole = data;
        } else {
            if buffer.is_empty() {
                buffer.reserve(capacity_for(whole.len() + data.len(), body));
            }
            buffer.extend_from_slice(&std::mem::take(&mut whole));
            buffer.extend_from_slice(&data);
        }
    }
    Ok(if buffer.is_empty() {
        whole
    } else {
        buffer.freeze()
    })
}

/// Returns a whole body if all of it is already buffered, and `None` if it is not or is too large.
/// Like [`drain_buffered`], this does not wait for the client.
///
/// # Errors
/// `InvalidTransferCoding` if it has trailers.
pub async fn try_read_buffered<B: RequestBody>(body: &mut B) -> Result<Option<Bytes>, ApiError> {
    let mut whole = pin!(collect(body));
    // After one yield of this task, hyper has read what is on the socket.
    for _ in 0..2 {
        if let Poll::Ready(read) = poll_fn(|cx| Poll::Ready(whole.as_mut().poll(cx))).await {
            return match read {
                Err(ApiError::InvalidTransferCoding) => Err(ApiError::InvalidTransferCoding),
                read => Ok(read.ok()),
            };
        }
        tokio::task::yield_now().await;
    }
    Ok(None)
}

/// Returns the capacity for a body of which `buffered` bytes have arrived. Allocated once: growth
/// by doubling would hold nearly twice the largest body for every slow client.
fn capacity_for(received: usize, body: &impl Body) -> usize {
    let remaining = body.size_hint().upper().unwrap_or(u64::MAX);
    let remaining = usize::try_from(remaining).unwrap_or(usize::MAX);
    received.saturating_add(remaining).min(MAX_BODY_BYTES)
}

/// Drains what is already buffered of an unread body. Returns whether the body ended, so that the
/// connection can be used again.
///
/// This does not wait for the client: hyper reads the socket when this task yields, so a buffered
/// frame arrives within one turn.
///
/// On HTTP/2 it waits, within limits: a stream that is reset while its body is still arriving loses
/// its response, and a waiting stream blocks no other request.
pub async fn drain_buffered<B: RequestBody>(
    request: &mut Request<B>,
    timeout: &mut LazyTimeout,
) -> bool {
    if request.version() == Version::HTTP_2 {
        timeout
            .timeout(DISCARD_TIMEOUT, pin!(discard(request)))
            .await;
        // On HTTP/2 a body belongs to its stream, and no other request is behind it.
        return true;
    }
    if request.headers().contains_key(EXPECT) {
        // Polling the body would send `100 Continue`, which asks the client to send it.
        return false;
    }
    let (mut drained, mut yielded) = (0, false);
    while drained <= MAX_BODY_BYTES {
        let body = &mut *request.body_mut();
        match poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await {
            Poll::Ready(None) => return true,
            Poll::Ready(Some(Err(_broken))) => return false,
            Poll::Ready(Some(Ok(frame))) => {
                let Some(data) = frame.data_ref() else {
                    return false;
                };
                drained += data.len();
                yielded = false;
            }
            Poll::Pending if yielded => return false,
            Poll::Pending => {
                yielded = true;
                tokio::task::yield_now().await;
            }
        }
    }
    false
}

async fn discard<B: RequestBody>(request: &mut Request<B>) {
    let mut drained = 0;
    while let Some(Ok(frame)) = request.body_mut().frame().await {
        drained += frame.data_ref().map_or(0, Bytes::len);
        if drained > MAX_DISCARD_BYTES {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_BODY_BYTES, capacity_for, drain_buffered};
    use crate::clock::Clock;
    use crate::clock::lazy_timeout::LazyTimeout;
    use bytes::Bytes;
    use hyper::Request;
    use hyper::body::{Body, Frame};
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// A client that sends faster than the server reads, and the number of reads.
    struct EndlessBody(usize);

    impl Body for EndlessBody {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0 += 1;
            assert!(self.0 <= MAX_BODY_BYTES, "it is read without end");
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 1024])))))
        }
    }

    #[test]
    fn capacity_is_the_whole_body_up_to_the_limit() {
        let known = http_body_util::Full::new(Bytes::from_static(&[b'x'; 100]));
        assert_eq!(capacity_for(20, &known), 120);
        assert_eq!(capacity_for(MAX_BODY_BYTES - 1, &known), MAX_BODY_BYTES);
        assert_eq!(
            capacity_for(20, &EndlessBody(0)),
            MAX_BODY_BYTES,
            "the length is unknown"
        );
    }

    #[tokio::test]
    async fn endless_unread_body_is_not_drained_for_ever() {
        let mut request = Request::new(EndlessBody(0));
        let mut deadline = LazyTimeout::new(Clock::system());
        assert!(!drain_buffered(&mut request, &mut deadline).await);
        assert_eq!(request.body().0, MAX_BODY_BYTES / 1024 + 1);
    }
}
