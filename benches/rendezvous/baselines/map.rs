//! The thinnest handler over a map: what sessions in memory cost, with JSON and a random id.
//!
//! It has no validation, hash, expiry or error bodies. A token is a counter, of the length of a
//! real token.

use super::Baseline;
use super::json::{created, found, read_input, written};
use super::reply::ModelReply;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// The lifetime in the replies. No session expires here.
const EXPIRES_IN_MS: i64 = 299_999;

/// Sessions under one lock.
pub struct Map {
    model: ModelReply,
    sessions: Mutex<HashMap<String, Session>>,
}

struct Session {
    data: String,
    writes: u64,
}

impl Map {
    pub fn new(model: ModelReply) -> Self {
        Self {
            model,
            sessions: Mutex::default(),
        }
    }

    /// Locks the sessions and calls `action` with them.
    fn locked<T>(&self, action: impl FnOnce(&mut HashMap<String, Session>) -> T) -> T {
        action(&mut self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Baseline for Map {
    async fn handle(&self, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let id = head.uri.path().rsplit('/').next()?;
        let json = match head.method {
            Method::GET => self.locked(|sessions| {
                sessions
                    .get(id)
                    .map(|session| found(&session.data, session.writes, EXPIRES_IN_MS))
            })?,
            Method::DELETE => self
                .locked(|sessions| sessions.remove(id))
                .map(|_| "{}".into())?,
            Method::POST => {
                let input = read_input(body).await?;
                let id = Uuid::new_v4().simple().to_string();
                let json = created(&id, 0, EXPIRES_IN_MS);
                let session = Session {
                    data: input.data,
                    writes: 0,
                };
                self.locked(|sessions| sessions.insert(id, session));
                json
            }
            _ => {
                let input = read_input(body).await?;
                let token: u64 = input.sequence_token.parse().ok()?;
                let writes = self.locked(|sessions| {
                    let session = sessions
                        .get_mut(id)
                        .filter(|session| session.writes == token)?;
                    session.writes += 1;
                    session.data = input.data;
                    Some(session.writes)
                })?;
                written(writes)
            }
        };
        Some(self.model.with_body(json))
    }
}
