//! Redis as the configuration names it, by what a worker checks at its start.

use crate::config::store::Check;
use crate::doctor::check::{CheckId, CheckOutcome, Problem, fail, needs, warn};
use crate::doctor::check_context::CheckContext;
use crate::doctor::checks::clock::{TOLERANCE, difference};
use crate::doctor::deployment::ConfiguredRedis;
use crate::store::redis::{RedisSurvey, WriteProbe};

/// Part of the memory, in percent, from which on an operator should act. As in the alert.
const NEARLY_FULL: u64 = 80;

/// Checks that each primary has a connection: name, TCP, TLS, user and password, role.
pub(super) fn connection(context: &CheckContext) -> CheckOutcome {
    let ConfiguredRedis { layout, survey } = configured(context)?;
    match survey {
        Ok(RedisSurvey {
            servers,
            unconnected,
            ..
        }) if !unconnected.is_empty() => Err(fail(
            format!(
                "no connection to {} of {} primaries ({layout}): {}",
                unconnected.len(),
                unconnected.len() + servers.len(),
                unconnected.join("; ")
            ),
            "each session is on one primary: those of a primary without a connection get a 503, or wait",
            "start the server, or allow connections to it. Workers and the doctor connect to the \
             addresses that the nodes announce (cluster-announce-ip), not only to those of \
             store.redis.url",
        )),
        Ok(survey) => {
            let servers = survey.servers.iter().map(|server| {
                let name = server.version.as_deref().unwrap_or("Redis");
                format!("{name} at {}", server.address)
            });
            Ok(servers.collect::<Vec<_>>().join(", "))
        }
        Err(reason) => Err(fail(
            format!("no connection to Redis ({layout}): {reason}"),
            "workers cannot create or read a session: clients get a 503, or wait",
            "start Redis, and check store.redis.url: host and port, rediss:// for TLS, user and password",
        )),
    }
}

/// Checks that Redis accepts writes.
pub(super) fn write(context: &CheckContext) -> CheckOutcome {
    let refusal = match &survey(context)?.write {
        Some(WriteProbe::Accepted) => return Ok("Redis accepts writes".to_owned()),
        Some(WriteProbe::Refused(refusal)) => refusal,
        Some(WriteProbe::NoReply(error)) => {
            return Err(fail(
                format!("a write got no reply: {error}"),
                "workers wait for it, and clients with them",
                "look at the log and the load of Redis: it is paused, blocked by a slow command, or \
                 unreachable again",
            ));
        }
        None => return Err(Problem::Skip("--read-only".to_owned())),
    };
    Err(fail(
        format!("Redis refuses writes: {refusal}"),
        "no session can be created",
        match refusal.split(' ').next().unwrap_or_default() {
            "OOM" => {
                "raise maxmemory of Redis (redis-fit says how much it needs), or find what else fills it"
            }
            "READONLY" => {
                "let store.redis.url name the primary, or the sentinels (redis-sentinel://)"
            }
            "MISCONF" => "look at the log of Redis: it cannot write to its disk",
            "NOREPLICAS" => "connect the replicas, or set min-replicas-to-write 0",
            "NOPERM" => "give the user of Redis the ACL rule of docs/redis.md",
            _ => "look at the log of Redis; docs/redis.md says what it must allow",
        },
    ))
}

