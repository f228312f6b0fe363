//! Both dialects, as their clients speak them: the JSON of MSC4388 and the ETag of MSC4108.
//!
//! Requests are bytes, replies are taken apart; what becomes of a status that was not expected, the caller says.

use crate::http::Reply;
use serde_json::{Value, json};
use std::fmt::Write;

const JSON: &str = "/_matrix/client/unstable/io.element.msc4388/rendezvous";
const ETAG: &str = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// MSC4388.
    Json,
    /// MSC4108 of 2024.
    Etag,
}

/// Who asks.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// What the proxy says where the request comes from; none where there is no proxy.
    pub address: Option<String>,
    /// The access token, where one is shown.
    pub token: Option<String>,
}

/// A session as a client knows it.
#[derive(Debug, Clone)]
pub struct Session {
    /// The path of its URL.
    pub path: String,
    /// The sequence token, or the ETag.
    pub token: String,
}

/// What a poll found.
#[derive(Debug)]
pub struct News {
    /// The token of the payload.
    pub token: String,
    /// The payload.
    pub data: String,
}

impl Caller {
    fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
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
    /// A creation.
    pub fn create(self, caller: &Caller, data: &str) -> Vec<u8> {
        match self {
            Self::Json => {
                let body = json!({ "data": data }).to_string();
                caller.request("POST", JSON, "Content-Type: application/json\r\n", &body)
            }
            Self::Etag => caller.request("POST", ETAG, "Content-Type: text/plain\r\n", data),
        }
    }

    /// What was created.
    pub fn created(self, reply: &Reply) -> Option<Session> {
        let body: Value = serde_json::from_str(&reply.body).ok()?;
        match (self, reply.status) {
            (Self::Json, 200) => Some(Session {
                path: format!("{JSON}/{}", body["id"].as_str()?),
                token: body["sequence_token"].as_str()?.to_owned(),
            }),
            (Self::Etag, 201) => {
                let (_, id) = body["url"].as_str()?.rsplit_once('/')?;
                Some(Session {
                    path: self.path(id),
                    token: reply.etag.clone()?,
                })
            }
            _ => None,
        }
    }

    /// The session of this id, which need not exist.
    pub fn path(self, id: &str) -> String {
        match self {
            Self::Json => format!("{JSON}/{id}"),
            Self::Etag => format!("{ETAG}/{id}"),
        }
    }

    /// A poll of who knows the session as it is under `known`; of nothing yet where that is empty.
    pub fn poll(self, caller: &Caller, path: &str, known: &str) -> Vec<u8> {
        match self {
            Self::Etag if !known.is_empty() => {
                caller.request("GET", path, &format!("If-None-Match: {known}\r\n"), "")
            }
            Self::Json | Self::Etag => caller.request("GET", path, "", ""),
        }
    }

    /// What a poll found; `Ok(None)` where nothing is new, an error where the reply is no success.
    pub fn polled(self, reply: &Reply, known: &str) -> Result<Option<News>, ()> {
        let news = match (self, reply.status) {
            (Self::Etag, 304) => return Ok(None),
            (Self::Etag, 200) => News {
                token: reply.etag.clone().ok_or(())?,
                data: reply.body.clone(),
            },
            (Self::Json, 200) => {
                let body: Value = serde_json::from_str(&reply.body).map_err(drop)?;
                let field = |name: &str| body[name].as_str().map(str::to_owned).ok_or(());
                News {
                    token: field("sequence_token")?,
                    data: field("data")?,
                }
            }
            _ => return Err(()),
        };
        Ok((news.token != known).then_some(news))
    }

    /// A write over the token that the session is known by.
    pub fn write(self, caller: &Caller, session: &Session, data: &str) -> Vec<u8> {
        let Session { path, token } = session;
        match self {
            Self::Json => {
                let body = json!({ "sequence_token": token, "data": data }).to_string();
                caller.request("PUT", path, "Content-Type: application/json\r\n", &body)
            }
            Self::Etag => {
                let headers = format!("Content-Type: text/plain\r\nIf-Match: {token}\r\n");
                caller.request("PUT", path, &headers, data)
            }
        }
    }

    /// The token that a write yielded.
    pub fn written(self, reply: &Reply) -> Option<String> {
        match (self, reply.status) {
            (Self::Json, 200) => {
                let body: Value = serde_json::from_str(&reply.body).ok()?;
                Some(body["sequence_token"].as_str()?.to_owned())
            }
            (Self::Etag, 202) => reply.etag.clone(),
            _ => None,
        }
    }
}
