//! A read whose response waits for a change of the session (docs/protocol.md, 2.7).

use crate::http::error::ApiError;
use crate::http::etag::format_etag;
use crate::http::msc4108::response::read_response;
use crate::http::response::ApiResponse;
use crate::model::{Api, SequenceToken};
use crate::session::{Hold, Sessions};
use crate::store::Store;
use std::future::Future;

/// The response to a request, or the read that is held before it has one.
#[derive(Debug)]
pub enum HoldableResponse<'a, S> {
    /// A response.
    Ready(ApiResponse),
    /// The response waits for a change of the session. That is outside the request timeout.
    Held(HeldRead<'a, S>),
}

impl<S> From<ApiResponse> for HoldableResponse<'_, S> {
    fn from(response: ApiResponse) -> Self {
        Self::Ready(response)
    }
}

/// A held read.
#[derive(Debug)]
pub struct HeldRead<'a, S> {
    pub(super) sessions: &'a Sessions<S>,
    pub(super) hold: Box<Hold<'a, S>>,
    /// The state that the client has.
    pub(super) token: SequenceToken,
}

impl<S: Store> HeldRead<'_, S> {
    /// Waits for the change, and returns the response. It ends at once when `hangup` does: the client
    /// has closed its sending side.
    pub async fn respond(self, hangup: impl Future<Output = ()>) -> ApiResponse {
        let Self {
            sessions,
            hold,
            token,
        } = self;
        let read = sessions.await_change(Api::Msc4108, *hold, hangup).await;
        match read_response(read, Some(token), |found| *found == token) {
            Ok(response) => response,
            Err(ApiError::NotFound) => ApiError::NotFound.into(),
            // The client stores every ETag (R2.13).
            Err(error) => ApiResponse::from(error).with_etag(format_etag(token), None),
        }
    }
}