/// Checks that Redis is one that loses no sign-in: version, eviction, memory, ACL, latency, replicas.
pub(super) fn fit(context: &CheckContext) -> CheckOutcome {
    const FIX: &str = "docs/redis.md says what Redis must be like, and why";
    let survey = survey(context)?;
    let failed = survey.failed.iter();
    let reasons: Vec<_> = failed
        .map(|(check, reason)| format!("{check}: {reason}"))
        .collect();
    if !reasons.is_empty() {
        let prevents_start = |(check, _): &(Check, String)| check.prevents_start();
        let what = reasons.join("; ");
        let failed = survey.failed.iter();
        let remedies: Vec<_> = failed.map(|(check, _)| remedy(*check)).collect();
        let remedies = remedies.join("; ");
        return Err(if survey.failed.iter().any(prevents_start) {
            let why =
                "Redis may lose or refuse sign-ins: a worker that starts does not become ready";
            fail(what, why, remedies)
        } else {
            warn(
                what,
                "Redis may lose sign-ins at its next failover",
                remedies,
            )
        });
    }
    if let Some(reason) = &survey.inconclusive {
        if !survey.unconnected.is_empty() {
            return Err(needs(CheckId::RedisConnection));
        }
        if !matches!(survey.write, Some(WriteProbe::Accepted) | None) {
            return Err(needs(CheckId::RedisWrite));
        }
        return Err(fail(
            reason,
            "a worker that starts does not become ready before this check has a result",
            FIX,
        ));
    }
    if !survey.notes.is_empty() {
        let why = "what cannot be checked, or is ignored, may lose sign-ins";
        return Err(warn(survey.notes.join("; "), why, FIX));
    }
    Ok(match survey.write {
        Some(_) => "version, eviction policy, memory, permissions, latency and replicas",
        None => "version, eviction policy, memory, latency and replicas; permissions need a write",
    }
    .to_owned())
}

/// Returns what to do if a check of the start failed.
const fn remedy(check: Check) -> &'static str {
    match check {
        Check::Version => "use Redis 7.0 or later, or Valkey",
        Check::Eviction => "set maxmemory-policy noeviction in the configuration of Redis",
        Check::Memory => "raise maxmemory of Redis, set it to 0, or lower session.max_live",
        Check::Acl => "give the user of Redis the ACL rule of docs/redis.md",
        Check::Latency => "use a Redis that is nearer, or raise store.redis.command_timeout",
        Check::Replicas => "connect the replicas of this primary (docs/redis.md)",
    }
}

/// Checks how much of its memory Redis uses.
pub(super) fn memory(context: &CheckContext) -> CheckOutcome {
    let Some((used, limit)) = survey(context)?.memory else {
        let reason = "INFO has no memory of Redis";
        return Err(Problem::Skip(reason.to_owned()));
    };
    if limit == 0 {
        return Ok(format!("{} used; there is no limit", size(used)));
    }
    let percent = used.saturating_mul(100) / limit;
    let share = match percent {
        0..=100 => format!("{percent} %"),
        _ => "over the limit".to_owned(),
    };
    let seen = format!("{} used of {} ({share})", size(used), size(limit));
    if percent < NEARLY_FULL {
        return Ok(seen);
    }
    Err(warn(
        seen,
        "at its limit Redis refuses every new session",
        "raise maxmemory of Redis (docs/redis.md says how much it needs), or find what else fills it",
    ))
}

/// A number of bytes, in MiB if it is that large.
fn size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    match bytes {
        1 => "1 byte".to_owned(),
        MIB.. => format!("{} MiB", bytes / MIB),
        _ => format!("{bytes} bytes"),
    }
}

/// Compares the clocks of Redis with this machine's.
pub(super) fn clock(context: &CheckContext) -> CheckOutcome {
    let survey = survey(context)?;
    let clocks = survey.servers.iter();
    let clocks: Vec<_> = clocks
        .filter_map(|server| Some((server, server.clocks?)))
        .collect();
    if clocks.is_empty() {
        let reason = "INFO has no clock of Redis";
        return Err(Problem::Skip(reason.to_owned()));
    }
    for (server, (there, here)) in clocks {
        let difference = difference(there, here);
        if difference > TOLERANCE {
            return Err(warn(
                format!(
                    "the clock of {} differs from this machine's by {} s",
                    server.address,
                    difference.as_secs()
                ),
                "sessions expire by the clock of Redis, and web clients compare that with their own",
                "set the clocks by NTP: that of Redis' machine and this one",
            ));
        }
    }
    Ok("the clocks agree".to_owned())
}

fn configured(context: &CheckContext) -> Result<&ConfiguredRedis, Problem> {
    let redis = context.deployment()?.redis.as_ref();
    redis.ok_or_else(|| Problem::Skip("store.backend is memory".to_owned()))
}

fn survey(context: &CheckContext) -> Result<&RedisSurvey, Problem> {
    let survey = configured(context)?.survey.as_ref();
    survey.map_err(|_| needs(CheckId::RedisConnection))
}
