//! Reads a request's body: bounded in size before it is read, and in time while it is. And what is left
//! of one that nobody wanted, as far as it is there.

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

/// The longest body, in bytes: a payload of 4096 characters takes six times as much when each is
/// escaped (`\u0041`), and the token and the field names take the rest.
pub const MAX_BODY_BYTES: usize = 32 * 1024;

/// What is discarded of a body that nobody wanted, and for how long (docs/protocol.md, R0.19).
const DISCARD_BYTES: usize = 4 * 1024 * 1024;
const DISCARD: Duration = Duration::from_secs(2);

/// Reads a whole body.
///
/// # Errors
/// `BodyTooLarge` by Content-Length, or as soon as more has arrived; `BodyTimeout`; `BodyBroken` where
/// the body breaks off.
pub async fn read<B>(
    body: &mut B,
    limit: Duration,
    deadline: &mut LazyTimeout,
) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes> + Send + Unpin,
{
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(ApiError::BodyTooLarge);
    }
    deadline
        .bound(limit, pin!(collect(body)))
        .await
        .unwrap_or(Err(ApiError::BodyTimeout))
}

async fn collect<B>(body: &mut B) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes> + Send + Unpin,
{
    let mut whole = Bytes::new();
    // Most bodies are one frame, which is then taken as it is; only a second one costs a copy.
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(ApiError::BodyBroken);
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
            if joined.is_empty() {
                joined.reserve(room(whole.len() + data.len(), body));
            }
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

/// A whole body, where all of it is there already; `None` where it is not, or is too large. It waits for nobody, as
/// [`take_rest`] does not.
pub async fn at_hand<B>(body: &mut B) -> Option<Bytes>
where
    B: Body<Data = Bytes> + Send + Unpin,
{
    let mut whole = pin!(collect(body));
    // What is on the socket comes when this task has yielded once.
    for _ in 0..2 {
        if let Poll::Ready(read) = poll_fn(|cx| Poll::Ready(whole.as_mut().poll(cx))).await {
            return read.ok();
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Room for a body of which so many bytes are there. Taken once: growing by doubling would hold nearly twice the
/// longest body for whoever sends that slowly.
fn room(there: usize, body: &impl Body) -> usize {
    let left = body.size_hint().upper().unwrap_or(u64::MAX);
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    there.saturating_add(left).min(MAX_BODY_BYTES)
}

/// Takes what is left of a body that nobody wanted, as far as it is there already. Whether it ended, so
/// that the connection can be used again.
///
/// It waits for nobody: hyper reads the socket when this task yields, so a frame that is there comes
/// within one turn.
///
/// Over HTTP/2 it is waited for, within bounds: a stream that is reset while its body is still coming
/// loses the reply, and a reply that waits holds up nobody else.
pub async fn take_rest<B>(request: &mut Request<B>, deadline: &mut LazyTimeout) -> bool
where
    B: Body<Data = Bytes> + Send + Unpin,
{
    if request.version() == Version::HTTP_2 {
        deadline.bound(DISCARD, pin!(discard(request))).await;
        // There a body is a stream's own, and no other request stands behind it.
        return true;
    }
    if request.headers().contains_key(EXPECT) {
        // To ask for the body would be to tell the client to send it.
        return false;
    }
    let (mut taken, mut yielded) = (0, false);
    while taken <= MAX_BODY_BYTES {
        let body = &mut *request.body_mut();
        match poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await {
            Poll::Ready(None) => return true,
            Poll::Ready(Some(Err(_broken))) => return false,
            Poll::Ready(Some(Ok(frame))) => {
                taken += frame.data_ref().map_or(0, Bytes::len);
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

async fn discard<B>(request: &mut Request<B>)
where
    B: Body<Data = Bytes> + Send + Unpin,
{
    let mut taken = 0;
    while let Some(Ok(frame)) = request.body_mut().frame().await {
        taken += frame.data_ref().map_or(0, Bytes::len);
        if taken > DISCARD_BYTES {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_BODY_BYTES, room, take_rest};
    use crate::clock::Clock;
    use crate::clock::lazy_timeout::LazyTimeout;
    use bytes::Bytes;
    use hyper::Request;
    use hyper::body::{Body, Frame};
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// A client that sends faster than we read, and how often it was read from.
    struct Endless(usize);

    impl Body for Endless {
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
    fn there_is_room_for_the_whole_body_and_never_for_more_than_the_longest() {
        let known = http_body_util::Full::new(Bytes::from_static(&[b'x'; 100]));
        assert_eq!(room(20, &known), 120);
        assert_eq!(room(MAX_BODY_BYTES - 1, &known), MAX_BODY_BYTES);
        assert_eq!(room(20, &Endless(0)), MAX_BODY_BYTES, "nobody knows");
    }

    #[tokio::test]
    async fn what_nobody_wanted_is_not_read_for_ever() {
        let mut request = Request::new(Endless(0));
        let mut deadline = LazyTimeout::new(Clock::system());
        assert!(!take_rest(&mut request, &mut deadline).await);
        assert_eq!(request.body().0, MAX_BODY_BYTES / 1024 + 1);
    }
}
