//! The list of all live sessions, in pages: for the calls of an operator, who counts sessions and ends
//! them. No request of a client needs it.

use crate::model::{SessionId, StoredPrincipal};
use crate::store::StoreError;
use std::future::Future;

/// A store that can list its live sessions.
pub trait ListSessions: Send + Sync + 'static {
    /// Where the next page begins.
    type Cursor: Send + Sync;

    /// Returns some of the live sessions: those after `cursor`, or the first ones. A page may be empty
    /// although others follow. If the owners are not needed (`with_owners` is false), they may be
    /// missing.
    ///
    /// The pages together have each session that lives from the first call to the last. They may have
    /// one twice, one that has ended meanwhile, and one that was created meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] if the page could not be read. The cursor is lost; a new list begins at the start.
    fn list(
        &self,
        cursor: Option<Self::Cursor>,
        with_owners: bool,
    ) -> impl Future<Output = Result<SessionPage<Self::Cursor>, StoreError>> + Send;
}

/// Some of the live sessions.
#[derive(Debug)]
pub struct SessionPage<C> {
    /// The sessions.
    pub sessions: Vec<ListedSession>,
    /// Where the next page begins. `None` if this is the last one.
    pub next: Option<C>,
}

/// A session in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSession {
    /// The session.
    pub id: SessionId,
    /// The client that created the session. `None` if `limits.enabled` was false then: the session
    /// stores no owner.
    pub client: Option<StoredPrincipal>,
    /// The user who created the session. `None` also if the request had no access token.
    pub user: Option<StoredPrincipal>,
}
