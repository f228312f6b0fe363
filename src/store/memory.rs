//! The embedded store: sessions in this process, for one replica and for trying out.
//!
//! Exact expiry without scanning or a background task: every session lives equally long, so they
//! expire in the order of their deadlines, and each call first drops those that are due. A call drops
//! each session at most once, so the cost is spread over the creates. What it never does: evict a
//! live session, or outlive the process.

mod entry;

use crate::clock::Clock;
use crate::model::{Limit, LimitExceeded, LimitSet};
use crate::model::{Principal, SessionId};
use crate::store::{
    Created, Deleted, NewSession, ReadRequest, ReadResult, SessionLimits, Store, StoreError,
    Timestamps, WithTimestamps, WriteRequest, WriteResult,
};
use entry::Entry;
use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Sessions of one process. Its worst case is `max_live` payloads of 4 KiB, about 7 KiB each with
/// 64 recorded txnIds: 70 MB at the default of 10,000.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Clock,
    limits: SessionLimits,
    // A std Mutex is right here: it is held for a few hundred nanoseconds and never across an await,
    // and hashing and JSON happen outside it.
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    entries: HashMap<SessionId, Entry>,
    by_deadline: BTreeSet<(Duration, SessionId)>,
    /// The sessions of everyone who has any.
    by_principal: HashMap<Principal, BTreeSet<(Duration, SessionId)>>,
    /// Sessions that ran out, and that nobody was told of yet.
    ran_out: u64,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Clock, limits: SessionLimits) -> Self {
        Self {
            clock,
            limits,
            sessions: Mutex::default(),
        }
    }

    /// The sessions that are live now, and the time.
    fn at_now(&self) -> (MutexGuard<'_, Sessions>, Duration) {
        // A change is a few inserts, removes and assignments, none of which panics (out of memory aborts). So
        // the poison tells nothing.
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        sessions.drop_expired(now);
        (sessions, now)
    }

    fn create_now(&self, new: &NewSession) -> WithTimestamps<Created> {
        let (mut sessions, now) = self.at_now();
        if let Some(entry) = sessions.entries.get(&new.id) {
            let expires_in = entry.expires.saturating_sub(now);
            let shadowed = LimitSet::default();
            let created = Created::Created {
                expires_in,
                shadowed,
                ran_out: 0,
            };
            return entry.dated(new.dates, created);
        }
        let refused = |live: &BTreeSet<(Duration, SessionId)>, limit| {
            let first = live.first().map(|(deadline, _)| *deadline);
            let retry_after = first.map_or(self.limits.ttl, |first| first.saturating_sub(now));
            WithTimestamps::without(Created::Refused(LimitExceeded { limit, retry_after }))
        };
        let total = sessions.by_deadline.len() as u64;
        if total >= self.limits.max_live {
            return refused(&sessions.by_deadline, Limit::LiveTotal);
        }
        let (nobodys, mut shadowed) = (BTreeSet::new(), LimitSet::default());
        for counted in self.limits.counted(&new.owner) {
            let own = sessions.by_principal.get(&counted.principal);
            let own = own.unwrap_or(&nobodys);
            if (own.len() as u64) < self.limits.shrunk(counted.share.live, total) {
                continue;
            }
            if !self.limits.is_shadow(counted.live) {
                return refused(own, counted.live);
            }
            shadowed = shadowed.with(counted.live);
        }
        let expires = now + self.limits.ttl;
        sessions.by_deadline.insert((expires, new.id));
        let counted = self.limits.counted(&new.owner);
        let principals: Vec<_> = counted.map(|counted| counted.principal).collect();
        for principal in &principals {
            let live = sessions.by_principal.entry(principal.clone()).or_default();
            live.insert((expires, new.id));
        }
        let modified = self.clock.time_of_day();
        let dates = Timestamps {
            modified,
            expires: modified + self.limits.ttl,
        };
        let entry = Entry::new(
            new.token,
            new.data.clone(),
            (now, expires),
            dates,
            principals,
        );
        let created = Created::Created {
            expires_in: self.limits.ttl,
            shadowed,
            ran_out: mem::take(&mut sessions.ran_out),
        };
        let created = entry.dated(new.dates, created);
        sessions.entries.insert(new.id, entry);
        created
    }

    fn read_now(&self, look: &ReadRequest) -> WithTimestamps<ReadResult> {
        let (sessions, now) = self.at_now();
        let Some(entry) = sessions.entries.get(&look.id) else {
            return WithTimestamps::without(ReadResult::Gone);
        };
        let expires_in = entry.expires.saturating_sub(now);
        let read = if look.unless == Some(entry.token) {
            ReadResult::Unchanged { expires_in }
        } else {
            ReadResult::Found {
                data: entry.data.clone(),
                token: entry.token,
                expires_in,
                unanswered: entry.is_unanswered(),
            }
        };
        entry.dated(look.dates, read)
    }

    fn write_now(&self, write: &WriteRequest) -> WithTimestamps<WriteResult> {
        let (mut sessions, now) = self.at_now();
        let Some(entry) = sessions.entries.get_mut(&write.id) else {
            return WithTimestamps::without(WriteResult::Gone);
        };
        let written = match write.txn {
            None => entry.write(write, &self.limits, now),
            Some(txn) => entry.write_once(write, txn, &self.limits, now),
        };
        if matches!(written, WriteResult::Written { .. }) {
            entry.dates.modified = self.clock.time_of_day();
        }
        entry.dated(write.dates, written)
    }

    fn delete_now(&self, id: SessionId) -> Deleted {
        let (mut sessions, _) = self.at_now();
        let Some(expires) = sessions.remove(id) else {
            return Deleted::Gone;
        };
        sessions.by_deadline.remove(&(expires, id));
        Deleted::Deleted
    }
}

impl Sessions {
    fn drop_expired(&mut self, now: Duration) {
        while let Some(&(deadline, id)) = self.by_deadline.first() {
            if deadline > now {
                break;
            }
            self.by_deadline.pop_first();
            self.remove(id);
            self.ran_out += 1;
        }
    }

    /// Takes a session away, but for its deadline, which is told.
    fn remove(&mut self, id: SessionId) -> Option<Duration> {
        let entry = self.entries.remove(&id)?;
        for principal in &entry.principals {
            if let Some(live) = self.by_principal.get_mut(principal) {
                live.remove(&(entry.expires, id));
                if live.is_empty() {
                    self.by_principal.remove(principal);
                }
            }
        }
        Some(entry.expires)
    }
}

// The methods never wait; they are async for the trait alone.
impl Store for MemoryStore {
    async fn create(&self, new: &NewSession) -> Result<WithTimestamps<Created>, StoreError> {
        Ok(self.create_now(new))
    }

    async fn read(&self, look: &ReadRequest) -> Result<WithTimestamps<ReadResult>, StoreError> {
        Ok(self.read_now(look))
    }

    async fn write(&self, write: &WriteRequest) -> Result<WithTimestamps<WriteResult>, StoreError> {
        Ok(self.write_now(write))
    }

    async fn delete(&self, id: SessionId) -> Result<Deleted, StoreError> {
        Ok(self.delete_now(id))
    }

    async fn live(&self) -> Result<u64, StoreError> {
        Ok(self.at_now().0.entries.len() as u64)
    }
}
