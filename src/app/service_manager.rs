//! Reports the state of this process to systemd (`Type=notify`, `sd_notify(3)`). If no service manager has
//! set `NOTIFY_SOCKET`, nothing is sent.
//!
//! `READY=1` means that both listeners accept connections. It does not wait for the store: systemd would
//! kill a server that waits for Redis at boot. `STATUS=` has the reason of `/readyz`, and `systemctl status`
//! shows it.

use crate::admin::Readiness;
use crate::lifecycle::background_task::join;
use arc_swap::ArcSwapOption;
use sd_notify::NotifyState;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::spawn_blocking;

/// Interval at which the status is compared with the last one that was sent.
const STATUS_INTERVAL: Duration = Duration::from_secs(2);

/// The environment variable with the address of the service manager's socket.
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// The connection to the service manager. The report and the reload share it.
#[derive(Debug)]
pub struct ServiceManager {
    readiness: Arc<Readiness>,
    /// Whether a service manager listens.
    is_managed: bool,
    /// Why the last reload was rejected, if it was.
    rejected_reload: ArcSwapOption<String>,
    /// The status that was sent last, by the report or by a reload.
    sent_status: Mutex<String>,
}

impl ServiceManager {
    /// Creates the connection to the service manager in `env`, if it names one. Nothing is sent yet.
    #[must_use]
    pub fn new(readiness: Arc<Readiness>, env: &[(OsString, OsString)]) -> Self {
        Self {
            readiness,
            is_managed: env.iter().any(|(name, _)| name == NOTIFY_SOCKET),
            rejected_reload: ArcSwapOption::empty(),
            sent_status: Mutex::default(),
        }
    }

    /// Sends `READY=1`, then each new status, `WATCHDOG=1` at half of the interval that the service manager
    /// expects (`WatchdogSec=`), and `STOPPING=1` after SIGTERM or SIGINT. Ends at once without a service
    /// manager.
    pub async fn report(&self) {
        if !self.is_managed {
            return;
        }
        let watchdog = sd_notify::watchdog_enabled();
        let interval = watchdog.map_or(STATUS_INTERVAL, |interval| {
            STATUS_INTERVAL.min(interval / 2)
        });
        let signalled = self.readiness.lifecycle.signalled();
        let mut is_stopping = false;
        send(format!("READY=1\nSTATUS={}", self.record_status())).await;
        loop {
            tokio::select! {
                biased;
                () = signalled.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    send("STOPPING=1".to_owned()).await;
                }
                () = tokio::time::sleep(interval) => {}
            }
            if self.status() != *self.sent_status() {
                send(format!("STATUS={}", self.record_status())).await;
            }
            if watchdog.is_some() {
                send("WATCHDOG=1".to_owned()).await;
            }
        }
    }

    /// Sends `RELOADING=1`. [`Self::reloaded`] must follow.
    pub async fn reloading(&self) {
        let Ok(now) = NotifyState::monotonic_usec_now() else {
            return;
        };
        send(format!("RELOADING=1\n{now}")).await;
    }

    /// Ends a reload. `rejection` is why the configuration was rejected, if it was; the status has it until
    /// the next reload.
    pub async fn reloaded(&self, rejection: Option<String>) {
        self.rejected_reload.store(rejection.map(Arc::new));
        send(format!("READY=1\nSTATUS={}", self.record_status())).await;
    }

    /// Records the current status as sent, and returns it.
    fn record_status(&self) -> String {
        let status = self.status();
        self.sent_status().clone_from(&status);
        status
    }

    fn sent_status(&self) -> MutexGuard<'_, String> {
        self.sent_status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns one line: whether this replica is ready, the reason if it is not, and what else an operator
    /// should know.
    fn status(&self) -> String {
        let mut parts = vec![match self.readiness.check() {
            Ok(()) => "ready".to_owned(),
            Err(reason) => format!("not ready: {reason}"),
        }];
        if self.readiness.policy.is_in_maintenance() {
            parts.push("maintenance: no session is created".to_owned());
        }
        if let Some(reason) = self.rejected_reload.load_full() {
            parts.push(format!("the last reload was rejected: {reason}"));
        }
        // A line break would begin another message.
        parts.join("; ").replace('\n', "; ")
    }
}

/// Sends one message. A service manager that does not read would block the sender, so a thread of its own
/// sends it; shutdown does not wait for that thread.
async fn send(message: String) {
    let sent = spawn_blocking(move || sd_notify::notify(&[NotifyState::Custom(&message)]));
    if let Some(Err(error)) = join(sent).await {
        tracing::debug!(%error, "the service manager cannot be notified");
    }
}
