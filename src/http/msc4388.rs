//! The JSON dialect: MSC4388, "Secure out-of-band channel for sign in with QR".
//!
//! One method per endpoint, with ruma's names. Each requires an [`Admitted`], or a
//! [`CreateGrant`] made from one.

use crate::http::body::RequestBody;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::json::{self, RequestFields};
use crate::http::response::ApiResponse;
use crate::http::route::Target;
use crate::model::Api;
use crate::model::{SequenceToken, SessionId, SubmittedToken, TxnKey};
use crate::policy::auth::TokenRejection;
use crate::policy::{Admitted, CreateGrant, Intent, PolicyRejection};
use crate::session::{CreatedSession, Sessions};
use crate::store::{DeleteResult, ReadRequest, ReadResult, Store, WriteRequest, WriteResult};
use serde::Serialize;
use std::time::Duration;

/// Bytes of a response beside its payload: field names, a token, a number; doubled to allow for a
/// few escapes.
const ENVELOPE_BYTES: usize = 256;

#[derive(Serialize)]
struct DiscoveryBody {
    create_available: bool,
}

#[derive(Serialize)]
struct CreatedSessionBody<'a> {
    id: &'a str,
    sequence_token: &'a str,
    expires_in_ms: u64,
}

#[derive(Serialize)]
struct UpdatedBody<'a> {
    sequence_token: &'a str,
}

#[derive(Serialize)]
struct EmptyBody {}

/// The endpoints of the JSON dialect.
#[derive(Debug)]
pub struct Msc4388<'a, S> {
    /// The prefix of the request, which decides the conflict code (R1.3).
    pub api: Api,
    /// The use cases.
    pub sessions: &'a Sessions<S>,
}

