//! The ETag dialect: MSC4108 as of 2024, which every QR sign-in in production uses.
//!
//! Text instead of JSON; the token is an ETag, and a stale one is a 412. Its clients never retry,
//! store every ETag whatever the status, and cannot be changed. So the headers of an error matter
//! as much as those of a success (docs/protocol.md, R2.13, R2.14, R3.8).

mod held_read;
mod request;
mod response;

pub use held_read::{HeldRead, HoldableResponse};

use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::etag::{EtagList, format_etag};
use crate::http::response::ApiResponse;
use crate::http::route::{MSC4108_PREFIX, Target};
use crate::model::Api;
use crate::model::{Payload, SessionId, SubmittedToken};
use crate::policy::{Admitted, Intent};
use crate::session::{PolledRead, Sessions};
use crate::store::{
    DeleteResult, ReadRequest, ReadResult, Store, WithTimestamps, WriteRequest, WriteResult,
};
use crate::telemetry::metrics::Metrics;
use bytes::Bytes;
use hyper::header::IF_NONE_MATCH;
use hyper::{Method, Request, StatusCode};
use response::{precondition_failed, read_response, rejected_write, require_timestamps};
use serde::Serialize;

#[derive(Serialize)]
struct CreatedUrlBody {
    url: String,
}

/// The endpoints of the ETag dialect.
#[derive(Debug)]
pub struct Msc4108<'a, S> {
    /// The use cases.
    pub sessions: &'a Sessions<S>,
    /// The metrics.
    pub metrics: &'a Metrics,
}

