//! Compares the leases in the index of live sessions with the sessions in Redis, at the end of a run.
//!
//! Each live session must have a lease, and each lease a live session. A lease that a fault leaves
//! behind counts towards `session.max_live` until it expires. With limits enabled, it also counts
//! towards the share of its principal (a client, a user), so the leases of these must be those of the
//! index.
//!
//! On standalone and Sentinel one script writes both. So a Redis that loses data loses both or neither,
//! and no difference is allowed, not even after the loss of all sessions. In a Cluster they are in
//! two slots. If one of their primaries loses its last writes and the other does not, one of the two
//! is left until it expires. That is allowed for sessions that were created or deleted in the last
//! moment before such a fault, and for no other.

use crate::catalogue::{Fault, StoreLoss};
use crate::client::Session;
use crate::progress::{Period, Progress};
use crate::verdict::{COMMAND_TIMEOUT, LIFETIME};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use testkit::history::{Call, Operation, Outcome};
use testkit::redis::{RedisServer, Reply};
use uuid::Uuid;

/// Bound of the time that the workers have to remove what calls of unknown outcome left behind.
/// They retry a removal every second. A start check that the fault interrupted leaves a lease of 10 s.
const SETTLED: Duration = Duration::from_secs(12);

/// Time between two comparisons.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Time before and after the begin of a fault in which a write may be among the last ones that a primary
/// has acknowledged. The replica of a busy machine is not further behind, and the fault is not later.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Time by which a lease outlasts its session.
const OUTLASTS: Duration = COMMAND_TIMEOUT;

/// The index of live sessions, the leases of each client, IPv6 /48 and user, and the keys of the
/// sessions. Wide networks also have leases of sessions that were deleted.
const INDEX: &str = "mrv:{lease}:live";
const SHARES: &str = "mrv:{lease}:[cnu]:????????????????";
const SESSIONS: [&str; 2] = ["mrv:s:{", "}"];

/// A session's name in the index.
type Member = Vec<u8>;

/// The leases and the sessions at the end of a run.
#[derive(Debug, Default)]
pub struct LeaseComparison {
    /// Number of leases.
    pub leases: usize,
    /// Number of sessions.
    pub sessions: usize,
    /// Leases without a session, and sessions without a lease, that the fault may leave.
    pub allowed: usize,
    /// Time after which nothing else was left.
    pub time: Duration,
    /// What is wrong.
    pub failures: Vec<String>,
}

/// What the keys say, by member. The value is the session's creation, since the start of the run.
struct Contents {
    leases: BTreeMap<Member, Duration>,
    sessions: BTreeMap<Member, Duration>,
    /// The leases of clients, networks and users.
    shares: BTreeSet<Member>,
}

/// Compares until nothing is left that is not allowed, for up to [`SETTLED`]. No client may work
/// meanwhile.
pub fn compare(
    nodes: &[RedisServer],
    fault: &Fault,
    period: Period,
    progress: &Progress,
) -> LeaseComparison {
    let is_cluster = serving(nodes).any(|node| node.info("cluster", "cluster_enabled") == "1");
    let may_differ = is_cluster && fault.store_loses != StoreLoss::Nothing;
    let last_moment = may_differ.then(|| Period {
        begin: period.begin.saturating_sub(LAST_MOMENT),
        end: period.begin + LAST_MOMENT,
    });
    let deleted = last_moment.map(|moment| deleted_in(&progress.sessions(), moment));
    let is_allowed = |member: &Member, created: Duration| {
        let is_new = last_moment.is_some_and(|moment| moment.contains(created));
        is_new || deleted.as_ref().is_some_and(|all| all.contains(member))
    };
    let begin = Instant::now();
    loop {
        let contents = Contents::read(nodes, progress);
        let mut comparison = contents.compare(is_allowed);
        comparison
            .failures
            .extend(contents.wrong_shares(fault.has_limits));
        comparison.time = begin.elapsed();
        if comparison.failures.is_empty() || comparison.time > SETTLED {
            return comparison;
        }
        std::thread::sleep(CHECK_INTERVAL);
    }
}

fn serving(nodes: &[RedisServer]) -> impl Iterator<Item = &RedisServer> {
    nodes.iter().filter(|node| node.is_serving())
}

/// The sessions that clients may have deleted in this period.
fn deleted_in(sessions: &[Session], period: Period) -> BTreeSet<Member> {
    let is_deletion = |call: &Call| {
        let has_ended = call.outcome != Outcome::Unknown && call.end < period.begin;
        call.operation == Operation::Delete && call.begin <= period.end && !has_ended
    };
    let is_deleted = |session: &&Session| {
        let history = session.recorder.history(LIFETIME);
        history.calls.iter().any(is_deletion)
    };
    let deleted = sessions.iter().filter(is_deleted);
    deleted.map(|session| member(session.id())).collect()
}

