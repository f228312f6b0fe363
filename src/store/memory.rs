//! The memory store: sessions in this process, for one replica and for trying out.
//!
//! Expiry is exact, without a scan or a background task. All sessions have the same lifetime, so
//! they expire in the order of their creation, and each call first removes the expired ones. Each
//! session is removed once, so the cost is spread over the creations. This store never evicts a
//! live session, and no session survives the process.

mod entry;
mod listing;

use crate::clock::Clock;
use crate::model::{Limit, LimitExceeded, LimitSet};
use crate::model::{Principal, SessionId};
use crate::store::{
    Changes, CreateResult, DeleteResult, NewSession, ReadRequest, ReadResult, SessionLimits, Store,
    StoreError, Timestamps, WithTimestamps, WriteRequest, WriteResult,
};
use entry::SessionEntry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The sessions of one process. Worst-case memory: `max_live` sessions of 10 KiB (a payload of 4 KiB
/// and 64 recorded txnIds), which is 105 MB at the default of 10,000.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Clock,
    limits: SessionLimits,
    // A std Mutex fits: it is held for a few hundred nanoseconds and never across an await. Hashing
    // and JSON happen outside it.
    sessions: Mutex<LiveSessions>,
    changes: Changes,
}

/// The sessions, indexed by id, by expiry and by principal.
#[derive(Debug, Default)]
struct LiveSessions {
    entries: HashMap<SessionId, SessionEntry>,
    by_deadline: BTreeSet<(Duration, SessionId)>,
    /// The sessions that count towards each principal.
    by_principal: HashMap<Principal, BTreeSet<(Duration, SessionId)>>,
    /// The deleted sessions that wide networks still count, until they would have expired; at most
    /// `max_live`.
    deleted: BTreeMap<(Duration, SessionId), Vec<Principal>>,
    /// Sessions that have expired since the last creation reported them.
    expired: u64,
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new(clock: Clock, limits: SessionLimits) -> Self {
        Self {
            clock,
            limits,
            sessions: Mutex::default(),
            changes: Changes::new(true),
        }
    }

    /// Locks the sessions and removes the expired ones. Returns the current time too.
    fn lock_live(&self) -> (MutexGuard<'_, LiveSessions>, Duration) {
        // Poison is ignored: a change is a few inserts, removes and assignments, and none of those
        // panics (out of memory aborts).
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        sessions.drop_expired(now);
        (sessions, now)
    }

    fn create_sync(&self, new: &NewSession) -> WithTimestamps<CreateResult> {
        let (mut sessions, now) = self.lock_live();
        let reject = |live: &BTreeSet<(Duration, SessionId)>, limit| {
            let first = live.first().map(|(deadline, _)| *deadline);
            let retry_after = first.map_or(self.limits.ttl, |first| first.saturating_sub(now));
            WithTimestamps::without_timestamps(CreateResult::Rejected(LimitExceeded {
                limit,
                retry_after,
            }))
        };
        let total = sessions.by_deadline.len() as u64;
        if total >= self.limits.max_live {
            return reject(&sessions.by_deadline, Limit::LiveTotal);
        }
        let (no_sessions, mut shadowed) = (BTreeSet::new(), LimitSet::default());
        for claim in self.limits.claims(&new.owner, new.id) {
            let own = sessions.by_principal.get(&claim.principal);
            let own = own.unwrap_or(&no_sessions);
            let (share, limit) = claim.live;
            if (own.len() as u64) < self.limits.reduced_share(share, total) {
                continue;
            }
            if !self.limits.is_shadow(limit) {
                // The expiry of its own first session would show which sessions a wide network counts.
                let is_wide = matches!(claim.principal, Principal::Wide(..));
                return reject(if is_wide { &sessions.by_deadline } else { own }, limit);
            }
            shadowed = shadowed.with(limit);
        }
        let expires = now + self.limits.ttl;
        sessions.by_deadline.insert((expires, new.id));
        let claims = self.limits.claims(&new.owner, new.id);
        let counted = claims.filter(|claim| claim.is_counted);
        let principals: Vec<_> = counted.map(|claim| claim.principal).collect();
        for principal in &principals {
            let live = sessions.by_principal.entry(principal.clone()).or_default();
            live.insert((expires, new.id));
        }
        let modified = self.clock.time_of_day();
        let timestamps = Timestamps {
            modified,
            expires: modified + self.limits.ttl,
        };
        let entry = SessionEntry::new(new.token, new.data.clone(), expires, timestamps, principals);
        let created = CreateResult::Created {
            id: new.id,
            token: new.token,
            expires_in: self.limits.ttl,
            shadowed,
            expired: mem::take(&mut sessions.expired),
        };
        let created = entry.with_timestamps(new.timestamps, created);
        sessions.entries.insert(new.id, entry);
        created
    }

