//! The start-up check: whether this Redis would lose sign-ins. A replica is not ready before the
//! check succeeds. `checks` repeats it afterwards.
//!
//! The check reads INFO, since managed Redis often forbids CONFIG. It also takes one session of its
//! own through every script (`script_check`). What Redis does not reveal is logged as a warning. A
//! problem with a check that `prevents_start` keeps the replica unready until it is fixed or ignored
//! by name (`store.redis.ignore_checks`). An inconclusive check (no answer, a lost connection) is
//! repeated.

use crate::config::de::HumanDuration;
use crate::config::store::Check;
use crate::store::redis::address::Address;
use crate::store::redis::dial::Role;
use crate::store::redis::error_kind::is_permission_error;
use crate::store::redis::error_text::describe;
use crate::store::redis::lease::Leases;
use crate::store::redis::script_check::{CheckError, exercise_scripts};
use crate::store::redis::server_info::{MemoryUse, ServerInfo, fullest};
use bytes::Bytes;
use fred::interfaces::ClientLike;
use fred::types::{InfoKind, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// The oldest supported version. The scripts need it (`PEXPIRETIME`, effects replication, `ZRANGE …
/// BYSCORE`), and it is the oldest that is tested.
const MIN_VERSION: (u64, u64) = (7, 0);

/// Memory of one live session in Redis, with its lease, its shares and a full payload, if no
/// principal has two sessions (docs/performance.md). Records of txnIds, which no released client
/// sends, need up to 3.6 KB more for 64.
const BYTES_PER_SESSION: u64 = 7 * 1024;

/// Replicas of a primary with `min-replicas-to-write 1`. With one, a promotion leaves the new
/// primary without any, and it refuses writes. INFO does not tell a larger `min-replicas-to-write`,
/// and CONFIG is often forbidden.
const MIN_REPLICAS: u64 = 2;

/// Length of the digest that names a store, in bytes. Enough for the few that an operator has.
const IDENTITY_LEN: usize = 6;

/// The start-up check and what it needs.
pub(super) struct StartupCheck {
    pub(super) leases: Arc<Leases>,
    /// The number of the database.
    pub(super) database: u8,
    pub(super) command_timeout: Duration,
    pub(super) ignore_checks: Vec<Check>,
    /// Whether it takes a session of its own through the scripts. Without that, permissions are not
    /// checked.
    pub(super) may_write: bool,
}

/// What the check found.
pub(super) struct StartupResult {
    /// The checks that failed and are not ignored, with the reason.
    pub(super) failed: Vec<(Check, String)>,
    /// Why some checks have no result. It has no check's name, since none failed that could be
    /// ignored.
    pub(super) inconclusive: Option<String>,
    /// What an operator should know although nothing failed.
    pub(super) notes: Vec<String>,
    /// Which sessions these are, if INFO has a run id: the server, the database and the prefix.
    pub(super) identity: Option<String>,
    /// The memory of the primary that is nearest to its limit, if Redis reports it.
    pub(super) memory: Option<MemoryUse>,
}

impl StartupResult {
    /// Whether every check has passed or is ignored.
    pub(super) const fn is_fit(&self) -> bool {
        self.failed.is_empty() && self.inconclusive.is_none()
    }
}

impl StartupCheck {
    /// Runs the check.
    pub(super) async fn run(&self) -> StartupResult {
        let (mut found, mut notes) = (Vec::new(), Vec::new());
        let (mut inconclusive, mut memory, mut identity) = (None, None, None);
        match self.fetch_infos().await {
            Ok(infos) if infos.is_empty() => {
                inconclusive = Some("no server has a connection".to_owned());
            }
            Ok(infos) => {
                identity = self.identity(&infos);
                memory = fullest(infos.iter().filter_map(|(_, info)| info.memory()));
                for (_, info) in &infos {
                    check_info(info, self.leases.limits.max_live, &mut found, &mut notes);
                }
                found.extend(check_replicas(&infos).map(|reason| (Check::Replicas, reason)));
            }
            Err(error) => {
                let error = describe(&error);
                if is_permission_error(&error) {
                    notes.push(format!("INFO is denied, so version, eviction policy and memory are not checked: {error}"));
                } else {
                    inconclusive = Some(format!("INFO failed: {error}"));
                }
            }
        }
        if inconclusive.is_none() {
            match self.exercise_scripts().await {
                Ok(()) if self.is_fast_enough().await => {}
                Ok(()) => {
                    let limit = HumanDuration(self.command_timeout / 4);
                    let reason = format!("each of five round trips took over {limit}");
                    found.push((Check::Latency, reason));
                }
                Err(CheckError::PermissionDenied(reason)) => found.push((Check::Acl, reason)),
                Err(CheckError::Inconclusive(reason)) => inconclusive = Some(reason),
            }
        }
        let mut failed = Vec::new();
        for (check, reason) in found {
            if self.ignore_checks.contains(&check) {
                notes.push(format!(
                    "ignored by store.redis.ignore_checks: {check}: {reason}"
                ));
            } else {
                failed.push((check, reason));
            }
        }
        let inconclusive = inconclusive
            .map(|reason| format!("Redis start-up check inconclusive, will retry: {reason}"));
        StartupResult {
            failed,
            inconclusive,
            notes,
            identity,
            memory,
        }
    }

    /// Returns a text that differs between two stores: a digest of the server's run id, the database and
    /// the prefix. `None` for a Cluster: each worker has met other nodes of it.
    fn identity(&self, infos: &[(Address, ServerInfo)]) -> Option<String> {
        let [(_, info)] = infos else { return None };
        let is_cluster = self.leases.scripts.topology().role() == Role::ClusterNode;
        let run_id = info.get("run_id").filter(|_| !is_cluster)?;
        let mut hash = Sha256::new_with_prefix(run_id);
        hash.update([0, self.database]);
        hash.update(self.leases.keys.live_index().as_bytes());
        let digest = Bytes::copy_from_slice(&hash.finalize()[..IDENTITY_LEN]);
        Some(format!("redis {digest:x}"))
    }

    async fn exercise_scripts(&self) -> Result<(), CheckError> {
        if self.may_write {
            exercise_scripts(&self.leases).await
        } else {
            Ok(())
        }
    }

    /// Waits until the server of the leases has a connection.
    pub(super) async fn wait_for_connection(&self) {
        let topology = self.leases.scripts.topology();
        topology
            .wait_for_connection(self.leases.keys.live_index())
            .await;
    }

    /// Fetches INFO from every primary, in a fixed order.
    async fn fetch_infos(&self) -> Result<Vec<(Address, ServerInfo)>, fred::error::Error> {
        let mut infos = Vec::new();
        for primary in self.leases.scripts.topology().primaries() {
            let info = primary.client().info::<String>(Some(InfoKind::Default));
            infos.push((primary.address().clone(), ServerInfo::parse(&info.await?)));
        }
        Ok(infos)
    }

    /// Whether each primary answers one of five PINGs within a quarter of the command timeout.
    async fn is_fast_enough(&self) -> bool {
        for primary in self.leases.scripts.topology().primaries() {
            let mut is_fast = false;
            for _ in 0..5 {
                let ping = primary.client().ping::<Value>(None);
                is_fast |= tokio::time::timeout(self.command_timeout / 4, ping)
                    .await
                    .is_ok();
                if is_fast {
                    break;
                }
            }
            if !is_fast {
                return false;
            }
        }
        true
    }
}

fn check_info(
    info: &ServerInfo,
    max_live: u64,
    found: &mut Vec<(Check, String)>,
    notes: &mut Vec<String>,
) {
    // Valkey reports a `redis_version` of 7.2, for compatibility with clients.
    let version = info.get("redis_version");
    match version.map(|text| (text, parse_version(text))) {
        Some((_, Some(version))) if version >= MIN_VERSION => {}
        Some((text, _)) => {
            // Its name in `ignore_checks` would be the next thing to try.
            let reason = format!(
                "Redis {text} is older than 7.0, which the scripts need: replace it. To ignore this \
                 check helps only if the server reports another version than it has"
            );
            found.push((Check::Version, reason));
        }
        None => notes.push("INFO has no redis_version".to_owned()),
    }
    match info.get("maxmemory_policy") {
        Some("noeviction") => {}
        Some(policy) => found.push((
            Check::Eviction,
            format!("maxmemory-policy is {policy}, which evicts live sessions; set noeviction"),
        )),
        None => notes.push("INFO has no maxmemory_policy; it must be noeviction".to_owned()),
    }
    let needed = max_live.saturating_mul(BYTES_PER_SESSION);
    match info.number("maxmemory") {
        Some(0) => {}
        Some(maxmemory) if maxmemory >= needed => {}
        Some(maxmemory) => found.push((
            Check::Memory,
            format!(
                "maxmemory is {maxmemory} bytes; session.max_live = {max_live} needs {needed}: set maxmemory \
                 {}mb",
                needed.div_ceil(1024 * 1024)
            ),
        )),
        None => notes.push("INFO has no maxmemory".to_owned()),
    }
}

/// Returns which primaries have `min-replicas-to-write` and too few replicas for a promotion. One
/// text for all of them, since each check is reported once.
fn check_replicas(infos: &[(Address, ServerInfo)]) -> Option<String> {
    let problems: Vec<_> = infos
        .iter()
        // Redis and Valkey report this field only if `min-replicas-to-write` is set. A replica
        // that was a primary until now reports it too.
        .filter(|(_, info)| {
            info.get("min_slaves_good_slaves").is_some() && info.get("role") == Some("master")
        })
        .filter_map(|(address, info)| Some((address, info.number("connected_slaves")?)))
        .filter(|(_, replicas)| *replicas < MIN_REPLICAS)
        .map(|(address, replicas)| {
            let plural = if replicas == 1 { "" } else { "s" };
            format!("{address} has {replicas} connected replica{plural}")
        })
        .collect();
    (!problems.is_empty()).then(|| {
        let problems = problems.join(", ");
        format!(
            "{problems}, and min-replicas-to-write is set: after the next promotion Redis refuses \
             writes; connect {MIN_REPLICAS} replicas, or set min-replicas-to-write 0"
        )
    })
}

fn parse_version(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}
