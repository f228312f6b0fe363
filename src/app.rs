//! The composition root: builds every part, runs the parts, and ends at a signal or a panic.
//!
//! The only module that names every concrete type.

mod build;
mod certificate_renewal;
mod context;
mod listeners;
mod metrics_export;
pub mod reload;
mod service_manager;
mod stores;
mod summary;
pub mod tasks;

use crate::app::reload::ReloadContext;
use crate::app::tasks::{RunningTasks, TaskPanicked};
use crate::config::{Config, ShutdownConfig};
use crate::lifecycle::background_task::join;
use crate::lifecycle::{BackgroundTask, Lifecycle, ReloadSignal, Signals};
use crate::net::bind::error::BindError;
use crate::net::passed_sockets::PassedSockets;
use crate::net::passed_sockets::error::PassedSocketError;
use crate::open_files;
use crate::startup::Prepared;
use crate::telemetry::metrics_push::MetricsPush;
use crate::telemetry::traces::{ExporterBuildError, Traces};
use std::sync::Arc;
use tokio::task::spawn_blocking;
use tokio_util::task::TaskTracker;

/// The service, with both listeners bound. Nothing runs before [`App::serve`].
#[derive(Debug)]
pub struct App {
    /// Everything that runs beside the requests, the accepting of connections included.
    pub tasks: Vec<BackgroundTask>,
    lifecycle: Lifecycle,
    connections: TaskTracker,
    shutdown: ShutdownConfig,
    /// Whether SIGINT starts the drain at once. So with the memory store: no load balancer has to
    /// notice that this replica leaves, since there is no other, and a person waits at a terminal.
    interrupt_skips_grace: bool,
    traces: Traces,
    metrics_push: Option<Arc<MetricsPush>>,
}

/// Why the service could not start, or ended without a signal.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The operating system rejects a signal handler.
    #[error("a signal handler cannot be installed: {0}")]
    Signals(#[source] std::io::Error),
    /// An address cannot be listened on.
    #[error("{listener}.listen = {error}")]
    Listen {
        /// `http` or `admin`.
        listener: &'static str,
        /// The address, the reason, and what to do.
        #[source]
        error: BindError,
    },
    /// A socket that the service manager has passed cannot be used.
    #[error(transparent)]
    PassedSocket(#[from] PassedSocketError),
    /// The exporter of traces cannot be built.
    #[error("telemetry.traces: {0}")]
    Traces(#[from] ExporterBuildError),
    /// A background task panicked. A server that looks ready and does half its work is worse than one
    /// that is restarted.
    #[error(transparent)]
    TaskPanicked(#[from] TaskPanicked),
}

/// Runs the service until a signal ends it, on the sockets of the service manager, or else on the configured
/// addresses. Returns whether every request was answered, so that no
/// connection was cut.
///
/// # Errors
/// [`RunError`] if the service cannot start, or if a background task panics.
pub async fn run(
    mut config: Config,
    prepared: Prepared,
    sockets: PassedSockets,
    reload: ReloadContext,
) -> Result<bool, RunError> {
    summary::log_summary(&config, &prepared);
    let too_few_files = open_files::limit_connections(&mut config);
    for warning in config.warnings().into_iter().chain(too_few_files) {
        tracing::warn!("{warning}");
    }
    // Before anything listens: an early signal would kill the process with requests in it.
    let signals = Signals::catch().map_err(RunError::Signals)?;
    let reload_signal = ReloadSignal::catch().map_err(RunError::Signals)?;
    let app = App::build(config, prepared, sockets, reload, reload_signal).await?;
    app.serve(signals).await
}

impl App {
    /// Runs the tasks until a signal or a panic. Returns as [`run`] does.
    ///
    /// # Errors
    /// [`RunError::TaskPanicked`] names the task.
    pub async fn serve(self, signals: Signals) -> Result<bool, RunError> {
        let tasks = RunningTasks::start(self.tasks, self.lifecycle.hard());
        let ended = tokio::select! {
            all_answered = self.lifecycle.run(
                signals,
                self.shutdown,
                self.interrupt_skips_grace,
                &self.connections,
            ) => Ok(all_answered),
            panicked = tasks.first_panic() => Err(panicked.into()),
        };
        let last_spans = join(spawn_blocking(move || self.traces.shutdown()));
        let last_metrics = async {
            if let Some(push) = self.metrics_push {
                push.push_last().await;
            }
        };
        tokio::join!(last_spans, last_metrics);
        ended
    }
}