/// The name of a session in the index (`src/store/redis/keys.rs`): the first 12 bytes of the id's hash.
fn member(id: &str) -> Member {
    let id = Uuid::try_parse(id).expect("an id is a UUID");
    Sha256::digest(id.as_bytes())[..12].to_vec()
}

impl Contents {
    /// Reads the keys of all primaries.
    fn read(nodes: &[RedisServer], progress: &Progress) -> Self {
        let mut contents = Self {
            leases: BTreeMap::new(),
            sessions: BTreeMap::new(),
            shares: BTreeSet::new(),
        };
        let is_primary = |node: &&RedisServer| node.info("replication", "role") == "master";
        for primary in serving(nodes).filter(is_primary) {
            contents.add(primary, progress);
        }
        contents
    }

    fn add(&mut self, primary: &RedisServer, progress: &Progress) {
        let mut operator = primary.connect();
        let now = operator.command(&["TIME"]).texts();
        let since_start = progress.now();
        let [seconds, micros] = [&now[0], &now[1]].map(|text| text.parse().expect("a number"));
        let now = Duration::from_secs(seconds) + Duration::from_micros(micros);
        // When something was created that has this long to live, of this lifetime.
        let created =
            |ttl: Duration, lifetime: Duration| (since_start + ttl).saturating_sub(lifetime);
        // A lease that will expire earlier outlasts its session, which has expired.
        let ended = (now + OUTLASTS).as_millis().to_string();
        let later = format!("({ended}");
        let mut read = |key: &str| {
            let range = ["ZRANGE", key, &later, "+inf", "BYSCORE", "WITHSCORES"];
            match operator.command(&range) {
                Reply::Array(leases) => leases,
                // In a Cluster, from the primaries of other slots.
                Reply::Error(moved) if moved.starts_with("MOVED") => Vec::new(),
                other => panic!("{other:?}"),
            }
        };
        for lease in read(INDEX).chunks(2) {
            let expiry: u64 = lease[1].text().parse().expect("milliseconds");
            let ttl = Duration::from_millis(expiry).saturating_sub(now);
            let member = lease[0].bytes().to_vec();
            self.leases
                .insert(member, created(ttl, LIFETIME + OUTLASTS));
        }
        for key in primary.command(&["KEYS", SHARES]).texts() {
            let leases = read(&key);
            let members = leases.chunks(2).map(|lease| lease[0].bytes().to_vec());
            self.shares.extend(members);
        }
        let [before, after] = SESSIONS;
        let pattern = format!("{before}*{after}");
        for key in operator.command(&["KEYS", &pattern]).texts() {
            // MOVED if the key has another primary by now, and negative if it has just expired.
            let ttl = match operator.command(&["PTTL", &key]) {
                Reply::Integer(ttl) => u64::try_from(ttl).ok(),
                _ => None,
            };
            let Some(ttl) = ttl else { continue };
            let id = key.trim_start_matches(before).trim_end_matches(after);
            let created = created(Duration::from_millis(ttl), LIFETIME);
            self.sessions.insert(member(id), created);
        }
    }

    /// Compares the leases of the principals with those of the index.
    fn wrong_shares(&self, has_limits: bool) -> Option<String> {
        let in_index: BTreeSet<_> = self.leases.keys().cloned().collect();
        let is_right = if has_limits {
            self.shares == in_index
        } else {
            self.shares.is_empty()
        };
        let (counted, left) = (self.shares.len(), in_index.len());
        (!is_right).then(|| format!("principals have {counted} leases, and the index has {left}"))
    }

    /// Compares, with what is allowed about a member and the creation of its session.
    fn compare(&self, is_allowed: impl Fn(&Member, Duration) -> bool) -> LeaseComparison {
        let mut comparison = LeaseComparison {
            leases: self.leases.len(),
            sessions: self.sessions.len(),
            ..LeaseComparison::default()
        };
        for (member, created) in &self.leases {
            let session = self.sessions.get(member);
            if let Some(session) = session.filter(|session| **session > *created + OUTLASTS) {
                let at = session.as_secs_f64();
                let failure = format!("a lease expires before its session, created at {at:.3} s");
                comparison.failures.push(failure);
            }
        }
        let sides = [
            (&self.leases, &self.sessions, "a lease has no session"),
            (&self.sessions, &self.leases, "a session has no lease"),
        ];
        for (these, others, what) in sides {
            for (member, created) in these {
                if others.contains_key(member) {
                    continue;
                }
                if is_allowed(member, *created) {
                    comparison.allowed += 1;
                } else {
                    let at = created.as_secs_f64();
                    let failure = format!("{what} {SETTLED:?} after the run: created at {at:.3} s");
                    comparison.failures.push(failure);
                }
            }
        }
        comparison
    }
}
