//! One device: the URL of its server, the session, and its current token.

use std::borrow::Cow;

use anyhow::Result;
use http::StatusCode;
use ruma_client_api::rendezvous::{
    delete_rendezvous_session, get_rendezvous_session, update_rendezvous_session,
};
use ruma_common::api::{
    IncomingResponseExt, OutgoingRequest, OutgoingRequestExt, SupportedVersions,
    auth_scheme::{AuthScheme, SendAccessToken},
    error::{Error, ErrorBody, FromHttpResponseError},
    path_builder::PathBuilder,
};
use serde_json::{Value, json};

pub struct Device {
    http: reqwest::Client,
    server: String,
    pub id: String,
    /// The token of the last read or write.
    pub token: String,
}

impl Device {
    pub fn at(server: String) -> Self {
        Self {
            http: reqwest::Client::new(),
            server,
            id: String::new(),
            token: String::new(),
        }
    }

    /// Reads the payload, and stores its token.
    pub async fn read(&mut self) -> Result<String> {
        let read = self
            .call(get_rendezvous_session::unstable::Request::new(
                self.id.clone(),
            ))
            .await?;
        self.token = read.sequence_token;
        Ok(read.data)
    }

    /// Writes over the current token, and stores the token that this write produced.
    pub async fn write(&mut self, data: &str) -> Result<()> {
        let (id, token) = (self.id.clone(), self.token.clone());
        self.token = self
            .call(update_rendezvous_session::unstable::Request::new(
                id,
                token,
                data.into(),
            ))
            .await?
            .sequence_token;
        Ok(())
    }

    /// Writes with a transaction id. Returns status and body; the stored token stays.
    pub async fn write_in(
        &self,
        txn: &str,
        token: &str,
        data: &str,
    ) -> Result<(StatusCode, Value)> {
        let url = format!(
            "{}/_matrix/client/unstable/io.element.msc4388/rendezvous/{}/{txn}",
            self.server, self.id
        );
        let body = json!({ "sequence_token": token, "data": data }).to_string();
        let response = self.http.put(url).body(body).send().await?;
        Ok((
            response.status(),
            serde_json::from_slice(&response.bytes().await?)?,
        ))
    }

    pub async fn delete(&self) -> Result<()> {
        self.call(delete_rendezvous_session::unstable::Request::new(
            self.id.clone(),
        ))
        .await?;
        Ok(())
    }

    /// Sends a request of ruma, and parses the response with ruma.
    pub async fn call<R>(&self, request: R) -> Result<R::IncomingResponse>
    where
        R: OutgoingRequest<EndpointError = Error>,
        for<'a> R::Authentication: AuthScheme<Input<'a> = SendAccessToken<'a>>,
        for<'a> R::PathBuilder: PathBuilder<Input<'a> = Cow<'a, SupportedVersions>>,
    {
        let versions = SupportedVersions {
            versions: Default::default(),
            features: Default::default(),
        };
        let request: http::Request<Vec<u8>> = request.try_into_http_request(
            &self.server,
            SendAccessToken::None,
            Cow::Owned(versions),
        )?;
        let response = self.http.execute(request.try_into()?).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await?;
        let mut response = http::Response::new(&*body);
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Ok(R::IncomingResponse::try_from_http_response(response)?)
    }
}

fn api_error(error: &anyhow::Error) -> Result<&Error> {
    match error.downcast_ref() {
        Some(FromHttpResponseError::Server(error)) => Ok(error),
        _ => anyhow::bail!("no reply of the server's: {error:#}"),
    }
}

/// The status of an error response.
pub fn status(error: &anyhow::Error) -> Result<StatusCode> {
    Ok(api_error(error)?.status_code)
}

/// The errcode of an error response, as ruma parses it.
pub fn errcode(error: &anyhow::Error) -> Result<String> {
    match &api_error(error)?.body {
        ErrorBody::Standard(body) => Ok(body.kind.errcode().to_string()),
        body => anyhow::bail!("not a Matrix error: {body:?}"),
    }
}
