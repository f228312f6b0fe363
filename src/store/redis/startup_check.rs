//! The start-up check: whether this Redis would lose sign-ins. A replica is not ready before the
//! check succeeds.
//!
//! The check reads INFO, since managed Redis often forbids CONFIG. It also takes one session of its
//! own through every script (`script_check`). What Redis does not reveal is logged as a warning. A problem keeps the replica unready until it is fixed or ignored
//! by name (`store.redis.ignore_checks`). An inconclusive check (no answer, a lost connection) is
//! repeated.

use crate::config::store::Check;
use crate::store::redis::error_text::describe;
use crate::store::redis::lease::Leases;
use crate::store::redis::script_check::{CheckError, exercise_scripts, is_permission_error};
use fred::interfaces::ClientLike;
use fred::types::{InfoKind, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The oldest supported version. The scripts need it (`PEXPIRETIME`, effects replication, `ZRANGE …
/// BYSCORE`), and it is the oldest that is tested.
const MIN_VERSION: (u64, u64) = (7, 0);

/// Memory of one live session in Redis, with its lease, its shares and a full payload, if no
/// principal has two sessions (docs/performance.md). Records of txnIds, which no released client
/// sends, need up to 3.6 KB more for 64.
const BYTES_PER_SESSION: u64 = 7 * 1024;

/// The start-up check and what it needs.
pub(super) struct StartupCheck {
    pub(super) leases: Arc<Leases>,
    pub(super) command_timeout: Duration,
    pub(super) ignore_checks: Vec<Check>,
}

impl StartupCheck {
    /// Runs the check. Returns one line per problem that is not ignored; empty if this Redis is
    /// fit.
    pub(super) async fn run(&self) -> Vec<String> {
        let mut found = Vec::new();
        match self.fetch_infos().await {
            Ok(infos) => infos
                .iter()
                .for_each(|info| check_info(info, self.leases.limits.max_live, &mut found)),
            Err(error) => {
                let error = describe(&error);
                if !is_permission_error(&error) {
                    return vec![inconclusive(&format!("INFO failed: {error}"))];
                }
                tracing::warn!(
                    error,
                    "INFO is denied, so version, eviction policy and memory are not checked"
                );
            }
        }
        let mut problems = Vec::new();
        match exercise_scripts(&self.leases).await {
            Ok(()) if self.is_fast_enough().await => {}
            Ok(()) => {
                let limit = self.command_timeout / 4;
                let reason = format!("each of five round trips took over {limit:?}");
                found.push((Check::Latency, reason));
            }
            Err(CheckError::PermissionDenied(reason)) => found.push((Check::Acl, reason)),
            Err(CheckError::Inconclusive(reason)) => problems.push(inconclusive(&reason)),
        }
        for (check, reason) in found {
            if self.ignore_checks.contains(&check) {
                tracing::warn!("ignored by store.redis.ignore_checks: {check}: {reason}");
            } else {
                problems.push(format!("{check}: {reason}"));
            }
        }
        problems
    }

    /// Waits until the server of the leases has a connection.
    pub(super) async fn wait_for_connection(&self) {
        let topology = self.leases.scripts.topology();
        topology
            .wait_for_connection(self.leases.keys.live_index())
            .await;
    }

    /// Fetches INFO from every primary.
    async fn fetch_infos(&self) -> Result<Vec<HashMap<String, String>>, fred::error::Error> {
        let mut infos = Vec::new();
        for primary in self.leases.scripts.topology().primaries() {
            let info = primary.client().info::<String>(Some(InfoKind::Default));
            infos.push(parse_info(&info.await?));
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

/// The problem line of an inconclusive check. It has no check's name, since none failed that could
/// be ignored.
fn inconclusive(reason: &str) -> String {
    format!("Redis start-up check inconclusive, will retry: {reason}")
}

fn check_info(info: &HashMap<String, String>, max_live: u64, found: &mut Vec<(Check, String)>) {
    // Valkey reports a `redis_version` of 7.2, for compatibility with clients.
    match info
        .get("redis_version")
        .map(|text| (text, parse_version(text)))
    {
        Some((_, Some(version))) if version >= MIN_VERSION => {}
        Some((text, _)) => {
            found.push((Check::Version, format!("Redis {text} is older than 7.0")));
        }
        None => tracing::warn!("INFO has no redis_version"),
    }
    match info.get("maxmemory_policy").map(String::as_str) {
        Some("noeviction") => {}
        Some(policy) => found.push((
            Check::Eviction,
            format!("maxmemory-policy is {policy}, which evicts live sessions; set noeviction"),
        )),
        None => tracing::warn!("INFO has no maxmemory_policy; it must be noeviction"),
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
        None => tracing::warn!("INFO has no maxmemory"),
    }
}

fn parse_version(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn parse_info(info: &str) -> HashMap<String, String> {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}
