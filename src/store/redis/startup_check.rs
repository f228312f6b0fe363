//! The look at Redis before the worker calls itself ready: would this one lose sign-ins?
//!
//! It reads INFO, since managed Redis often forbids CONFIG, and walks one session of its own through
//! every script, which shows whether the ACL allows them. What it may not learn is a warning; what is
//! wrong keeps the worker unready until it is mended, or accepted by name (`store.redis.ignore_checks`). What
//! it could not learn this time (no answer, a lost connection) is neither: the look is repeated.

use crate::config::store::Check;
use crate::model::{Payload, SequenceToken, SessionId};
use crate::store::StoreError;
use crate::store::redis::DATES;
use crate::store::redis::keys::member;
use crate::store::redis::lease::{Leases, SWEEP};
use crate::store::redis::millis;
use crate::store::redis::reply::ScriptReply;
use crate::store::redis::scripts::Argument;
use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::{InfoKind, Value};
use std::collections::HashMap;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

/// The oldest Redis whose scripts and commands we use (`PEXPIRETIME`, effects replication, `ZRANGE …
/// BYSCORE`): also the oldest that is tested.
const MIN_VERSION: (u64, u64) = (7, 0);

/// What one live session costs Redis, lease, shares and a full payload included, where nobody has two
/// (docs/performance.md). Records of txnIds, which no released client sends, come on top: up to 3.6 KB for
/// 64.
const BYTES_PER_SESSION: u64 = 7 * 1024;

/// How long the probe's own session lives, should the worker die in the middle of the probe.
const PROBE_TTL: Duration = Duration::from_secs(10);

/// What the look needs.
pub(super) struct Probe {
    pub(super) client: Client,
    pub(super) leases: Arc<Leases>,
    pub(super) command_timeout: Duration,
    pub(super) ignore_checks: Vec<Check>,
}

/// The probe is no session, and is let in past any cap.
const NO_CAP: Argument<'static> = Argument::Number(1 << 53);

/// How Redis says that we may not, and will not later on either: by the ACL, in a script of Redis 7.0,
/// in one of later releases and of Valkey, and where a managed Redis has taken a command away.
const REFUSALS: [&str; 5] = [
    "NOPERM",
    "The user executing the script can't",
    "ACL failure in script",
    "has no permissions",
    "ERR unknown command",
];

fn is_refusal(error: &str) -> bool {
    REFUSALS.iter().any(|refusal| error.contains(refusal))
}

/// Why the walk did not come to its end.
enum Halt {
    /// Redis refuses a command.
    Refused(String),
    /// It could not be told this time.
    Unknown(String),
}

impl Probe {
    /// What is wrong and not accepted, a line each. Empty: fit.
    pub(super) async fn run(&self) -> Vec<String> {
        let mut found = Vec::new();
        match self.infos().await {
            Ok(infos) => infos
                .iter()
                .for_each(|info| inspect(info, self.leases.limits.max_live, &mut found)),
            Err(error) if is_refusal(error.details()) => tracing::warn!(
                %error, "INFO is refused, so version, eviction policy and memory are unknown"
            ),
            Err(error) => return vec![unknown(&format!("INFO failed: {}", error.details()))],
        }
        let mut refused = Vec::new();
        match self.walk().await {
            Ok(()) if self.fast_enough().await => {}
            Ok(()) => {
                let limit = self.command_timeout / 4;
                let reason = format!("each of five round trips took over {limit:?}");
                found.push((Check::Latency, reason));
            }
            Err(Halt::Refused(reason)) => found.push((Check::Acl, reason)),
            Err(Halt::Unknown(reason)) => refused.push(unknown(&reason)),
        }
        for (check, reason) in found {
            if self.ignore_checks.contains(&check) {
                tracing::warn!("ignored by store.redis.ignore_checks: {check}: {reason}");
            } else {
                refused.push(format!("{check}: {reason}"));
            }
        }
        refused
    }

    /// INFO of every primary.
    async fn infos(&self) -> Result<Vec<HashMap<String, String>>, fred::error::Error> {
        let mut infos = Vec::new();
        if self.client.is_clustered() {
            for server in self.client.active_connections() {
                let node = self.client.with_cluster_node(server);
                infos.push(fields(&node.info::<String>(Some(InfoKind::Default)).await?));
            }
        } else {
            infos.push(fields(
                &self.client.info::<String>(Some(InfoKind::Default)).await?,
            ));
        }
        Ok(infos)
    }

