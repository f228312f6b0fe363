//! Places among the live sessions: taken before a session is made, given back after it has ended
//! (docs/adr/0003-lease-then-create.md), and counted against everyone whose share it is.

use crate::model::{Owner, Principal, SessionId};
use crate::store::redis::keys::{Holders, Keys, member};
use crate::store::redis::millis;
use crate::store::redis::reply::Reply;
use crate::store::redis::scripts::{Argument, Scripts};
use crate::store::redis::secret::Secrets;
use crate::store::{Created, SessionLimits, StoreError, Whose};
use std::iter;
use std::sync::Arc;
use std::time::Duration;

/// Ended leases that one new session sweeps of each set: enough to outrun growth, too few to stall Redis.
pub(super) const SWEEP: u64 = 16;

/// Takes places, and gives them back.
#[derive(Debug)]
pub(super) struct Leases {
    scripts: Arc<Scripts>,
    keys: Keys,
    limits: SessionLimits,
    /// How long a place is held without a session, should this worker die between the two.
    hold: Duration,
    secrets: Secrets,
}

/// Whose shares a place is to be counted against, and how large each is; everybody's come first.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) holders: Holders,
    shares: Vec<(Whose, u64)>,
}

impl Leases {
    pub(super) fn new(
        scripts: &Arc<Scripts>,
        keys: &Keys,
        limits: SessionLimits,
        deadline: Duration,
    ) -> Self {
        Self {
            scripts: Arc::clone(scripts),
            keys: keys.clone(),
            limits,
            hold: limits.ttl + deadline,
            secrets: Secrets::default(),
        }
    }

    /// What is to be taken for a session of this owner.
    pub(super) async fn request(&self, owner: &Owner) -> Result<Request, StoreError> {
        let counted: Vec<(Principal, u64)> = self.limits.counted(owner).collect();
        let mut holders = Holders::default();
        if !counted.is_empty() {
            let secret = self.secrets.current(&self.scripts, &self.keys).await?;
            let each = counted
                .iter()
                .map(|(principal, _)| secret.holder(principal));
            holders = each.collect();
        }
        let each = counted
            .iter()
            .map(|(principal, share)| (principal.into(), *share));
        let everybodys = (Whose::Everybodys, self.limits.max_live);
        Ok(Request {
            holders,
            shares: iter::once(everybodys).chain(each).collect(),
        })
    }

    /// Takes a place, or says whose are all taken.
    pub(super) async fn take(
        &self,
        id: SessionId,
        request: &Request,
    ) -> Result<Option<Created>, StoreError> {
        let member = member(id);
        let mut lease = vec![
            Argument::Bytes(&member),
            millis(self.hold),
            Argument::Number(SWEEP),
        ];
        lease.extend(
            request
                .shares
                .iter()
                .map(|(_, share)| Argument::Number(*share)),
        );
        let taken = |reply: Reply| match reply.letter {
            'T' => reply.bare(None),
            'N' => {
                // Lists begin with 1 in Lua.
                let (n, left) = reply.two_numbers()?;
                let full = n.checked_sub(1).and_then(|n| request.shares.get(n));
                let (whose, _) = *full.ok_or(StoreError::BadReply)?;
                Ok(Some(Created::Full {
                    whose,
                    retry_after: Duration::from_millis(left),
                }))
            }
            _ => Err(StoreError::BadReply),
        };
        let leases = self.keys.leases(&request.holders);
        self.scripts.take(&leases, &lease, taken).await
    }

    /// Gives a place back.
    pub(super) async fn release(&self, id: SessionId, holders: &Holders) -> Result<(), StoreError> {
        release(&self.scripts, &self.keys, id, holders).await
    }
}

/// Gives a place back.
pub(super) async fn release(
    scripts: &Scripts,
    keys: &Keys,
    id: SessionId,
    holders: &Holders,
) -> Result<(), StoreError> {
    let member = member(id);
    let released = |reply: Reply| match reply.letter {
        'R' => reply.bare(()),
        _ => Err(StoreError::BadReply),
    };
    scripts
        .release(&keys.leases(holders), &[Argument::Bytes(&member)], released)
        .await
}
