//! What most parts of the service share: the configuration, the clock, the records and the tasks.

use super::RunError;
use super::certificate_renewal::CertificateRenewal;
use crate::clock::Clock;
use crate::config::Config;
use crate::lifecycle::{BackgroundTask, Lifecycle};
use crate::model::SharedPseudonymKey;
use crate::store::{CurrentShares, Shares};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics_push::MetricsCollector;
use crate::telemetry::pseudonym::Pseudonyms;
use crate::telemetry::rejection_log::RejectionLog;
use crate::telemetry::traces::{Collector, Traces};
use crate::tls::server::ServerTls;
use std::sync::Arc;
use tokio_util::task::TaskTracker;

/// What most parts need.
pub(super) struct AppContext {
    pub(super) config: Config,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) lifecycle: Lifecycle,
    pub(super) connections: TaskTracker,
    pub(super) pseudonym_key: Arc<SharedPseudonymKey>,
    pub(super) pseudonyms: Pseudonyms,
    pub(super) rejection_log: Arc<RejectionLog>,
    pub(super) traces: Traces,
    /// The collector of the metrics, until the push to it is built.
    pub(super) metrics_collector: Option<MetricsCollector>,
    /// The name of this process in logs and traces.
    pub(super) replica: String,
    /// The shares of the live sessions, which a reload may change.
    pub(super) shares: Arc<CurrentShares>,
    /// The certificate of the client listener, if it uses TLS.
    pub(super) certificate: Option<Arc<CertificateRenewal>>,
    /// Grows with each part that is built.
    pub(super) tasks: Vec<BackgroundTask>,
}

impl AppContext {
    pub(super) fn new(config: Config, collector: Option<Collector>) -> Result<Self, RunError> {
        let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
        let pseudonym_key = Arc::<SharedPseudonymKey>::default();
        let pseudonyms = Pseudonyms::new(Arc::clone(&pseudonym_key));
        let replica = replica_name(&config);
        let mut tasks = Vec::new();
        let traces = match collector {
            Some(collector) => {
                let (traces, watch) = Traces::start(
                    collector,
                    &replica,
                    pseudonyms.clone(),
                    Arc::clone(&metrics),
                    clock.clone(),
                )?;
                tasks.push(BackgroundTask::new("trace export", watch));
                traces
            }
            None => Traces::default(),
        };
        Ok(Self {
            shares: Arc::new(CurrentShares::new(Shares::from_config(&config.limits))),
            rejection_log: Arc::new(RejectionLog::new(
                replica.clone(),
                pseudonyms.clone(),
                clock.clone(),
            )),
            lifecycle: Lifecycle::new(),
            connections: TaskTracker::new(),
            config,
            clock,
            metrics,
            pseudonym_key,
            pseudonyms,
            traces,
            metrics_collector: None,
            replica,
            certificate: None,
            tasks,
        })
    }

    /// Adds the certificate of the client listener, if it uses TLS, and the task that renews it.
    pub(super) fn add_certificate_renewal(&mut self, tls: Option<ServerTls>) {
        let Some(tls) = tls else { return };
        let (metrics, clock) = (Arc::clone(&self.metrics), self.clock.clone());
        let renewal = Arc::new(CertificateRenewal::new(tls, metrics, clock));
        self.certificate = Some(Arc::clone(&renewal));
        self.add_task("TLS certificate renewal", renewal.run());
    }

    /// Adds a task. It starts when the application serves.
    pub(super) fn add_task(
        &mut self,
        name: &'static str,
        future: impl Future<Output = ()> + Send + 'static,
    ) {
        self.tasks.push(BackgroundTask::new(name, future));
    }
}

/// The name of this process: as configured, or the name of its host.
fn replica_name(config: &Config) -> String {
    let configured = config.telemetry.replica.clone();
    configured.unwrap_or_else(|| gethostname::gethostname().to_string_lossy().into_owned())
}
