//! ClientConcurrencyLimiter among the live sessions: taken before a session is made, given back after it has ended
//! (docs/adr/0003-lease-then-create.md), and counted against everyone whose share it is.

use crate::model::{Limit, LimitExceeded, LimitSet};
use crate::model::{Owner, SessionId, SharedPseudonymKey};
use crate::store::quotas::ShareClaim;
use crate::store::redis::keys::{Keys, PrincipalKeys, member};
use crate::store::redis::millis;
use crate::store::redis::pseudonym_key_cache::{PseudonymKeyCache, holder};
use crate::store::redis::reply::ScriptReply;
use crate::store::redis::scripts::{Argument, Scripts};
use crate::store::{Deleted, SessionLimits, Share, StoreError};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

/// Ended leases that one new session sweeps of each set: enough to outrun growth, too few to stall Redis.
pub(super) const SWEEP: u64 = 16;

/// Takes places, and gives them back.
#[derive(Debug)]
pub(super) struct Leases {
    pub(super) scripts: Arc<Scripts>,
    pub(super) keys: Keys,
    pub(super) limits: SessionLimits,
    /// How long a place is held without a session, should this worker die between the two.
    hold: Duration,
    secrets: PseudonymKeyCache,
}

/// Whom a place is to be counted against, and what they may have.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) holders: PrincipalKeys,
    counted: Vec<ShareClaim>,
}

/// What became of a [`Request`].
#[derive(Debug)]
pub(super) enum Taken {
    /// The place is taken.
    Taken {
        /// Limits in shadow mode that would have refused it.
        shadowed: LimitSet,
        /// Leases that had ended, and that were swept.
        ended: u64,
    },
    /// Nothing is taken.
    Refused(LimitExceeded),
}

impl Leases {
    pub(super) fn new(
        scripts: &Arc<Scripts>,
        keys: &Keys,
        limits: SessionLimits,
        deadline: Duration,
        secret: Arc<SharedPseudonymKey>,
    ) -> Self {
        Self {
            scripts: Arc::clone(scripts),
            keys: keys.clone(),
            hold: limits.ttl + deadline,
            limits,
            secrets: PseudonymKeyCache::new(secret),
        }
    }

    /// What is to be taken for a session of this owner.
    pub(super) async fn request(&self, owner: &Owner) -> Result<Request, StoreError> {
        let counted: Vec<ShareClaim> = self.limits.counted(owner).collect();
        let mut holders = PrincipalKeys::default();
        if !counted.is_empty() {
            let secret = self.secrets.current(&self.scripts, &self.keys).await?;
            let each = counted.iter().map(|one| holder(&secret, &one.principal));
            holders = each.collect();
        }
        Ok(Request { holders, counted })
    }

    /// Takes a place, or says what refuses it.
    pub(super) async fn take(&self, id: SessionId, request: &Request) -> Result<Taken, StoreError> {
        let member = member(id);
        let mut arguments = vec![
            Argument::Bytes(&member),
            millis(self.hold),
            Argument::Number(SWEEP),
            Argument::Number(self.limits.max_live),
        ];
        for one in &request.counted {
            let Share { live, create } = one.share;
            let period = create.period.as_micros().max(1);
            let shadow = match [one.live, one.create].map(|limit| self.limits.is_shadow(limit)) {
                [false, false] => "",
                [true, false] => "l",
                [false, true] => "r",
                [true, true] => "lr",
            };
            arguments.extend([
                Argument::Number(live),
                Argument::Number(period.try_into().unwrap_or(u64::MAX)),
                Argument::Number(create.burst.get().into()),
                Argument::Bytes(shadow.as_bytes()),
            ]);
        }
        let taken = |reply: ScriptReply| match reply.letter {
            'T' => reply.text(|text| {
                let (ended, shadowed) = text.split_once(' ')?;
                Some(Taken::Taken {
                    shadowed: request.limits(shadowed)?,
                    ended: ended.parse().ok()?,
                })
            }),
            'N' => reply.text(|text| {
                let (limit, wait) = text.split_once(' ')?;
                Some(Taken::Refused(LimitExceeded {
                    limit: request.limits(limit)?.iter().next()?,
                    retry_after: Duration::from_millis(wait.parse().ok()?),
                }))
            }),
            _ => Err(StoreError::BadReply),
        };
        let keys = self.keys.places(&request.holders);
        self.scripts.take(&keys, &arguments, taken).await
    }

    /// Whose shares a session's place is counted against. The session alone knows, so this is asked before it is
    /// ended. Costs no round trip where nobody has a share.
    pub(super) async fn holders(&self, id: SessionId) -> Result<PrincipalKeys, StoreError> {
        if self.limits.shares.get().is_none() {
            return Ok(PrincipalKeys::default());
        }
        let told = |reply: ScriptReply| match reply.letter {
            'P' => reply.text(PrincipalKeys::parse),
            _ => Err(StoreError::BadReply),
        };
        let session = self.keys.session(id);
        let session = slice::from_ref(&session);
        self.scripts.principals(session, &[], told).await
    }

    /// Ends a session.
    pub(super) async fn end(&self, id: SessionId) -> Result<Deleted, StoreError> {
        let ended = |reply: ScriptReply| match reply.letter {
            'D' => reply.bare(Deleted::Deleted),
            // This very call found it, perhaps, at its first try, whose reply was lost: then a 404 would call a
            // success a failure.
            'G' if reply.ran_before => reply.bare(Deleted::Deleted),
            'G' => reply.bare(Deleted::Gone),
            _ => Err(StoreError::BadReply),
        };
        let session = self.keys.session(id);
        let session = slice::from_ref(&session);
        self.scripts.delete(session, &[], ended).await
    }

    /// Gives a place back.
    pub(super) async fn release(
        &self,
        id: SessionId,
        holders: &PrincipalKeys,
    ) -> Result<(), StoreError> {
        let member = member(id);
        let released = |reply: ScriptReply| match reply.letter {
            'R' => reply.bare(()),
            _ => Err(StoreError::BadReply),
        };
        let member = [Argument::Bytes(&member)];
        let keys = self.keys.leases(holders);
        self.scripts.release(&keys, &member, released).await
    }

    /// Asks for the fleet's secret now, so that no creation has to.
    pub(super) async fn ask_for_secret(&self) -> Result<(), StoreError> {
        self.secrets.ask(&self.scripts, &self.keys).await
    }

    /// Keeps the secret current, for ever.
    pub(super) async fn keep_secret(&self) {
        self.secrets.keep(&self.scripts, &self.keys).await;
    }
}

impl Request {
    /// The limits that a reply names, each by the number of a principal and a kind.
    fn limits(&self, text: &str) -> Option<LimitSet> {
        let mut limits = LimitSet::default();
        for name in text.as_bytes().chunks(2) {
            let limit = match name {
                b"0l" => Limit::LiveTotal,
                [n @ b'1'..=b'9', kind] => {
                    let one = self.counted.get(usize::from(n - b'1'))?;
                    match kind {
                        b'l' => one.live,
                        b'r' => one.create,
                        _ => return None,
                    }
                }
                _ => return None,
            };
            limits = limits.with(limit);
        }
        Some(limits)
    }
}
