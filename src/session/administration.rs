//! The use cases of the admin API: count the live sessions by their owners, and end those of one owner or
//! all (docs/adr/0019-admin-api.md).
//!
//! Both walk over the list of the store, within bounds. Owners have the pseudonyms that the log has. This
//! module knows neither HTTP nor Redis.

use crate::clock::Clock;
use crate::model::SessionId;
use crate::store::{DeleteResult, ListSessions, ListedSession, Store, StoreError};
use crate::telemetry::pseudonym::Pseudonyms;
use futures_util::future::join_all;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// A walk begins no page after this time: some operators' proxies wait for 30 s, and a page may take
/// several times `store.redis.command_timeout`.
const WALK_TIME: Duration = Duration::from_secs(20);

/// A walk begins no page after this number of sessions, ten times the default of `session.max_live`. Their
/// ids take 3 MB.
const WALK_SESSIONS: usize = 100_000;

/// Deletions in flight, an eighth of the calls that a connection to Redis may have, so that sign-ins have
/// the others.
const DELETIONS_IN_FLIGHT: usize = 32;

/// Counts and ends the sessions of a deployment, for an operator.
#[derive(Debug)]
pub struct AdminSessions<S> {
    store: Arc<S>,
    pseudonyms: Pseudonyms,
    clock: Clock,
    /// One walk at a time: each costs the store as much as a second of sign-ins.
    walks: Semaphore,
}

/// Which sessions to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionSelector {
    /// All.
    All,
    /// Those of the client with this pseudonym.
    Client(String),
    /// Those of the user with this pseudonym.
    User(String),
}

/// The sessions of one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerCount {
    /// The pseudonym of the client or user.
    pub pseudonym: String,
    /// The number of its sessions.
    pub sessions: u64,
}

/// The live sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionCounts {
    /// Number of live sessions that `session.max_live` counts.
    pub live: u64,
    /// Number of sessions that the walk found.
    pub counted: u64,
    /// Whether the walk came to its end.
    pub is_complete: bool,
    /// The clients with the most sessions.
    pub clients: Vec<OwnerCount>,
    /// The users with the most sessions.
    pub users: Vec<OwnerCount>,
}

/// The result of a call that ends sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedSessions {
    /// Number of sessions that were ended.
    pub ended: u64,
    /// Whether the walk came to its end. If it did not, a further call ends more with
    /// [`SessionSelector::All`] alone: every walk begins at the first session.
    pub is_complete: bool,
}

/// Why a walk failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// Another walk of this replica is under way.
    #[error("another call is under way")]
    Busy,
    /// The store failed.
    #[error("{error}")]
    Store {
        /// The error of the store.
        error: StoreError,
        /// Number of sessions that were ended before.
        ended: u64,
    },
}

impl<S: Store + ListSessions> AdminSessions<S> {
    /// Creates the use cases on top of `store`.
    #[must_use]
    pub fn new(store: Arc<S>, pseudonyms: Pseudonyms, clock: Clock) -> Self {
        Self {
            store,
            pseudonyms,
            clock,
            walks: Semaphore::new(1),
        }
    }

    /// Counts the live sessions, and returns the `limit` clients and users with the most.
    ///
    /// # Errors
    /// [`WalkError`] if another walk is under way, or if the store failed.
    pub async fn count(&self, limit: usize) -> Result<SessionCounts, WalkError> {
        let _permit = self.try_begin()?;
        let failed = |error| WalkError::Store { error, ended: 0 };
        let live = self.store.live().await.map_err(failed)?;
        let mut walk = Walk::new(&*self.store, &self.clock);
        let (mut clients, mut users) = (HashMap::new(), HashMap::new());
        while let Some(page) = walk.next_page(true).await.map_err(failed)? {
            for session in page {
                let (client, user) = self.owners(&session);
                for (owner, counts) in [(client, &mut clients), (user, &mut users)] {
                    if let Some(owner) = owner {
                        *counts.entry(owner).or_default() += 1;
                    }
                }
            }
        }
        Ok(SessionCounts {
            live,
            counted: walk.seen.len() as u64,
            is_complete: walk.is_complete(),
            clients: largest(clients, limit),
            users: largest(users, limit),
        })
    }

