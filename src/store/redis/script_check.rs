//! Takes one session of the start-up check's own through every script that this worker uses, which
//! shows whether the ACL allows their commands and keys.

use crate::model::{Payload, SequenceToken, SessionId};
use crate::store::StoreError;
use crate::store::redis::argument::Argument;
use crate::store::redis::error_kind::is_permission_error;
use crate::store::redis::keys::{PrincipalKey, PrincipalKeys, index_member};
use crate::store::redis::lease::{LeaseScripts, Leases};
use crate::store::redis::reply::ScriptReply;
use fred::types::Key;
use std::slice;
use std::time::Duration;

/// TTL of the check's own session, in case the process dies during the check.
const PROBE_TTL: Duration = Duration::from_secs(10);

/// The cap on live sessions that the check's own session must pass: above any configured one.
const NO_CAP: Argument<'static> = Argument::Number(1 << 53);

/// A cap that rejects every new lease.
const CAP_REACHED: Argument<'static> = Argument::Number(0);

/// Longer than any lease. A rejection shortens each lease that ends later than its own would, and the
/// check's own rejection is to shorten none.
const MAX_TTL: Argument<'static> = Argument::Number(1 << 50);

/// No worker waits for a change of the check's own session. `change_feed` checks the channel.
const NO_CHANNEL: Argument<'static> = Argument::Bytes(b"");

/// The kind of the check's own principal. Sessions have others.
const PROBE_KIND: char = 'p';

/// Why the scripts could not be exercised to the end.
pub(super) enum CheckError {
    /// Redis denies a command.
    PermissionDenied(String),
    /// The outcome is unknown this time.
    Inconclusive(String),
}

/// Takes one session from creation to deletion, so that every command of every script runs once.
pub(super) async fn exercise_scripts(leases: &Leases) -> Result<(), CheckError> {
    // Twice: the first call may create the key, the second reads it.
    for _ in 0..2 {
        let fetched = leases.fetch_pseudonym_key().await.map(|()| 'S');
        expect("pseudonym_key", fetched, 'S')?;
    }
    let data =
        Payload::new("probe").map_err(|error| CheckError::Inconclusive(error.to_string()))?;
    Probe::new(leases, data).run().await
}

/// The check's own session.
struct Probe<'a> {
    leases: &'a Leases,
    session: [Key; 1],
    member: [u8; 12],
    principals: PrincipalKeys,
    data: Payload,
    first: SequenceToken,
    second: SequenceToken,
}

impl<'a> Probe<'a> {
    fn new(leases: &'a Leases, data: Payload) -> Self {
        let id = SessionId::random();
        let member = index_member(id);
        let first = SequenceToken::first(id, &data);
        Self {
            leases,
            session: [leases.keys.session(id)],
            member,
            principals: [PrincipalKey::new(PROBE_KIND, &member)]
                .into_iter()
                .collect(),
            second: first.next(id, &data),
            data,
            first,
        }
    }

    async fn run(&self) -> Result<(), CheckError> {
        let (scripts, session) = (&self.leases.scripts, &self.session);
        let index = slice::from_ref(self.leases.keys.live_index());
        let combined = self.leases.lease_scripts == LeaseScripts::Combined;
        if combined {
            self.create_with_lease().await?;
        } else {
            self.acquire_then_create(index).await?;
        }
        let [first, second] = [&self.first, &self.second].map(SequenceToken::as_bytes);
        let write = [
            Argument::Bytes(first),
            Argument::Bytes(second),
            Argument::Payload(&self.data),
            Argument::Number(1),
            NO_CHANNEL,
        ];
        expect("write", scripts.write(session, &write, status).await, 'W')?;
        let with_timestamps = [Argument::Bytes(b""), Argument::TIMESTAMPS];
        let read = scripts.read(session, &with_timestamps, status).await;
        expect("read", read, 'F')?;
        let counted = scripts.count_live(index, &[], status).await;
        expect("count_live", counted, 'L')?;
        if combined {
            self.delete_with_lease().await?;
        } else {
            self.delete_then_release(index).await?;
        }
        expect("read", scripts.read(session, &[], status).await, 'G')
    }

