//! The requests and replies of both dialects: JSON (MSC4388) and ETag (MSC4108 of 2024).
//!
//! For load and simulations. It serialises requests and parses replies. The caller decides what an
//! unexpected status means.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::api::{STABLE, UNSTABLE};
use crate::etag::ETAG;
use crate::keep_alive::ReplyBytes;

/// A dialect, at one of its paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// MSC4388 at its unstable path.
    Json,
    /// MSC4388 at its stable path, which `api.stable` enables.
    StableJson,
    /// MSC4108 of 2024.
    Etag,
}

/// What identifies a client to the server.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The value of `X-Forwarded-For`; `None` without a proxy.
    pub address: Option<String>,
    /// The access token, if the client sends one.
    pub token: Option<String>,
}

/// A session as a client knows it.
#[derive(Debug, Clone)]
pub struct SessionHandle {
    /// The path of its URL.
    pub path: String,
    /// The sequence token, or the ETag with its quotes.
    pub token: String,
}

/// A payload that a poll found.
#[derive(Debug)]
pub struct Update {
    /// The token of the payload.
    pub token: String,
    /// The payload.
    pub data: String,
}

/// A reply, as far as a client of these dialects reads it.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The ETag, with its quotes.
    pub etag: Option<String>,
    /// The body.
    pub body: String,
}

impl From<ReplyBytes<'_>> for Response {
    fn from(reply: ReplyBytes<'_>) -> Self {
        Self {
            status: reply.status,
            etag: reply.header("etag").map(str::to_owned),
            body: String::from_utf8_lossy(reply.body).into_owned(),
        }
    }
}

impl Caller {
    /// Serialises a request. Each line of `headers` ends with CRLF.
    pub fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: matrix.example.org\r\n");
        // Writing to a String cannot fail.
        if let Some(address) = &self.address {
            let _ = write!(request, "X-Forwarded-For: {address}\r\n");
        }
        if let Some(token) = &self.token {
            let _ = write!(request, "Authorization: Bearer {token}\r\n");
        }
        let length = body.len();
        let _ = write!(request, "{headers}Content-Length: {length}\r\n\r\n{body}");
        request.into_bytes()
    }
}

impl Dialect {
    /// The path of the dialect.
    pub fn root(self) -> &'static str {
        match self {
            Self::Json => UNSTABLE,
            Self::StableJson => STABLE,
            Self::Etag => ETAG,
        }
    }

    /// The path of a session, which need not exist.
    pub fn path(self, id: &str) -> String {
        format!("{}/{id}", self.root())
    }

    /// The request that creates a session.
    pub fn create(self, caller: &Caller, data: &str) -> Vec<u8> {
        let (kind, body) = match self {
            Self::Json | Self::StableJson => {
                ("application/json", json!({ "data": data }).to_string())
            }
            Self::Etag => ("text/plain", data.to_owned()),
        };
        let headers = format!("Content-Type: {kind}\r\n");
        caller.request("POST", self.root(), &headers, &body)
    }

    /// The session that a creation returned; `None` if it failed.
    pub fn created(self, reply: &Response) -> Option<SessionHandle> {
        let body: Value = serde_json::from_str(&reply.body).ok()?;
        match (self, reply.status) {
            (Self::Json | Self::StableJson, 200) => Some(SessionHandle {
                path: self.path(body["id"].as_str()?),
                token: body["sequence_token"].as_str()?.to_owned(),
            }),
            (Self::Etag, 201) => {
                let (_, id) = body["url"].as_str()?.rsplit_once('/')?;
                Some(SessionHandle {
                    path: self.path(id),
                    token: reply.etag.clone()?,
                })
            }
            _ => None,
        }
    }

    /// The request of a poll by a client that has read the payload of token `known`, which is empty
    /// if it has read none.
    pub fn poll(self, caller: &Caller, path: &str, known: &str) -> Vec<u8> {
        match self {
            Self::Etag if !known.is_empty() => {
                caller.request("GET", path, &format!("If-None-Match: {known}\r\n"), "")
            }
            Self::Json | Self::StableJson | Self::Etag => caller.request("GET", path, "", ""),
        }
    }

    /// The payload that a poll returned; `Ok(None)` if it is the one of token `known`.
    ///
    /// # Errors
    /// Returns `Err` if the reply is not a success.
    #[expect(clippy::result_unit_err, reason = "the caller has the reply")]
    pub fn polled(self, reply: &Response, known: &str) -> Result<Option<Update>, ()> {
        let update = match (self, reply.status) {
            (Self::Etag, 304) => return Ok(None),
            (Self::Etag, 200) => Update {
                token: reply.etag.clone().ok_or(())?,
                data: reply.body.clone(),
            },
            (Self::Json | Self::StableJson, 200) => {
                let body: Value = serde_json::from_str(&reply.body).map_err(drop)?;
                let member = |name: &str| body[name].as_str().map(str::to_owned).ok_or(());
                Update {
                    token: member("sequence_token")?,
                    data: member("data")?,
                }
            }
            _ => return Err(()),
        };
        Ok((update.token != known).then_some(update))
    }

    /// The request of a write over the token of `session`.
    pub fn write(self, caller: &Caller, session: &SessionHandle, data: &str) -> Vec<u8> {
        let SessionHandle { path, token } = session;
        match self {
            Self::Json | Self::StableJson => {
                let body = json!({ "sequence_token": token, "data": data }).to_string();
                caller.request("PUT", path, "Content-Type: application/json\r\n", &body)
            }
            Self::Etag => {
                let headers = format!("Content-Type: text/plain\r\nIf-Match: {token}\r\n");
                caller.request("PUT", path, &headers, data)
            }
        }
    }

    /// The token that a write returned; `None` if it failed.
    pub fn written(self, reply: &Response) -> Option<String> {
        match (self, reply.status) {
            (Self::Json | Self::StableJson, 200) => {
                let body: Value = serde_json::from_str(&reply.body).ok()?;
                Some(body["sequence_token"].as_str()?.to_owned())
            }
            (Self::Etag, 202) => reply.etag.clone(),
            _ => None,
        }
    }
}