    fn read_sync(&self, request: &ReadRequest) -> WithTimestamps<ReadResult> {
        let (mut sessions, now) = self.lock_live();
        let Some(entry) = sessions.entries.get_mut(&request.id) else {
            return WithTimestamps::without_timestamps(ReadResult::Gone);
        };
        let expires_in = entry.expires_at.saturating_sub(now);
        let read = if request.if_none_match == Some(entry.token) {
            ReadResult::Unchanged {
                expires_in,
                never_written: entry.is_never_written(),
                is_one_sided: request.track_peer && entry.track_poll(expires_in),
            }
        } else {
            if request.track_peer && request.if_none_match.is_none() {
                entry.is_peer_settled = true;
            }
            ReadResult::Found {
                data: entry.data.clone(),
                token: entry.token,
                expires_in,
                never_written: entry.is_never_written(),
            }
        };
        entry.with_timestamps(request.timestamps, read)
    }

    fn write_sync(&self, write: &WriteRequest) -> WithTimestamps<WriteResult> {
        let (mut sessions, now) = self.lock_live();
        let Some(entry) = sessions.entries.get_mut(&write.id) else {
            return WithTimestamps::without_timestamps(WriteResult::Gone);
        };
        let written = match write.txn {
            None => entry.write(write, &self.limits, now),
            Some(txn) => entry.write_with_txn(write, txn, &self.limits, now),
        };
        if matches!(written, WriteResult::Written { .. }) {
            // Derived from the expiry, as in Redis: the wall clock may have been set.
            let left = entry.expires_at.saturating_sub(now);
            entry.timestamps.modified = entry.timestamps.expires - left;
        }
        entry.with_timestamps(write.timestamps, written)
    }

    fn delete_sync(&self, id: SessionId) -> DeleteResult {
        let (mut sessions, _) = self.lock_live();
        let Some(entry) = sessions.entries.remove(&id) else {
            return DeleteResult::Gone;
        };
        let at = (entry.expires_at, id);
        sessions.by_deadline.remove(&at);
        let principals = entry.principals.into_iter();
        let (released, kept): (Vec<_>, Vec<_>) =
            principals.partition(|principal| self.limits.is_released(principal));
        sessions.release(at, &released);
        if !kept.is_empty() {
            sessions.deleted.insert(at, kept);
        }
        if sessions.deleted.len() as u64 > self.limits.max_live
            && let Some((at, principals)) = sessions.deleted.pop_first()
        {
            sessions.release(at, &principals);
        }
        DeleteResult::Deleted
    }
}

impl LiveSessions {
    fn drop_expired(&mut self, now: Duration) {
        while let Some(&(deadline, id)) = self.by_deadline.first() {
            if deadline > now {
                break;
            }
            self.by_deadline.pop_first();
            if let Some(entry) = self.entries.remove(&id) {
                self.release((deadline, id), &entry.principals);
            }
            self.expired += 1;
        }
        while let Some(entry) = self.deleted.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (at, principals) = entry.remove_entry();
            self.release(at, &principals);
        }
    }

    /// Stops counting a session towards these principals.
    fn release(&mut self, at: (Duration, SessionId), principals: &[Principal]) {
        for principal in principals {
            if let Some(counted) = self.by_principal.get_mut(principal) {
                counted.remove(&at);
                if counted.is_empty() {
                    self.by_principal.remove(principal);
                }
            }
        }
    }
}

// No method waits. They are async because the trait is.
impl Store for MemoryStore {
    async fn create(&self, new: &NewSession) -> Result<WithTimestamps<CreateResult>, StoreError> {
        Ok(self.create_sync(new))
    }

    async fn read(&self, request: &ReadRequest) -> Result<WithTimestamps<ReadResult>, StoreError> {
        Ok(self.read_sync(request))
    }

    async fn write(&self, write: &WriteRequest) -> Result<WithTimestamps<WriteResult>, StoreError> {
        let written = self.write_sync(write);
        if matches!(written.result, WriteResult::Written { .. }) {
            self.changes.report(write.id);
        }
        Ok(written)
    }

    async fn delete(&self, id: SessionId) -> Result<DeleteResult, StoreError> {
        let deleted = self.delete_sync(id);
        if deleted == DeleteResult::Deleted {
            self.changes.report(id);
        }
        Ok(deleted)
    }

    async fn live(&self) -> Result<u64, StoreError> {
        Ok(self.lock_live().0.entries.len() as u64)
    }

    fn changes(&self) -> &Changes {
        &self.changes
    }
}

#[cfg(test)]
mod tests;
