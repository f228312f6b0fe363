//! The limit of open files: raises it at start, and limits the connections of clients to what it
//! allows.
//!
//! Every connection needs a file descriptor. If clients could use them all, neither a probe nor Redis
//! nor a homeserver would get one, and an orchestrator would restart a process that is only busy.

use crate::admin;
use crate::config::Config;
use crate::http_client::MAX_IDLE_CONNECTIONS;
use crate::policy::auth::MAX_CHECKS;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors of the process itself: about 15 at start, and the files of a reload.
const PROCESS: usize = 32;

/// Descriptors of connections to Redis: a Cluster has one for each primary, and with
/// `store.redis.wait_for_replicas` two. Known Clusters have fewer than 32 primaries.
const REDIS: usize = 64;

/// Descriptors of the collectors of traces and metrics, of name resolution, and of attempts to connect.
const OTHER: usize = 96;

/// Descriptors of one token verifier: the checks in flight, and the idle connections.
const PER_VERIFIER: usize = MAX_CHECKS + MAX_IDLE_CONNECTIONS;

/// Raises the soft limit of open files to the hard limit. Then lowers `http.max_connections` if that
/// many connections, and the descriptors that everything else needs, exceed the limit. Returns the
/// warning about it.
///
/// At most half of the limit is kept back: a limit below 512 still serves clients.
#[must_use]
pub fn limit_connections(config: &mut Config) -> Option<String> {
    let verifiers = config.homeservers.iter().filter(|it| it.auth.is_some());
    let reserve =
        PROCESS + admin::MAX_CONNECTIONS + REDIS + OTHER + verifiers.count() * PER_VERIFIER;
    let limit = raise_limit()?;
    let configured = config.http.max_connections;
    let allowed = allowed_connections(limit, reserve);
    if configured <= allowed {
        return None;
    }
    config.http.max_connections = allowed;
    Some(format!(
        "the limit of open files is {limit}, and http.max_connections = {configured} needs {}: at \
         most {allowed} connections are accepted at a time. Raise the limit (LimitNOFILE= of \
         systemd, ulimits.nofile of Docker), or lower http.max_connections",
        configured + reserve
    ))
}

/// Returns the number of connections that a limit of open files leaves for clients: at least one.
fn allowed_connections(limit: usize, reserve: usize) -> usize {
    (limit - reserve.min(limit / 2)).max(1)
}

/// Raises the soft limit to the hard limit, which needs no privilege. Returns the limit that then
/// applies, or `None` if there is none.
fn raise_limit() -> Option<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // A sandbox may forbid the call. The soft limit then remains.
    let is_raised = current != maximum && setrlimit(Resource::Nofile, raised).is_ok();
    let limit = if is_raised { maximum } else { current };
    limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::allowed_connections;

    #[test]
    fn reserve_is_at_most_half_of_the_limit() {
        let cases = [(16_384, 16_128), (1024, 768), (512, 256), (64, 32), (1, 1)];
        for (limit, allowed) in cases {
            assert_eq!(allowed_connections(limit, 256), allowed, "{limit}");
        }
    }
}