    /// The arguments of tries to acquire a lease, and the status of each; `acquired` is that of
    /// success. One is rejected, and the last one takes over the lease of the first, which no cap
    /// rejects.
    fn lease_tries(&self, acquired: char, principals: u64) -> [([Argument<'_>; 7], char); 3] {
        let member = Argument::Bytes(&self.member);
        let ttl = Argument::millis(PROBE_TTL);
        let none = Argument::Bytes(b"");
        // Each principal is counted and has a rate.
        let n = Argument::Number(principals);
        [
            ([member, ttl, NO_CAP, none, n, n, n], acquired),
            ([member, MAX_TTL, CAP_REACHED, none, n, n, n], 'N'),
            ([member, ttl, CAP_REACHED, member, n, n, n], acquired),
        ]
    }

    /// The arguments that create the session, with these principals.
    fn create<'p>(&'p self, principals: &'p [u8]) -> [Argument<'p>; 5] {
        [
            Argument::Bytes(self.first.as_bytes()),
            Argument::Payload(&self.data),
            Argument::millis(PROBE_TTL),
            Argument::Bytes(principals),
            Argument::timestamps(true),
        ]
    }

    /// With a principal, since the script that deletes the session derives a key from it.
    async fn create_with_lease(&self) -> Result<(), CheckError> {
        let mut keys =
            self.leases
                .keys
                .lease_and_rate_keys(&self.principals, &PrincipalKeys::default(), 1);
        keys.extend(self.session.clone());
        let share = [
            Argument::Number(1),
            Argument::Bytes(b""),
            Argument::Number(1),
            Argument::Number(1),
            Argument::Bytes(b""),
        ];
        for (lease, expected) in self.lease_tries('C', 1) {
            let create = self.create(self.principals.as_bytes());
            let arguments = [&lease[..], &share, &create].concat();
            let scripts = &self.leases.scripts;
            let created = scripts.create_with_lease(&keys, &arguments, status).await;
            expect("create_with_lease", created, expected)?;
        }
        Ok(())
    }

    async fn delete_with_lease(&self) -> Result<(), CheckError> {
        let keys = &self.leases.keys;
        let prefix = keys.principal_prefix();
        let arguments = [
            Argument::Bytes(&self.member),
            Argument::Bytes(prefix.as_bytes()),
            NO_CHANNEL,
        ];
        let [session] = self.session.clone();
        let keys = [session, keys.live_index().clone()];
        let scripts = &self.leases.scripts;
        let deleted = scripts.delete_with_lease(&keys, &arguments, status).await;
        expect("delete_with_lease", deleted, 'D')
    }

    async fn acquire_then_create(&self, index: &[Key]) -> Result<(), CheckError> {
        let scripts = &self.leases.scripts;
        for (lease, expected) in self.lease_tries('T', 0) {
            let acquired = scripts.acquire_lease(index, &lease, status).await;
            expect("acquire_lease", acquired, expected)?;
        }
        let create = self.create(b"");
        let created = scripts.create(&self.session, &create, status).await;
        expect("create", created, 'C')
    }

    async fn delete_then_release(&self, index: &[Key]) -> Result<(), CheckError> {
        let scripts = &self.leases.scripts;
        let principals = scripts.get_principals(&self.session, &[], status).await;
        expect("get_principals", principals, 'P')?;
        let deleted = scripts.delete(&self.session, &[NO_CHANNEL], status).await;
        expect("delete", deleted, 'D')?;
        let member = [Argument::Bytes(&self.member)];
        let released = scripts.release_lease(index, &member, status).await;
        expect("release_lease", released, 'R')
    }
}

#[expect(
    clippy::unnecessary_wraps,
    clippy::needless_pass_by_value,
    reason = "the form of a parser of replies in `scripts`"
)]
fn status(reply: ScriptReply) -> Result<char, StoreError> {
    Ok(reply.status)
}

fn expect(
    script: &str,
    answered: Result<char, StoreError>,
    expected: char,
) -> Result<(), CheckError> {
    let (error, reason): (fn(String) -> CheckError, _) = match answered {
        Ok(answered) if answered == expected => return Ok(()),
        Ok(answered) => (
            CheckError::Inconclusive,
            format!("answered {answered} instead of {expected}"),
        ),
        Err(StoreError::Rejected(error)) if is_permission_error(&error) => {
            (CheckError::PermissionDenied, format!("cannot run: {error}"))
        }
        Err(StoreError::Rejected(error)) if error.contains("CROSSSLOT") => (
            CheckError::Inconclusive,
            format!("cannot run on a Redis Cluster: use a redis-cluster:// URL ({error})"),
        ),
        Err(error) => (CheckError::Inconclusive, format!("cannot run: {error}")),
    };
    Err(error(format!("the script {script} {reason}")))
}
