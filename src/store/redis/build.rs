//! Builds the Redis store and its tasks from the settings.

use crate::clock::Clock;
use crate::config::store::Check;
use crate::lifecycle::BackgroundTask;
use crate::model::SharedPseudonymKey;
use crate::store::redis::RedisStore;
use crate::store::redis::change_feed::ChangeFeed;
use crate::store::redis::check_report::CheckReport;
use crate::store::redis::checks::Checks;
use crate::store::redis::dial::Dialer;
use crate::store::redis::keys::Keys;
use crate::store::redis::lease::{LeaseScripts, Leases};
use crate::store::redis::node::NodeContext;
use crate::store::redis::replication::ReplicationConfig;
use crate::store::redis::rollback::RollbackQueue;
use crate::store::redis::scripts::Scripts;
use crate::store::redis::source::RedisSource;
use crate::store::redis::startup_check::StartupCheck;
use crate::store::redis::supervisor;
use crate::store::redis::topology::Topology;
use crate::store::redis::url::Layout;
use crate::store::{Changes, SessionLimits, StoreParts, StoreState};
use crate::telemetry::metrics::Metrics;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Settings of the Redis store, from the configuration's section `store.redis`.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// The URL, credentials and TLS files, to be read again before each connection.
    pub source: RedisSource,
    /// The servers that the URL named at the start.
    pub layout: Layout,
    /// Prefix of every key. It contains no braces.
    pub prefix: String,
    /// Maximum duration of one operation, including all its calls and retries.
    pub command_timeout: Duration,
    /// Number of replicas that must have a change before it is acknowledged. `None` if none must.
    pub wait_for_replicas: Option<NonZeroU32>,
    /// Whether reads are held, so that workers must learn of each other's changes.
    pub holds_reads: bool,
    /// Start-up checks to ignore.
    pub ignore_checks: Vec<Check>,
}

/// The parts that talk to Redis. Their tasks connect and reconnect, without end.
pub(super) struct RedisParts {
    pub(super) context: Arc<NodeContext>,
    pub(super) scripts: Arc<Scripts>,
    pub(super) keys: Keys,
    pub(super) leases: Arc<Leases>,
    pub(super) check: StartupCheck,
    pub(super) tasks: Vec<BackgroundTask>,
}

impl RedisParts {
    /// Builds the parts. `key` is overwritten with the pseudonym key that all replicas share.
    pub(super) fn new(
        settings: &RedisSettings,
        limits: SessionLimits,
        clock: &Clock,
        metrics: &Arc<Metrics>,
        key: Arc<SharedPseudonymKey>,
    ) -> Self {
        let deadline = settings.command_timeout;
        let (node_tasks, started) = mpsc::unbounded_channel();
        let replication = settings
            .wait_for_replicas
            .map(|replicas| ReplicationConfig {
                replicas,
                // Shorter than the deadline, so that Redis ends the wait and not this process.
                timeout: deadline / 2,
            });
        let context = Arc::new(NodeContext {
            dialer: Dialer::new(
                settings.source.clone(),
                settings.layout.clone(),
                deadline,
                replication,
            ),
            clock: clock.clone(),
            metrics: Arc::clone(metrics),
            problems: Arc::default(),
            state: watch::Sender::new(StoreState::Connecting(None)),
            changed: watch::Sender::new(()),
            tasks: node_tasks,
        });
        let (topology, mut tasks) = Topology::start(Arc::clone(&context), settings.layout.clone());
        tasks.push(BackgroundTask::new(
            "Redis connections",
            supervisor::run_nodes(started),
        ));
        let scripts = Arc::new(Scripts::new(
            topology,
            clock.clone(),
            deadline,
            Arc::clone(metrics),
        ));
        let keys = Keys::new(&settings.prefix);
        let lease_scripts = match settings.layout {
            Layout::Cluster(_) => LeaseScripts::Separate,
            Layout::Standalone { .. } | Layout::Sentinel { .. } => LeaseScripts::Combined,
        };
        let leases = Leases::new(&scripts, lease_scripts, &keys, limits, deadline, key);
        let leases = Arc::new(leases);
        let check = StartupCheck {
            leases: Arc::clone(&leases),
            database: settings.layout.database(),
            command_timeout: deadline,
            ignore_checks: settings.ignore_checks.clone(),
            may_write: true,
        };
        Self {
            context,
            scripts,
            keys,
            leases,
            check,
            tasks,
        }
    }
}

impl RedisStore {
    /// Builds the store. Its tasks connect and reconnect, without end. `key` is overwritten with the
    /// pseudonym key that all replicas share.
    #[must_use]
    pub fn build(
        settings: &RedisSettings,
        limits: SessionLimits,
        clock: Clock,
        metrics: &Arc<Metrics>,
        key: Arc<SharedPseudonymKey>,
    ) -> StoreParts<Self> {
        let deadline = settings.command_timeout;
        let RedisParts {
            context,
            scripts,
            keys,
            leases,
            check,
            mut tasks,
        } = RedisParts::new(settings, limits.clone(), &clock, metrics, key);
        let (rollback, rollback_task) = RollbackQueue::new(&leases, deadline, metrics);
        let refreshed = Arc::clone(&leases);
        let refresh = async move { refreshed.refresh_pseudonym_key().await };
        let changes = Arc::new(Changes::new(false));
        let (problems, identity) = (Arc::clone(&context.problems), Arc::default());
        let state = context.state.subscribe();
        let checks = Checks {
            check,
            report: CheckReport::new(metrics, &problems, &identity),
            clock,
            state: context.state.clone(),
            connected: context.changed.subscribe(),
        };
        tasks.extend([
            BackgroundTask::new("Redis checks", checks.run()),
            BackgroundTask::new("Redis rollback queue", rollback_task),
            BackgroundTask::new("Redis pseudonym key", refresh),
        ]);
        if settings.holds_reads {
            let feed = ChangeFeed::new(&changes, &keys, &scripts, context);
            tasks.push(BackgroundTask::new("Redis change feed", feed.run()));
        } else {
            keys.changes().set_silent(true);
            // No read waits for a hint.
            metrics.store_change_feed_up.set(1);
        }
        let store = Self {
            scripts,
            keys,
            limits,
            deadline,
            leases,
            rollback,
            problems: Arc::clone(&problems),
            changes,
        };
        StoreParts {
            store,
            state,
            problems,
            identity,
            tasks,
        }
    }
}
