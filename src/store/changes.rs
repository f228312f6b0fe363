//! Hints that a session was written or deleted, for reads that wait for a change.
//!
//! A hint only says that a read is worth its cost: the answer to a client is always read from the
//! store. So a hint may be late, repeated, or about a session that did not change. It may be lost only
//! while the registry is not complete: a read that waits must then look from time to time.

use crate::model::SessionId;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Number of counters. Sessions share them by hash: a change of another session costs a read too
/// many, if it falls between a read and its watch.
const COUNTERS: usize = 4096;

/// The changes of a store's sessions, and who waits for them. One per store.
#[derive(Debug)]
pub struct Changes {
    /// Number of changes, for each hash of an id.
    counters: Vec<AtomicU32>,
    hasher: RandomState,
    /// Number of times that changes of any session may have been missed.
    gaps: AtomicU32,
    watchers: Mutex<HashMap<SessionId, Vec<Arc<Notify>>>>,
    is_complete: AtomicBool,
}

/// The state of the changes of a session before it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeMark {
    changes: u32,
    gaps: u32,
}

/// Waits for changes of one session. Dropping it ends that.
#[derive(Debug)]
pub struct ChangeWatcher<'a> {
    changes: &'a Changes,
    id: SessionId,
    notify: Arc<Notify>,
}

impl Changes {
    /// Creates the registry. `is_complete` as in [`Self::set_complete`].
    #[must_use]
    pub fn new(is_complete: bool) -> Self {
        Self {
            counters: (0..COUNTERS).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
            gaps: AtomicU32::new(0),
            watchers: Mutex::default(),
            is_complete: AtomicBool::new(is_complete),
        }
    }

    /// Must be called before the read that [`Self::watch`] follows: no change is lost between them.
    #[must_use]
    pub fn mark(&self, id: SessionId) -> ChangeMark {
        ChangeMark {
            changes: self.counter(id).load(Ordering::SeqCst),
            gaps: self.gaps.load(Ordering::SeqCst),
        }
    }

    /// Begins to wait for changes of a session since `mark`. Returns `None` if `max` watchers wait
    /// for it already.
    pub fn watch(&self, id: SessionId, mark: ChangeMark, max: usize) -> Option<ChangeWatcher<'_>> {
        let notify = Arc::new(Notify::new());
        {
            let mut watchers = self.lock();
            let watchers = watchers.entry(id).or_default();
            if watchers.len() >= max {
                return None;
            }
            watchers.push(Arc::clone(&notify));
        }
        // After the registration: `report` counts before it looks for watchers.
        if self.mark(id) != mark {
            notify.notify_one();
        }
        Some(ChangeWatcher {
            changes: self,
            id,
            notify,
        })
    }

    /// Reports that a session was written or deleted, and wakes its watchers.
    pub fn report(&self, id: SessionId) {
        self.counter(id).fetch_add(1, Ordering::SeqCst);
        if let Some(watchers) = self.lock().get(&id) {
            for watcher in watchers {
                watcher.notify_one();
            }
        }
    }

    /// Sets whether every change is reported from now on, soon after it happened. Wakes all watchers,
    /// since changes may have been missed.
    pub fn set_complete(&self, is_complete: bool) {
        self.is_complete.store(is_complete, Ordering::SeqCst);
        self.gaps.fetch_add(1, Ordering::SeqCst);
        for watcher in self.lock().values().flatten() {
            watcher.notify_one();
        }
    }

    /// Whether every change is reported.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::SeqCst)
    }

    fn counter(&self, id: SessionId) -> &AtomicU32 {
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of COUNTERS")]
        let index = (self.hasher.hash_one(id) % COUNTERS as u64) as usize;
        &self.counters[index]
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Vec<Arc<Notify>>>> {
        // Poison is ignored: a change of the map is one insert or remove.
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChangeWatcher<'_> {
    /// Waits until the session may have changed, or the registry may have become incomplete.
    /// May be dropped and called again: no hint is lost.
    pub async fn changed(&self) {
        self.notify.notified().await;
    }
}

impl Drop for ChangeWatcher<'_> {
    fn drop(&mut self) {
        let mut watchers = self.changes.lock();
        if let Some(of_session) = watchers.get_mut(&self.id) {
            of_session.retain(|notify| !Arc::ptr_eq(notify, &self.notify));
            if of_session.is_empty() {
                watchers.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ChangeWatcher, Changes};
    use crate::model::SessionId;
    use futures_util::FutureExt;

    fn is_woken(watcher: &ChangeWatcher<'_>) -> bool {
        watcher.changed().now_or_never().is_some()
    }

    #[test]
    fn report_wakes_each_watcher_of_its_session_once() {
        let changes = Changes::new(true);
        let (id, other) = (SessionId::random(), SessionId::random());
        let watch = |id| {
            let mark = changes.mark(id);
            changes.watch(id, mark, 2).expect("room")
        };
        let (first, second, of_other) = (watch(id), watch(id), watch(other));
        assert!(!is_woken(&first));
        changes.report(id);
        assert!(is_woken(&first) && is_woken(&second));
        assert!(!is_woken(&of_other));
        assert!(!is_woken(&first), "once");
    }

    #[test]
    fn change_between_mark_and_watch_is_not_lost() {
        let changes = Changes::new(true);
        let id = SessionId::random();
        let mark = changes.mark(id);
        changes.report(id);
        let late = changes.watch(id, mark, 1).expect("room");
        assert!(is_woken(&late));
        drop(late);
        let mark = changes.mark(id);
        let after = changes.watch(id, mark, 1).expect("room");
        assert!(!is_woken(&after), "the mark was taken after the change");
    }

    #[test]
    fn gap_between_mark_and_watch_is_not_lost() {
        let changes = Changes::new(true);
        let id = SessionId::random();
        let mark = changes.mark(id);
        changes.set_complete(true);
        let late = changes.watch(id, mark, 1).expect("room");
        assert!(is_woken(&late));
    }

    #[test]
    fn change_of_the_registry_wakes_everyone() {
        let changes = Changes::new(true);
        let ids = [SessionId::random(), SessionId::random()];
        let watchers = ids.map(|id| changes.watch(id, changes.mark(id), 1).expect("room"));
        for is_complete in [false, true] {
            changes.set_complete(is_complete);
            assert_eq!(changes.is_complete(), is_complete);
            assert!(watchers.iter().all(is_woken));
        }
    }

    #[test]
    fn watchers_of_a_session_are_limited_and_forgotten() {
        let changes = Changes::new(true);
        let id = SessionId::random();
        let watch = || changes.watch(id, changes.mark(id), 2);
        let two = [watch(), watch()];
        assert!(two.iter().all(Option::is_some));
        assert!(watch().is_none());
        drop(two);
        assert!(changes.lock().is_empty());
        assert!(watch().is_some());
    }
}