impl<'a, S: Store> Msc4108<'a, S> {
    /// Handles one request.
    ///
    /// # Errors
    /// Every [`ApiError`] of the endpoint. An error with an ETag is returned as a response
    /// instead.
    pub async fn handle<B: RequestBody>(
        &self,
        mut context: RequestContext<'_, B>,
        target: Target,
        intent: Intent,
    ) -> Result<HoldableResponse<'a, S>, ApiError> {
        let id = match target {
            Target::Session(Some(id)) => id,
            Target::Rendezvous => {
                let admitted = context.admit(intent, None)?;
                return Ok(self.create(admitted, context).await?.into());
            }
            Target::Session(None) | Target::Txn(..) | Target::Other => {
                let _admitted = context.admit(intent, None)?;
                return Err(ApiError::NotFound);
            }
        };
        match intent {
            Intent::Read => Ok(self.read_or_echo(&context, id).await),
            Intent::Write => Ok(self.write(&mut context, id).await?.into()),
            Intent::Delete => {
                let admitted = context.admit(intent, Some(id))?;
                Ok(self.delete(admitted, id).await?.into())
            }
            Intent::Discover | Intent::Create => Err(ApiError::Unrecognized),
        }
    }

    async fn create<B: RequestBody>(
        &self,
        admitted: Admitted<'_>,
        mut context: RequestContext<'_, B>,
    ) -> Result<ApiResponse, ApiError> {
        let grant = admitted.without_auth().map_err(|_| ApiError::Maintenance)?;
        let base_url = request::base_url(&context)?;
        let data = request::read_text(&mut context).await?;
        let WithTimestamps { result, timestamps } = self
            .sessions
            .create(Api::Msc4108, grant.into_owner(), data, true)
            .await?;
        let url = format!("{base_url}{MSC4108_PREFIX}/{}", result.id);
        let timestamps = require_timestamps(timestamps)?;
        Ok(ApiResponse::json(&CreatedUrlBody { url }, 256)
            .with_status(StatusCode::CREATED)
            .with_created_session(result.id)
            .with_etag(format_etag(result.token), Some(timestamps)))
    }

    /// Reads a session. If that fails for any reason but 404, the response echoes the client's
    /// ETag, because js-sdk stores every ETag (R2.13).
    async fn read_or_echo<B: RequestBody>(
        &self,
        context: &RequestContext<'_, B>,
        id: SessionId,
    ) -> HoldableResponse<'a, S> {
        let read = match context.admit(Intent::Read, Some(id)) {
            Ok(admitted) => self.read(admitted, context.request, id).await,
            Err(refusal) => Err(refusal.into()),
        };
        match (read, context.headers().get(IF_NONE_MATCH)) {
            (Ok(answer), _) => answer,
            (Err(error), Some(tags)) if error != ApiError::NotFound => ApiResponse::from(error)
                .with_etag(tags.clone(), None)
                .into(),
            (Err(error), _) => ApiResponse::from(error).into(),
        }
    }

    async fn read<B>(
        &self,
        admitted: Admitted<'_>,
        request: &Request<B>,
        id: SessionId,
    ) -> Result<HoldableResponse<'a, S>, ApiError> {
        let tags = EtagList::parse(request.headers(), &IF_NONE_MATCH);
        let is_first_read = tags.is_none();
        let tags = tags.unwrap_or_default();
        self.count_mangled_etag(&tags);
        let unless = match tags.tokens.as_slice() {
            [token] => Some(*token),
            _ => None,
        };
        let mut retry = self.sessions.begin_request(admitted.into_permits());
        let read_request = ReadRequest {
            id,
            if_none_match: unless,
            timestamps: true,
            // The creator has a tag from the beginning, and names it in each poll.
            track_peer: is_first_read || unless.is_some(),
        };
        let read = match unless {
            Some(token) if request.method() == Method::GET => {
                let read = self
                    .sessions
                    .read_or_hold(Api::Msc4108, &read_request, retry);
                match read.await? {
                    PolledRead::Now(read) => read,
                    PolledRead::Held(hold) => {
                        return Ok(HoldableResponse::Held(HeldRead {
                            sessions: self.sessions,
                            hold,
                            token,
                        }));
                    }
                }
            }
            _ => {
                self.sessions
                    .read(Api::Msc4108, &read_request, &mut retry)
                    .await?
            }
        };
        let is_known = |token: &_| tags.has_wildcard || tags.tokens.contains(token);
        Ok(read_response(read, unless, is_known)?.into())
    }

    /// Writes to a session. If the write is rejected, or its outcome is unknown, the response has
    /// the ETag that the write would have produced (R2.14). js-sdk stores it, goes on if the write
    /// was applied, and notices if it was not.
    async fn write<B: RequestBody>(
        &self,
        context: &mut RequestContext<'_, B>,
        id: SessionId,
    ) -> Result<ApiResponse, ApiError> {
        let admitted = match context.admit(Intent::Write, Some(id)) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                let submitted = match request::parse_rejected_write(context).await? {
                    Some((tags, data)) => {
                        SubmittedToken::new(tags.tokens.first().copied(), id, &data)
                    }
                    None => SubmittedToken::Unknown,
                };
                return rejected_write(refusal.into(), submitted);
            }
        };
        let (tags, data) = request::parse_write(context).await?;
        self.count_mangled_etag(&tags);
        let mut submitted = SubmittedToken::new(tags.tokens.first().copied(), id, &data);
        let written = self
            .compare_and_swap(admitted, id, &tags, &mut submitted, data)
            .await;
        written.or_else(|error| rejected_write(error, submitted))
    }

    async fn compare_and_swap(
        &self,
        admitted: Admitted<'_>,
        id: SessionId,
        tags: &EtagList,
        submitted: &mut SubmittedToken,
        data: Payload,
    ) -> Result<ApiResponse, ApiError> {
        let mut retry = self.sessions.begin_request(admitted.into_permits());
        // One tag is compared and swapped in one step. With several tags the current one must be
        // found first (R2.23), and `*` may not write (R2.25).
        if tags.has_wildcard || tags.tokens.len() > 1 {
            let read_request = ReadRequest {
                id,
                if_none_match: None,
                timestamps: true,
                track_peer: false,
            };
            let WithTimestamps { result, timestamps } = self
                .sessions
                .read(Api::Msc4108, &read_request, &mut retry)
                .await?;
            let ReadResult::Found { token, .. } = result else {
                return Err(ApiError::NotFound);
            };
            if tags.has_wildcard {
                return precondition_failed(token, timestamps);
            }
            if tags.tokens.contains(&token) {
                *submitted = SubmittedToken::new(Some(token), id, &data);
            }
        }
        let write = WriteRequest {
            id,
            token: *submitted,
            data,
            txn: None,
            timestamps: true,
        };
        let WithTimestamps { result, timestamps } = self
            .sessions
            .update(Api::Msc4108, &write, &mut retry)
            .await?;
        let token = match result {
            WriteResult::Written { token, .. } | WriteResult::Retried(token) => token,
            WriteResult::Conflict(token) => return precondition_failed(token, timestamps),
            WriteResult::WritesFull { retry_after } => {
                return Err(ApiError::WritesFull { retry_after });
            }
            WriteResult::Gone => return Err(ApiError::NotFound),
            // The request has no txnId, so this result cannot occur.
            WriteResult::Replayed(_) | WriteResult::TxnsFull { .. } => {
                return Err(ApiError::Internal);
            }
        };
        Ok(ApiResponse::text(StatusCode::ACCEPTED, Bytes::new())
            .with_etag(format_etag(token), Some(require_timestamps(timestamps)?)))
    }

    /// Counts the changes that were found on the client's tags.
    fn count_mangled_etag(&self, tags: &EtagList) {
        if let Some(form) = tags.mangled {
            self.metrics.etags_mangled.inc(form);
        }
    }

    async fn delete(&self, _: Admitted<'_>, id: SessionId) -> Result<ApiResponse, ApiError> {
        match self.sessions.delete(Api::Msc4108, id).await? {
            DeleteResult::Deleted => Ok(ApiResponse::no_content()),
            DeleteResult::Gone => Err(ApiError::NotFound),
        }
    }
}