    /// Ends the selected sessions, as if a device had deleted them: their places are free again, and
    /// reads that are held for them end.
    ///
    /// # Errors
    /// [`WalkError`] if another walk is under way, or if the store failed. A further call ends the rest.
    pub async fn end(&self, selector: &SessionSelector) -> Result<EndedSessions, WalkError> {
        let _permit = self.try_begin()?;
        let mut walk = Walk::new(&*self.store, &self.clock);
        let with_owners = *selector != SessionSelector::All;
        let mut ended = 0;
        loop {
            let failed = |error| WalkError::Store { error, ended };
            let Some(page) = walk.next_page(with_owners).await.map_err(failed)? else {
                break;
            };
            let selected = page
                .into_iter()
                .filter(|session| self.is_selected(session, selector));
            let selected: Vec<SessionId> = selected.map(|session| session.id).collect();
            for ids in selected.chunks(DELETIONS_IN_FLIGHT) {
                let deletions = ids.iter().map(|id| self.store.delete(*id));
                let mut failure = None;
                for deleted in join_all(deletions).await {
                    match deleted {
                        Ok(DeleteResult::Deleted) => ended += 1,
                        Ok(DeleteResult::Gone) => {}
                        Err(error) => failure = Some(error),
                    }
                }
                if let Some(error) = failure {
                    return Err(WalkError::Store { error, ended });
                }
            }
        }
        Ok(EndedSessions {
            ended,
            is_complete: walk.is_complete(),
        })
    }

    fn try_begin(&self) -> Result<SemaphorePermit<'_>, WalkError> {
        self.walks.try_acquire().map_err(|_| WalkError::Busy)
    }

    /// The pseudonyms of the client and the user of a session.
    fn owners(&self, session: &ListedSession) -> (Option<String>, Option<String>) {
        let client = session.client.as_ref();
        let user = session.user.as_ref();
        (
            client.map(|client| self.pseudonyms.stored_client(client)),
            user.map(|user| self.pseudonyms.stored_user(user)),
        )
    }

    fn is_selected(&self, session: &ListedSession, selector: &SessionSelector) -> bool {
        match (selector, self.owners(session)) {
            (SessionSelector::All, _) => true,
            (SessionSelector::Client(selected), (client, _)) => client.as_ref() == Some(selected),
            (SessionSelector::User(selected), (_, user)) => user.as_ref() == Some(selected),
        }
    }
}

/// The owners with the most sessions, the largest first.
fn largest(counts: HashMap<String, u64>, limit: usize) -> Vec<OwnerCount> {
    let counts = counts.into_iter().map(|(pseudonym, sessions)| OwnerCount {
        pseudonym,
        sessions,
    });
    let mut counts: Vec<_> = counts.collect();
    counts.sort_by(|one, other| {
        (Reverse(one.sessions), &one.pseudonym).cmp(&(Reverse(other.sessions), &other.pseudonym))
    });
    counts.truncate(limit);
    counts
}

/// A walk over the list of the store. Returns no session twice.
struct Walk<'a, S: ListSessions> {
    store: &'a S,
    clock: &'a Clock,
    started_at: Duration,
    position: WalkPosition<S::Cursor>,
    seen: HashSet<SessionId>,
}

/// Where a walk is.
enum WalkPosition<C> {
    Start,
    After(C),
    End,
}

impl<'a, S: ListSessions> Walk<'a, S> {
    fn new(store: &'a S, clock: &'a Clock) -> Self {
        Self {
            store,
            clock,
            started_at: clock.now(),
            position: WalkPosition::Start,
            seen: HashSet::new(),
        }
    }

    /// Returns the next sessions. `None` at the end, or if a bound is reached.
    async fn next_page(
        &mut self,
        with_owners: bool,
    ) -> Result<Option<Vec<ListedSession>>, StoreError> {
        let took = self.clock.now().saturating_sub(self.started_at);
        if took >= WALK_TIME || self.seen.len() >= WALK_SESSIONS {
            return Ok(None);
        }
        let cursor = match std::mem::replace(&mut self.position, WalkPosition::End) {
            WalkPosition::Start => None,
            WalkPosition::After(cursor) => Some(cursor),
            WalkPosition::End => return Ok(None),
        };
        let mut page = self.store.list(cursor, with_owners).await?;
        if let Some(cursor) = page.next {
            self.position = WalkPosition::After(cursor);
        }
        page.sessions.retain(|session| self.seen.insert(session.id));
        Ok(Some(page.sessions))
    }

    fn is_complete(&self) -> bool {
        matches!(self.position, WalkPosition::End)
    }
}

#[cfg(test)]
mod tests;
