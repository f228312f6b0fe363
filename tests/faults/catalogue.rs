//! The faults, and what is expected of each.

use crate::progress::{Period, Progress};
use crate::setup::Setup;
use crate::verdict::COMMAND_TIMEOUT;
use crate::{cluster, sentinel, standalone};
use std::time::Duration;
use testkit::redis::RedisServer;

/// A store that can be broken, with the processes that it consists of.
pub trait BreakableStore: Send {
    /// The value of `store.redis.url`.
    fn url(&self) -> String;

    /// More settings of the workers.
    fn settings(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// All Redis servers that it consists of, replicas included.
    fn nodes(&self) -> &[RedisServer];

    /// Breaks the store while clients work, and repairs it. Returns when it was broken.
    ///
    /// # Errors
    /// Describes the step that was not possible, or the progress that the clients did not make.
    fn strike(&mut self, progress: &Progress) -> Result<Period, String>;

    /// What has happened to the store beside the fault, and makes the run worthless.
    fn disturbance(&self) -> Option<String> {
        None
    }
}

/// A fault.
#[derive(Clone, Copy)]
pub struct Fault {
    /// Its name on the command line and in the table.
    pub name: &'static str,
    /// Starts the store.
    pub start: fn(&Setup) -> Box<dyn BreakableStore>,
    /// What the store may lose of what it has acknowledged.
    pub store_loses: StoreLoss,
    /// Whether clients without retries may lose sign-ins.
    pub lost_sign_ins: LostSignIns,
    /// How long after the fault a worker may use a connection that the fault made silent.
    pub unnoticed: Duration,
    /// Whether the limits are enabled. Their state is in Redis, and they reject no client of a run.
    pub has_limits: bool,
    /// Whether what stands between the workers and Redis needs plain text: a proxy that reads replies, or relays
    /// in front of Cluster nodes, which announce no TLS port. With `--tls` it is left out.
    pub needs_plain_text: bool,
    /// Whether it is part of the short form.
    pub is_quick: bool,
}

/// What a store loses by a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreLoss {
    /// Nothing.
    Nothing,
    /// Possibly the last writes.
    Tail,
    /// Possibly the last writes, but none that was acknowledged (`store.redis.wait_for_replicas`). A read may
    /// have shown them.
    Unacknowledged,
    /// Possibly what an old primary has acknowledged until the workers knew the new one, and the last
    /// writes before, of which the new one was not sent all. Reads may come from either until then.
    Split,
    /// All sessions. The check must notice that.
    Everything,
}

/// Whether clients without retries may lose sign-ins whose session was created, other than those
/// that the store has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostSignIns {
    /// Never: reads and writes wait for the store (R0.3).
    Never,
    /// Possibly, for this reason.
    Possible(&'static str),
}

/// Base of the faults after which nothing is lost.
const HARMLESS: Fault = Fault {
    name: "",
    start: standalone::pause_1s,
    store_loses: StoreLoss::Nothing,
    lost_sign_ins: LostSignIns::Never,
    unnoticed: Duration::ZERO,
    has_limits: false,
    needs_plain_text: false,
    is_quick: true,
};

