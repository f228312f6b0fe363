//! Replaces the certificate of `http.listen` when its files change.
//!
//! cert-manager and the kubelet replace a symbolic link to a directory, certbot one to a file, and other
//! programs write over the files. So the files are read every [`PERIOD`], and their content is compared.
//! SIGHUP reads them at once (`reload`).

use crate::clock::Clock;
use crate::config::de::HumanDuration;
use crate::config::http::certificate_files::key_of;
use crate::lifecycle::background_task::join;
use crate::telemetry::labels::ReloadOutcome;
use crate::telemetry::metrics::Metrics;
use crate::tls::server::{Renewal, ServerTls};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// Time from one check of the files to the next. A renewed certificate has days to be used, and reading
/// two small files costs microseconds.
const PERIOD: Duration = Duration::from_secs(30);

/// The certificate of the client listener, and where its changes are reported.
#[derive(Debug)]
pub struct CertificateRenewal {
    tls: ServerTls,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl CertificateRenewal {
    /// Reports the certificate of the start.
    #[must_use]
    pub fn new(tls: ServerTls, metrics: Arc<Metrics>, clock: Clock) -> Self {
        let renewal = Self {
            tls,
            metrics,
            clock,
        };
        renewal.report("http.listen uses TLS");
        renewal
    }

    /// The TLS settings of the listener.
    #[must_use]
    pub fn tls(&self) -> &ServerTls {
        &self.tls
    }

    /// Checks the files every [`PERIOD`], until the process ends.
    pub async fn run(self: Arc<Self>) {
        loop {
            tokio::time::sleep(PERIOD).await;
            // Reading a file may hang, so it gets a thread of its own, which shutdown does not wait for.
            let renewal = Arc::clone(&self);
            if join(spawn_blocking(move || renewal.renew()))
                .await
                .is_none()
            {
                return;
            }
        }
    }

    /// Checks the files now. Blocks while it reads them.
    pub fn renew(&self) {
        let outcome = match self.tls.renew() {
            Renewal::Unchanged => return,
            Renewal::Replaced => {
                self.report("the TLS certificate was replaced");
                ReloadOutcome::Applied
            }
            Renewal::Rejected(error) => {
                let key = key_of(&error);
                tracing::error!(
                    "the new TLS certificate is rejected, the old one stays: {key}: {error}"
                );
                ReloadOutcome::Refused
            }
        };
        self.metrics.tls_certificate_reloads.inc(outcome);
    }

    /// Logs which certificate is in use, and exports when it expires.
    fn report(&self, event: &str) {
        let expires_at = self.tls.expires_at();
        self.metrics.tls_certificate_expiry.set(expires_at);
        let cert_file = self.tls.files().cert_file.display();
        let left = u64::try_from(expires_at).unwrap_or(0);
        let left = Duration::from_secs(left).saturating_sub(self.clock.since_epoch());
        if left.is_zero() {
            tracing::warn!(%cert_file, "{event}, but its certificate has expired: clients reject it");
        } else {
            let days = left.as_secs() / (24 * 60 * 60);
            tracing::info!(%cert_file, valid_for = %HumanDuration(Duration::from_hours(24 * days)), "{event}");
        }
    }
}

#[cfg(test)]
mod tests;
