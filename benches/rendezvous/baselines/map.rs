//! The thinnest handler over a map: what sessions in memory cost, with JSON and a random id.
//!
//! No validation, no hash, no expiry, no error bodies; a counter for a token, as long as the real one.

use super::Floor;
use super::json::{created, found, input, written};
use super::reply::Model;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// What a session's lifetime is said to be; nothing here ends.
const EXPIRES_IN_MS: i64 = 299_999;

/// Sessions under one lock.
pub struct Map {
    model: Model,
    sessions: Mutex<HashMap<String, Session>>,
}

struct Session {
    data: String,
    writes: u64,
}

impl Map {
    pub fn new(model: Model) -> Self {
        Self {
            model,
            sessions: Mutex::default(),
        }
    }

    /// Calls `with` with the sessions, locked.
    fn locked<T>(&self, with: impl FnOnce(&mut HashMap<String, Session>) -> T) -> T {
        with(&mut self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Floor for Map {
    async fn answer(&self, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
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
                let input = input(body).await?;
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
                let input = input(body).await?;
                let named: u64 = input.sequence_token.parse().ok()?;
                let writes = self.locked(|sessions| {
                    let session = sessions
                        .get_mut(id)
                        .filter(|session| session.writes == named)?;
                    session.writes += 1;
                    session.data = input.data;
                    Some(session.writes)
                })?;
                written(writes)
            }
        };
        Some(self.model.reply(json))
    }
}
