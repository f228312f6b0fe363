//! The ETag dialect: MSC4108 as of 2024, which every QR sign-in in production speaks.
//!
//! Text instead of JSON; the token is an ETag, a stale one a 412. Its clients never retry, take any ETag
//! for theirs whatever the status, and cannot be changed, so what stands on an error matters as much as
//! what stands on a success (docs/protocol.md, R2.13, R2.14, R3.8).

mod request;

use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::etag::{Tags, tag};
use crate::http::response::ApiResponse;
use crate::http::route::{ETAG, Target};
use crate::model::Api;
use crate::model::{Payload, SequenceToken, SessionId, SubmittedToken};
use crate::policy::{Admitted, Intent, Refusal};
use crate::session::{Creation, Sessions};
use crate::store::{
    Deleted, ReadRequest, ReadResult, Store, StoreError, Timestamps, WithTimestamps, WriteRequest,
    WriteResult,
};
use crate::telemetry::metrics::Metrics;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Body;
use hyper::header::{HeaderMap, IF_NONE_MATCH};
use serde::Serialize;

#[derive(Serialize)]
struct CreatedBody {
    url: String,
}

/// The endpoints.
#[derive(Debug)]
pub struct Msc4108<'a, S> {
    /// The use cases.
    pub sessions: &'a Sessions<S>,
    /// What happened, for operators.
    pub metrics: &'a Metrics,
    /// Where clients reach this server, without a slash at the end; `None` is where the request says.
    pub base_url: Option<&'a str>,
}