/// All faults.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "SIGKILL, AOF always",
        start: standalone::kill_aof_always,
        ..HARMLESS
    },
    Fault {
        name: "SIGKILL, AOF always, limits enabled",
        start: standalone::kill_aof_always,
        has_limits: true,
        is_quick: false,
        ..HARMLESS
    },
    Fault {
        name: "SIGKILL, AOF everysec",
        start: standalone::kill_aof_everysec,
        store_loses: StoreLoss::Tail,
        ..HARMLESS
    },
    Fault {
        name: "SIGKILL, no AOF",
        start: standalone::kill_without_aof,
        store_loses: StoreLoss::Everything,
        lost_sign_ins: LostSignIns::Possible("the sessions are lost"),
        ..HARMLESS
    },
    Fault {
        name: "empty replacement",
        start: standalone::empty_replacement,
        store_loses: StoreLoss::Everything,
        lost_sign_ins: LostSignIns::Possible("the sessions are lost"),
        ..HARMLESS
    },
    Fault {
        name: "SIGSTOP for 1 s",
        start: standalone::pause_1s,
        is_quick: false,
        ..HARMLESS
    },
    Fault {
        name: "SIGSTOP for 3 s",
        start: standalone::pause_3s,
        ..HARMLESS
    },
    Fault {
        name: "SIGSTOP for 5 s",
        start: standalone::pause_5s,
        is_quick: false,
        ..HARMLESS
    },
    Fault {
        name: "LOADING for 5 s",
        start: standalone::loading_5s,
        ..HARMLESS
    },
    Fault {
        name: "CLIENT KILL",
        start: standalone::client_kill,
        ..HARMLESS
    },
    Fault {
        name: "SCRIPT FLUSH",
        start: standalone::script_flush,
        ..HARMLESS
    },
    Fault {
        name: "full memory",
        start: standalone::full_memory,
        ..HARMLESS
    },
    Fault {
        name: "ACL without EVALSHA",
        start: standalone::acl_change,
        lost_sign_ins: LostSignIns::Possible("NOPERM is 503 at once (R0.3)"),
        ..HARMLESS
    },
    Fault {
        name: "password changed",
        start: standalone::password_change,
        ..HARMLESS
    },
    Fault {
        name: "maxclients",
        start: standalone::max_clients,
        ..HARMLESS
    },
    Fault {
        name: "replies cut at random bytes",
        start: standalone::cut_replies,
        needs_plain_text: true,
        ..HARMLESS
    },
    Fault {
        name: "partition for 3 s",
        start: standalone::partition_3s,
        unnoticed: COMMAND_TIMEOUT,
        ..HARMLESS
    },
    Fault {
        name: "Sentinel: SIGKILL of the primary",
        start: sentinel::kill_primary,
        store_loses: StoreLoss::Tail,
        ..HARMLESS
    },
    Fault {
        name: "Sentinel: SIGKILL of the primary, limits enabled",
        start: sentinel::kill_primary,
        store_loses: StoreLoss::Tail,
        has_limits: true,
        is_quick: false,
        ..HARMLESS
    },
    Fault {
        name: "Sentinel: SIGKILL ahead of the replicas, wait_for_replicas 1",
        start: sentinel::kill_ahead_of_replicas,
        store_loses: StoreLoss::Unacknowledged,
        is_quick: false,
        ..HARMLESS
    },
    Fault {
        name: "Sentinel: planned failover",
        start: sentinel::planned_failover,
        store_loses: StoreLoss::Split,
        ..HARMLESS
    },
    Fault {
        name: "Sentinel: primary paused and back",
        start: sentinel::pause_primary,
        store_loses: StoreLoss::Tail,
        ..HARMLESS
    },
    Fault {
        name: "Sentinel: partition of the primary",
        start: sentinel::isolate_primary,
        store_loses: StoreLoss::Split,
        ..HARMLESS
    },
    Fault {
        name: "Sentinel: partition, min-replicas-to-write 1",
        start: sentinel::isolate_guarded_primary,
        store_loses: StoreLoss::Tail,
        is_quick: false,
        ..HARMLESS
    },
    Fault {
        name: "Cluster: SIGKILL of the lease's primary",
        start: cluster::kill_lease_primary,
        store_loses: StoreLoss::Tail,
        ..HARMLESS
    },
    Fault {
        name: "Cluster: SIGKILL of another primary",
        start: cluster::kill_other_primary,
        store_loses: StoreLoss::Tail,
        is_quick: false,
        ..HARMLESS
    },
    Fault {
        name: "Cluster: primary paused and back",
        start: cluster::pause_primary,
        store_loses: StoreLoss::Tail,
        ..HARMLESS
    },
    Fault {
        name: "Cluster: CLUSTER FAILOVER",
        start: cluster::planned_failover,
        ..HARMLESS
    },
    Fault {
        name: "Cluster: reshard",
        start: cluster::reshard,
        ..HARMLESS
    },
    Fault {
        name: "Cluster: rebalance",
        start: cluster::rebalance,
        is_quick: false,
        ..HARMLESS
    },
    Fault {
        name: "Cluster: silent connections",
        start: cluster::silent_connections,
        needs_plain_text: true,
        unnoticed: COMMAND_TIMEOUT,
        ..HARMLESS
    },
    Fault {
        name: "Cluster: partition for 3 s",
        start: cluster::partition,
        needs_plain_text: true,
        unnoticed: COMMAND_TIMEOUT,
        is_quick: false,
        ..HARMLESS
    },
];