impl<S: Store> Msc4388<'_, S> {
    /// Handles one request after the policy has admitted it.
    ///
    /// # Errors
    /// Every [`ApiError`] of the endpoint.
    pub async fn handle<B: RequestBody>(
        &self,
        mut context: RequestContext<'_, B>,
        target: Target,
        intent: Intent,
    ) -> Result<ApiResponse, ApiError> {
        let admitted = context.admit(intent, target.session())?;
        match (target, intent) {
            (Target::Rendezvous, Intent::Discover) => {
                let grant = context.authorize_create(&admitted).await;
                self.discover_rendezvous_session(grant)
            }
            (Target::Rendezvous, Intent::Create) => {
                let grant = context.authorize_create(&admitted).await?;
                let body = context.read_body().await?;
                self.create_rendezvous_session(grant, &body).await
            }
            (Target::Session(id), Intent::Read) => {
                let id = id.ok_or(ApiError::NotFound)?;
                self.get_rendezvous_session(admitted, id).await
            }
            (Target::Session(id), Intent::Delete) => {
                let id = id.ok_or(ApiError::NotFound)?;
                self.delete_rendezvous_session(admitted, id).await
            }
            (Target::Session(id), Intent::Write) => {
                let id = id.ok_or(ApiError::NotFound)?;
                let body = context.read_body().await?;
                self.update_rendezvous_session(admitted, id, None, &body)
                    .await
            }
            (Target::Txn(id, txn), Intent::Write) => {
                let id = id.ok_or(ApiError::NotFound)?;
                let txn = txn.map_err(|_| {
                    ApiError::InvalidParam("The transaction id is not an opaque identifier")
                })?;
                let body = context.read_body().await?;
                self.update_rendezvous_session(admitted, id, Some(txn), &body)
                    .await
            }
            (Target::Rendezvous, Intent::Read | Intent::Write | Intent::Delete)
            | (Target::Session(_), Intent::Discover | Intent::Create)
            | (
                Target::Txn(..),
                Intent::Discover | Intent::Create | Intent::Read | Intent::Delete,
            )
            | (
                Target::Other,
                Intent::Discover | Intent::Create | Intent::Read | Intent::Write | Intent::Delete,
            ) => Err(ApiError::Unrecognized),
        }
    }

    /// `GET /rendezvous`: returns whether the caller may create a session. "No" is a valid result;
    /// a rejected or unverifiable token is an error.
    ///
    /// # Errors
    /// [`ApiError::Refused`], if the token is rejected or cannot be verified.
    pub fn discover_rendezvous_session(
        &self,
        grant: Result<CreateGrant, PolicyRejection>,
    ) -> Result<ApiResponse, ApiError> {
        let create_available = match grant {
            Ok(_) => !self.sessions.store_refuses_writes(),
            Err(
                PolicyRejection::TokenRejection(
                    TokenRejection::NoToken | TokenRejection::Forbidden,
                )
                | PolicyRejection::Maintenance,
            ) => false,
            Err(refusal) => return Err(refusal.into()),
        };
        Ok(ApiResponse::json(
            &DiscoveryBody { create_available },
            ENVELOPE_BYTES,
        ))
    }

    /// `POST /rendezvous`: creates a session with `data`.
    ///
    /// # Errors
    /// An invalid body, a limit, or the store.
    pub async fn create_rendezvous_session(
        &self,
        grant: CreateGrant,
        body: &[u8],
    ) -> Result<ApiResponse, ApiError> {
        let data = RequestFields::parse(body)?.data()?;
        let CreatedSession {
            id,
            token,
            expires_in,
        } = self
            .sessions
            .create(self.api, grant.into_owner(), data, false)
            .await?
            .result;
        let response = id.with_str(|id| {
            let body = CreatedSessionBody {
                id,
                sequence_token: token.as_str(),
                expires_in_ms: milliseconds(expires_in),
            };
            ApiResponse::json(&body, ENVELOPE_BYTES)
        });
        Ok(response.with_created_session(id))
    }

    /// `GET /rendezvous/{id}`: returns the payload, its token and the remaining lifetime.
    ///
    /// # Errors
    /// No such session, or the store.
    pub async fn get_rendezvous_session(
        &self,
        admitted: Admitted<'_>,
        id: SessionId,
    ) -> Result<ApiResponse, ApiError> {
        let request = ReadRequest {
            id,
            if_none_match: None,
            timestamps: false,
            // Polls name no token, so the creator and the other device look the same.
            track_peer: false,
        };
        let mut retry = self.sessions.begin_request(admitted.into_permits());
        let read = self.sessions.read(self.api, &request, &mut retry).await?;
        match read.result {
            ReadResult::Found {
                data,
                token,
                expires_in,
                ..
            } => {
                let expires_in_ms = milliseconds(expires_in);
                Ok(ApiResponse::raw_json(state_body(
                    data.as_str(),
                    token,
                    expires_in_ms,
                )))
            }
            // The request named no token, so the store must return the payload; anything else is a
            // store error.
            ReadResult::Unchanged { .. } => Err(ApiError::Internal),
            ReadResult::Gone => Err(ApiError::NotFound),
        }
    }

    /// `PUT /rendezvous/{id}` and `PUT /rendezvous/{id}/{txnId}`: overwrites the payload if the
    /// caller names the current token.
    ///
    /// # Errors
    /// An invalid body, a stale token, no such session, no free txnId record, or the
    /// store.
    pub async fn update_rendezvous_session(
        &self,
        admitted: Admitted<'_>,
        id: SessionId,
        txn: Option<TxnKey>,
        body: &[u8],
    ) -> Result<ApiResponse, ApiError> {
        let fields = RequestFields::parse(body)?;
        let (token, data) = (fields.sequence_token()?, fields.data()?);
        let write = WriteRequest {
            id,
            token: SubmittedToken::parse(token, id, &data),
            data,
            txn,
            timestamps: false,
        };
        let mut retry = self.sessions.begin_request(admitted.into_permits());
        let written = self.sessions.update(self.api, &write, &mut retry).await?;
        match written.result {
            WriteResult::Written { token, .. }
            | WriteResult::Retried(token)
            | WriteResult::Replayed(Some(token)) => Ok(updated_response(token)),
            WriteResult::Replayed(None) | WriteResult::Conflict(_) => {
                Err(ApiError::Conflict(self.api))
            }
            WriteResult::TxnsFull { retry_after } => Err(ApiError::TxnsFull { retry_after }),
            WriteResult::WritesFull { retry_after } => Err(ApiError::WritesFull { retry_after }),
            WriteResult::Gone => Err(ApiError::NotFound),
        }
    }

    /// `DELETE /rendezvous/{id}`: deletes the session.
    ///
    /// # Errors
    /// No such session, or the store.
    pub async fn delete_rendezvous_session(
        &self,
        _: Admitted<'_>,
        id: SessionId,
    ) -> Result<ApiResponse, ApiError> {
        match self.sessions.delete(self.api, id).await? {
            DeleteResult::Deleted => Ok(ApiResponse::json(&EmptyBody {}, ENVELOPE_BYTES)),
            DeleteResult::Gone => Err(ApiError::NotFound),
        }
    }
}

/// Writes the body of a poll response by hand. The payload is mostly base64, which needs no
/// escapes; serde's search for escapes byte by byte cost a twentieth of a poll.
fn state_body(data: &str, token: SequenceToken, expires_in_ms: u64) -> Vec<u8> {
    let mut body = Vec::with_capacity(data.len() + ENVELOPE_BYTES);
    body.extend_from_slice(b"{\"data\":");
    json::write_string(&mut body, data);
    body.extend_from_slice(b",\"sequence_token\":\"");
    body.extend_from_slice(token.as_bytes());
    body.extend_from_slice(b"\",\"expires_in_ms\":");
    serde_json::to_writer(&mut body, &expires_in_ms).expect("a number");
    body.push(b'}');
    body
}

fn updated_response(token: SequenceToken) -> ApiResponse {
    ApiResponse::json(
        &UpdatedBody {
            sequence_token: token.as_str(),
        },
        ENVELOPE_BYTES,
    )
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