impl<S: Store> Msc4108<'_, S> {
    /// Answers one request.
    ///
    /// # Errors
    /// What it may be refused for; an error that carries an ETag is a reply already.
    pub async fn answer<B>(
        &self,
        mut exchange: RequestContext<'_, B>,
        target: Target,
        intent: Intent,
    ) -> Result<ApiResponse, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        let id = match target {
            Target::Session(Some(id)) => id,
            Target::Rendezvous => {
                let admitted = exchange.admit(intent, None)?;
                return self.create(admitted, exchange).await;
            }
            Target::Session(None) | Target::Txn(..) | Target::Other => {
                let _admitted = exchange.admit(intent, None)?;
                return Err(ApiError::NotFound);
            }
        };
        match intent {
            Intent::Read => Ok(self.read_or_echo(&exchange, id).await),
            Intent::Write => self.write(&mut exchange, id).await,
            Intent::Delete => self.delete(exchange.admit(intent, Some(id))?, id).await,
            Intent::Discover | Intent::Create => Err(ApiError::Unrecognized),
        }
    }

    async fn create<B>(
        &self,
        admitted: Admitted<'_>,
        mut exchange: RequestContext<'_, B>,
    ) -> Result<ApiResponse, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        let creator = admitted.anyone().map_err(|_| ApiError::Maintenance)?;
        let base = match self.base_url {
            Some(base) => base.to_owned(),
            None => request::base(&exchange)?,
        };
        let data = request::text(&mut exchange).await?;
        let WithTimestamps { answer, dates } = self
            .sessions
            .create(Api::Msc4108, creator.into_owner(), data, true)
            .await?;
        match answer {
            Creation::Created { id, token, .. } => {
                let url = format!("{base}{ETAG}/{id}");
                Ok(ApiResponse::json(&CreatedBody { url }, 256)
                    .with_status(StatusCode::CREATED)
                    .with_created(id)
                    .with_tag(tag(token), Some(known(dates)?)))
            }
            Creation::Refused(exceeded) => Err(Refusal::Limit(exceeded).into()),
        }
    }

    /// A read. Where it fails, for whatever reason but that the session is gone, the ETag is the client's
    /// own: js-sdk takes any for its newest.
    async fn read_or_echo<B>(&self, exchange: &RequestContext<'_, B>, id: SessionId) -> ApiResponse
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        let headers = exchange.headers();
        let read = match exchange.admit(Intent::Read, Some(id)) {
            Ok(admitted) => self.read(admitted, headers, id).await,
            Err(refusal) => Err(refusal.into()),
        };
        match (read, headers.get(IF_NONE_MATCH)) {
            (Ok(reply), _) => reply,
            (Err(error), Some(own)) if error != ApiError::NotFound => {
                ApiResponse::from(error).with_tag(own.clone(), None)
            }
            (Err(error), _) => error.into(),
        }
    }

    async fn read(
        &self,
        _: Admitted<'_>,
        headers: &HeaderMap,
        id: SessionId,
    ) -> Result<ApiResponse, ApiError> {
        let own = Tags::of(headers, &IF_NONE_MATCH).unwrap_or_default();
        self.note(&own);
        let unless = match own.tokens.as_slice() {
            [token] => Some(*token),
            _ => None,
        };
        let WithTimestamps { answer, dates } =
            self.sessions.read(Api::Msc4108, &look(id, unless)).await?;
        let (token, text) = match (answer, unless) {
            (ReadResult::Unchanged { .. }, Some(token)) => (token, None),
            (ReadResult::Found { token, .. }, _) if own.any || own.tokens.contains(&token) => {
                (token, None)
            }
            (ReadResult::Found { data, token, .. }, _) => (token, Some(data.to_bytes())),
            (ReadResult::Gone, _) => return Err(ApiError::NotFound),
            // No token was named, so nothing was spared; a store that says so is mistaken.
            (ReadResult::Unchanged { .. }, None) => return Err(ApiError::Internal),
        };
        let reply = match text {
            Some(text) => ApiResponse::text(StatusCode::OK, text),
            None => ApiResponse::text(StatusCode::NOT_MODIFIED, Bytes::new()),
        };
        Ok(reply.with_tag(tag(token), Some(known(dates)?)))
    }

    /// A write. Where it is refused, or its outcome unknown, the ETag is what it would have produced:
    /// js-sdk takes it for its newest, and so goes on if the write was applied, and notices if it was not.
    async fn write<B>(
        &self,
        exchange: &mut RequestContext<'_, B>,
        id: SessionId,
    ) -> Result<ApiResponse, ApiError>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        let admitted = match exchange.admit(Intent::Write, Some(id)) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                let presented = match request::refused_write(exchange).await {
                    Some((tags, data)) => {
                        SubmittedToken::of(tags.tokens.first().copied(), id, &data)
                    }
                    None => SubmittedToken::Unknown,
                };
                return refused(refusal.into(), presented);
            }
        };
        let (tags, data) = request::write(exchange).await?;
        self.note(&tags);
        let mut presented = SubmittedToken::of(tags.tokens.first().copied(), id, &data);
        let written = self.swap(admitted, id, &tags, &mut presented, data).await;
        written.or_else(|error| refused(error, presented))
    }

    async fn swap(
        &self,
        _: Admitted<'_>,
        id: SessionId,
        tags: &Tags,
        presented: &mut SubmittedToken,
        data: Payload,
    ) -> Result<ApiResponse, ApiError> {
        // One tag is compared and swapped in one step. Of several, the current one must be found first;
        // and nobody may write whatever there is.
        if tags.any || tags.tokens.len() > 1 {
            let WithTimestamps { answer, dates } =
                self.sessions.read(Api::Msc4108, &look(id, None)).await?;
            let ReadResult::Found { token, .. } = answer else {
                return Err(ApiError::NotFound);
            };
            if tags.any {
                return conflict(token, dates);
            }
            if tags.tokens.contains(&token) {
                *presented = SubmittedToken::of(Some(token), id, &data);
            }
        }
        let write = WriteRequest {
            id,
            presented: *presented,
            data,
            txn: None,
            dates: true,
        };
        let WithTimestamps { answer, dates } = self.sessions.update(Api::Msc4108, &write).await?;
        let token = match answer {
            WriteResult::Written { token, .. } | WriteResult::Retried(token) => token,
            WriteResult::Conflict(token) => return conflict(token, dates),
            WriteResult::WritesFull { retry_after } => {
                return Err(ApiError::WritesFull { retry_after });
            }
            WriteResult::Gone => return Err(ApiError::NotFound),
            // No txnId was named.
            WriteResult::Replayed(_) | WriteResult::TxnsFull { .. } => {
                return Err(ApiError::Internal);
            }
        };
        Ok(ApiResponse::text(StatusCode::ACCEPTED, Bytes::new())
            .with_tag(tag(token), Some(known(dates)?)))
    }

    /// Counts what was done to the client's tags on the way.
    fn note(&self, tags: &Tags) {
        if let Some(form) = tags.mangled {
            self.metrics.sign_ins.mangled(form);
        }
    }

    async fn delete(&self, _: Admitted<'_>, id: SessionId) -> Result<ApiResponse, ApiError> {
        match self.sessions.delete(Api::Msc4108, id).await? {
            Deleted::Deleted => Ok(ApiResponse::no_content()),
            Deleted::Gone => Err(ApiError::NotFound),
        }
    }
}

/// A write that was refused, with the ETag that it would have produced, where it may be sent again.
fn refused(error: ApiError, presented: SubmittedToken) -> Result<ApiResponse, ApiError> {
    let status = error.verdict().status;
    let again = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    match presented {
        SubmittedToken::Parsed { next, .. } if again.contains(&status) => {
            Ok(ApiResponse::from(error).with_tag(tag(next), None))
        }
        SubmittedToken::Parsed { .. } | SubmittedToken::Unknown => Err(error),
    }
}

/// 412 with the current state's ETag.
fn conflict(token: SequenceToken, dates: Option<Timestamps>) -> Result<ApiResponse, ApiError> {
    Ok(ApiResponse::from(ApiError::PreconditionFailed).with_tag(tag(token), Some(known(dates)?)))
}

/// The dates that were asked for.
fn known(dates: Option<Timestamps>) -> Result<Timestamps, ApiError> {
    dates.ok_or(ApiError::Store(StoreError::BadReply))
}

fn look(id: SessionId, unless: Option<SequenceToken>) -> ReadRequest {
    ReadRequest {
        id,
        unless,
        dates: true,
    }
}
