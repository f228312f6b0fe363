//! The list of all sessions of the memory store: a page under its lock at a time, in the order of their
//! expiry.

use super::MemoryStore;
use crate::model::{Principal, SessionId, StoredPrincipal};
use crate::store::{ListSessions, ListedSession, SessionPage, StoreError};
use std::ops::Bound;
use std::time::Duration;

/// Sessions in a page: some 100 µs under the lock.
const PAGE: usize = 256;

impl ListSessions for MemoryStore {
    type Cursor = (Duration, SessionId);

    async fn list(
        &self,
        cursor: Option<Self::Cursor>,
        _with_owners: bool,
    ) -> Result<SessionPage<Self::Cursor>, StoreError> {
        let (sessions, _) = self.lock_live();
        let after = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let following = sessions.by_deadline.range((after, Bound::Unbounded));
        let page: Vec<_> = following.take(PAGE).copied().collect();
        let listed = page.iter().filter_map(|(_, id)| {
            let principals = &sessions.entries.get(id)?.principals;
            let find = |is_kind: fn(&Principal) -> bool| {
                let found = principals.iter().find(|principal| is_kind(principal));
                found.cloned().map(StoredPrincipal::Named)
            };
            Some(ListedSession {
                id: *id,
                client: find(|principal| matches!(principal, Principal::Client(_))),
                user: find(|principal| matches!(principal, Principal::User(_))),
            })
        });
        Ok(SessionPage {
            sessions: listed.collect(),
            next: page.last().copied().filter(|_| page.len() == PAGE),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::PAGE;
    use crate::clock::Clock;
    use crate::model::{Owner, Payload, SequenceToken, SessionId};
    use crate::store::memory::MemoryStore;
    use crate::store::{
        CurrentShares, DeleteResult, ListSessions, NewSession, Sampler, SessionLimits, Store,
    };
    use std::collections::HashSet;
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use std::time::Duration;

    async fn create(store: &MemoryStore) -> SessionId {
        let (id, data) = (SessionId::random(), Payload::new("x").expect("short"));
        let owner = Owner {
            client: std::net::IpAddr::from(Ipv4Addr::LOCALHOST).into(),
            user: None,
        };
        let new = NewSession {
            id,
            token: SequenceToken::first(id, &data),
            data,
            owner,
            timestamps: false,
        };
        store.create(&new).await.expect("a session");
        id
    }

    /// Sessions that end between two pages, those of the last page included, lose no other.
    #[tokio::test]
    async fn pages_have_each_session_once() {
        let limits = SessionLimits {
            ttl: Duration::from_mins(1),
            max_live: 10_000,
            max_writes: 10,
            max_txn_ids: 10,
            shares: Arc::new(CurrentShares::new(None)),
            sampler: Sampler::default(),
        };
        let store = MemoryStore::new(Clock::manual().0, limits);
        let mut ids = HashSet::new();
        for _ in 0..=2 * PAGE {
            ids.insert(create(&store).await);
        }
        let (mut listed, mut pages, mut cursor) = (HashSet::new(), 0, None);
        loop {
            let page = store.list(cursor, true).await.expect("a page");
            pages += 1;
            for session in &page.sessions {
                assert!(listed.insert(session.id), "once");
                assert_eq!(store.delete(session.id).await, Ok(DeleteResult::Deleted));
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((listed, pages), (ids, 3));
    }
}