    /// One session from lease to release, so that every command of every script runs once.
    async fn walk(&self) -> Result<(), Halt> {
        let id = SessionId::random();
        let scripts = &self.leases.scripts;
        let letter = |reply: ScriptReply| Ok(reply.letter);
        // Whoever asks first makes it, and it is read by all others.
        for _ in 0..2 {
            let told = self.leases.ask_for_secret().await.map(|()| 'S');
            expect("secret", told, 'S')?;
        }
        let session = [self.leases.keys.session(id)];
        let index = slice::from_ref(self.leases.keys.index());
        let member = member(id);
        let member = Argument::Bytes(&member);
        let data = Payload::new("probe").map_err(|error| Halt::Unknown(error.to_string()))?;
        let token = SequenceToken::first(id, &data);
        let next = token.next(id, &data);
        let (first, next) = (token.as_bytes().as_slice(), next.as_bytes().as_slice());
        let (first, next) = (Argument::Bytes(first), Argument::Bytes(next));
        let data = Argument::Payload(&data);
        let lease = |cap| [member, millis(PROBE_TTL), Argument::Number(SWEEP), cap];
        let take = lease(NO_CAP);
        expect("take", scripts.take(index, &take, letter).await, 'T')?;
        // What has its place keeps it in a full house.
        let again = lease(Argument::Number(0));
        expect("take", scripts.take(index, &again, letter).await, 'T')?;
        let create = [first, data, millis(PROBE_TTL), Argument::Bytes(b"")];
        expect(
            "create",
            scripts.create(&session, &create, letter).await,
            'C',
        )?;
        let write = [first, next, data, Argument::Number(1)];
        expect("write", scripts.write(&session, &write, letter).await, 'W')?;
        let with_dates = [Argument::Bytes(b""), DATES];
        expect(
            "read",
            scripts.read(&session, &with_dates, letter).await,
            'F',
        )?;
        expect("live", scripts.live(index, &[], letter).await, 'L')?;
        expect("delete", scripts.delete(&session, &[], letter).await, 'D')?;
        expect("read", scripts.read(&session, &[], letter).await, 'G')?;
        let released = scripts.release(index, &[member], letter).await;
        expect("release", released, 'R')
    }

    async fn fast_enough(&self) -> bool {
        for _ in 0..5 {
            let ping = self.client.ping::<Value>(None);
            if tokio::time::timeout(self.command_timeout / 4, ping)
                .await
                .is_ok()
            {
                return true;
            }
        }
        false
    }
}

/// No check has failed, so there is none to accept by name.
fn unknown(reason: &str) -> String {
    format!("Redis could not be looked at, and will be again: {reason}")
}

fn expect(script: &str, answered: Result<char, StoreError>, letter: char) -> Result<(), Halt> {
    let (halt, reason): (fn(String) -> Halt, _) = match answered {
        Ok(answered) if answered == letter => return Ok(()),
        Ok(answered) => (Halt::Unknown, format!("answered {answered:?}")),
        Err(StoreError::Unavailable(error)) if is_refusal(&error) => {
            (Halt::Refused, format!("cannot run: {error}"))
        }
        Err(error) => (Halt::Unknown, format!("cannot run: {error}")),
    };
    Err(halt(format!("the script {script} {reason}")))
}

fn inspect(info: &HashMap<String, String>, max_live: u64, found: &mut Vec<(Check, String)>) {
    // A Valkey calls itself Redis 7.2 in `redis_version`, for clients like us.
    match info.get("redis_version").map(|text| (text, version(text))) {
        Some((_, Some(version))) if version >= MIN_VERSION => {}
        Some((text, _)) => {
            found.push((Check::Version, format!("Redis {text} is older than 7.0")));
        }
        None => tracing::warn!("INFO shows no redis_version"),
    }
    match info.get("maxmemory_policy").map(String::as_str) {
        Some("noeviction") => {}
        Some(policy) => found.push((
            Check::Eviction,
            format!("maxmemory-policy is {policy}, which evicts live sessions; set noeviction"),
        )),
        None => tracing::warn!("INFO shows no maxmemory_policy; it must be noeviction"),
    }
    let needed = max_live.saturating_mul(BYTES_PER_SESSION);
    match info
        .get("maxmemory")
        .and_then(|text| text.parse::<u64>().ok())
    {
        Some(0) => {}
        Some(maxmemory) if maxmemory >= needed => {}
        Some(maxmemory) => found.push((
            Check::Memory,
            format!("maxmemory is {maxmemory} bytes; session.max_live = {max_live} needs {needed}"),
        )),
        None => tracing::warn!("INFO shows no maxmemory"),
    }
}

fn version(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn fields(info: &str) -> HashMap<String, String> {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}
