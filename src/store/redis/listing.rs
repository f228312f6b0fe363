//! The list of all sessions in Redis: SCAN on each primary, one after the other, and the principals that
//! each session has.

use crate::model::{SessionId, StoredPrincipal};
use crate::store::redis::RedisStore;
use crate::store::redis::connection::Connection;
use crate::store::redis::error_kind::{self, is_permission_error};
use crate::store::redis::keys::PrincipalKeys;
use crate::store::redis::topology::Topology;
use crate::store::{ListSessions, ListedSession, SessionPage, StoreError};
use fred::interfaces::ClientLike;
use fred::types::{ClusterHash, CustomCommand, Value};
use futures_util::future::try_join_all;
use std::fmt;
use std::sync::Arc;
use tokio::time::timeout;

/// Keys that one SCAN looks at. Redis runs it in some 50 µs, and serves others before the next.
const SCAN_COUNT: u32 = 128;

/// Calls in flight for the principals of the sessions of a page: an eighth of the permits of a connection
/// (`call_permits`), so that sign-ins have the others.
const CALLS_IN_FLIGHT: usize = 32;

/// Where the next page begins.
pub struct ScanCursor {
    /// The servers to scan. The last one is being scanned.
    servers: Vec<Arc<Connection>>,
    /// The cursor of that server.
    position: String,
}

impl fmt::Debug for ScanCursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.servers.len();
        write!(out, "ScanCursor({servers} servers, {})", self.position)
    }
}

/// Redis begins and ends a scan with this cursor.
const START: &str = "0";

impl ScanCursor {
    /// Begins with all primaries.
    fn new(topology: &Topology) -> Result<Self, StoreError> {
        let servers = topology.all_primaries().map_err(|unconnected| {
            StoreError::Unavailable(format!("no connection to {unconnected}"))
        })?;
        Ok(Self {
            servers,
            position: START.to_owned(),
        })
    }

    /// The place after a scan that returned `position`.
    fn advance(mut self, position: String) -> Option<Self> {
        if position == START {
            self.servers.pop();
        }
        self.position = position;
        (!self.servers.is_empty()).then_some(self)
    }
}

impl ListSessions for RedisStore {
    type Cursor = ScanCursor;

    async fn list(
        &self,
        cursor: Option<ScanCursor>,
        with_owners: bool,
    ) -> Result<SessionPage<ScanCursor>, StoreError> {
        let cursor = match cursor {
            Some(cursor) => cursor,
            None => ScanCursor::new(self.scripts.topology())?,
        };
        let Some(server) = cursor.servers.last() else {
            return Err(StoreError::Unavailable("no connection".to_owned()));
        };
        let (position, ids) = self.scan(server, &cursor.position).await?;
        let mut sessions = Vec::with_capacity(ids.len());
        for ids in ids.chunks(CALLS_IN_FLIGHT) {
            if with_owners {
                let calls = ids.iter().map(|id| self.leases.principal_keys(*id));
                let owners = try_join_all(calls).await?;
                let with_owner = ids.iter().zip(&owners);
                sessions.extend(with_owner.map(|(id, owner)| listed(*id, owner)));
            } else {
                let no_owner = PrincipalKeys::default();
                sessions.extend(ids.iter().map(|id| listed(*id, &no_owner)));
            }
        }
        let next = cursor.advance(position);
        Ok(SessionPage { sessions, next })
    }
}

impl RedisStore {
    /// Sends one SCAN. Returns the next cursor, and the sessions.
    async fn scan(
        &self,
        server: &Connection,
        position: &str,
    ) -> Result<(String, Vec<SessionId>), StoreError> {
        let command = CustomCommand::new_static("SCAN", ClusterHash::Random, false);
        let arguments = [
            position.to_owned(),
            "MATCH".to_owned(),
            self.keys.session_pattern(),
            "COUNT".to_owned(),
            SCAN_COUNT.to_string(),
        ];
        let answered = server.answered();
        let call = server
            .client()
            .custom::<Value, _>(command, arguments.to_vec());
        // fred leaves a call that comes while its task ends without an end.
        let replied = timeout(self.deadline, call).await;
        let value = replied.map_err(|_| StoreError::Timeout)?.map_err(|error| {
            let class = error_kind::classify(&error);
            server.note_error(class, answered);
            match class.into_store_error(&error) {
                StoreError::Rejected(reason) if is_permission_error(&reason) => {
                    let hint = "the admin API needs +scan in the ACL rule of the Redis user";
                    StoreError::Rejected(format!("{reason}: {hint}"))
                }
                other => other,
            }
        })?;
        server.count_reply();
        let page = self.parse_scan(value);
        if page.is_none() {
            // As a script's reply that does not fit (`scripts`): all that follow may be shifted.
            server.drop_because("a reply to SCAN does not fit");
        }
        page.ok_or(StoreError::BadReply)
    }

    /// Parses the reply of SCAN. Other keys than those of sessions are skipped.
    fn parse_scan(&self, reply: Value) -> Option<(String, Vec<SessionId>)> {
        let Value::Array(parts) = reply else {
            return None;
        };
        let [position, Value::Array(names)] = <[Value; 2]>::try_from(parts).ok()? else {
            return None;
        };
        let position = position.into_string()?;
        let is_number = position.bytes().all(|byte| byte.is_ascii_digit());
        let mut ids = Vec::with_capacity(names.len());
        for name in &names {
            ids.extend(self.keys.parse_session(name.as_bytes()?));
        }
        is_number.then_some((position, ids))
    }
}

fn listed(id: SessionId, owner: &PrincipalKeys) -> ListedSession {
    let hashed = |kind| owner.hash_of(kind).map(StoredPrincipal::Hashed);
    ListedSession {
        id,
        client: hashed('c'),
        user: hashed('u'),
    }
}
