//! The body of an HTTP/2 response. Its bytes hold the permit of their stream.

use crate::limits::http2_streams::StreamPermit;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A body that is sent in two frames: everything but its last byte, and the last byte.
///
/// hyper passes a whole frame to h2 as soon as the window has one byte, and the stream's task ends
/// with the last frame. A client that gives one byte of window would then make h2 hold the rest of
/// the response, without a task, and so without a time limit. h2 takes the last byte only when the
/// window has room for all bytes before it, so the task lasts until then.
#[derive(Debug)]
pub struct ResponseBody {
    bytes: Bytes,
}

/// The bytes of a response, wherever hyper and h2 keep them.
struct HeldBytes {
    bytes: Bytes,
    _permit: StreamPermit,
}

impl AsRef<[u8]> for HeldBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl ResponseBody {
    /// Wraps the bytes of a response. The permit is released when the last of them was written to
    /// the socket, or when the stream ends before that. This costs one small allocation.
    #[must_use]
    pub fn new(bytes: Bytes, permit: StreamPermit) -> Self {
        let held = HeldBytes {
            bytes,
            _permit: permit,
        };
        let bytes = Bytes::from_owner(held);
        Self { bytes }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = match self.bytes.len() {
            0 => return Poll::Ready(None),
            1 => 1,
            length => length - 1,
        };
        let frame = Frame::data(self.bytes.split_to(length));
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
