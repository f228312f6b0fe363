//! Tests on a runtime with paused time, which advances to the next timer when no task can run, and not
//! while a thread reads files.

use super::{CertificateRenewal, PERIOD};
use crate::clock::Clock;
use crate::telemetry::labels::ReloadOutcome;
use crate::telemetry::metrics::Metrics;
use crate::tls::server::{CertificateFiles, ServerTls};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use testkit::certificates::Certificates;

const SECOND: Duration = Duration::from_secs(1);

/// A Secret as the kubelet mounts it: the files are links into `..data`, which is a link to a directory
/// that is replaced as a whole.
struct MountedSecret {
    dir: TempDir,
    versions: u32,
}

impl MountedSecret {
    fn new(certificates: &Certificates) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), dir.path().join(name)).expect("a link");
        }
        let mut mounted = Self { dir, versions: 0 };
        mounted.replace(certificates, certificates);
        mounted
    }

    /// Mounts this certificate, and this key.
    fn replace(&mut self, certificate: &Certificates, key: &Certificates) {
        self.versions += 1;
        let version = self.dir.path().join(format!("..{}", self.versions));
        std::fs::create_dir(&version).expect("a directory");
        for (from, to) in [
            (certificate.cert_file(), "tls.crt"),
            (key.key_file(), "tls.key"),
        ] {
            std::fs::copy(from, version.join(to)).expect("a file");
        }
        let next = self.dir.path().join("..next");
        symlink(&version, &next).expect("a link");
        std::fs::rename(next, self.dir.path().join("..data")).expect("a rename");
    }

    /// Starts the task that renews the certificate. Returns what it reports to.
    fn start(&self) -> Arc<Metrics> {
        let files = CertificateFiles {
            cert_file: self.dir.path().join("tls.crt"),
            key_file: self.dir.path().join("tls.key"),
        };
        let tls = ServerTls::load(files).expect("a certificate");
        let metrics = Arc::new(Metrics::new());
        let renewal = CertificateRenewal::new(tls, Arc::clone(&metrics), Clock::system());
        tokio::spawn(Arc::new(renewal).run());
        metrics
    }
}

/// How many certificates were applied and refused.
fn outcomes(metrics: &Metrics) -> [u64; 2] {
    [ReloadOutcome::Applied, ReloadOutcome::Refused]
        .map(|outcome| metrics.tls_certificate_reloads.value(outcome))
}

/// Waits until the files have been looked at once more.
async fn next_check() {
    tokio::time::sleep(PERIOD).await;
}

#[tokio::test(start_paused = true)]
async fn changed_certificate_is_used_within_30s() {
    let mut secret = MountedSecret::new(&Certificates::make());
    let metrics = secret.start();
    let next = Certificates::make();
    secret.replace(&next, &next);
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(outcomes(&metrics), [0, 0]);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(outcomes(&metrics), [1, 0]);
    next_check().await;
    assert_eq!(outcomes(&metrics), [1, 0], "it was used twice");
}

#[tokio::test(start_paused = true)]
async fn rewritten_files_with_the_same_content_change_nothing() {
    let certificates = Certificates::make();
    let mut secret = MountedSecret::new(&certificates);
    let metrics = secret.start();
    secret.replace(&certificates, &certificates);
    tokio::time::sleep(SECOND).await;
    next_check().await;
    assert_eq!(outcomes(&metrics), [0, 0]);
}

/// certbot replaces one file after the other.
#[tokio::test(start_paused = true)]
async fn mismatched_pair_is_refused_once_and_the_next_is_used() {
    let (first, next) = (Certificates::make(), Certificates::make());
    let mut secret = MountedSecret::new(&first);
    let metrics = secret.start();
    tokio::time::sleep(SECOND).await;
    secret.replace(&next, &first);
    for _ in 0..3 {
        next_check().await;
        assert_eq!(outcomes(&metrics), [0, 1]);
    }
    secret.replace(&next, &next);
    next_check().await;
    assert_eq!(outcomes(&metrics), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn problem_that_comes_back_is_reported_again() {
    let (first, next) = (Certificates::make(), Certificates::make());
    let mut secret = MountedSecret::new(&first);
    let metrics = secret.start();
    tokio::time::sleep(SECOND).await;
    for refused in 1..=2 {
        secret.replace(&next, &first);
        next_check().await;
        assert_eq!(outcomes(&metrics), [0, refused]);
        secret.replace(&first, &first);
        next_check().await;
    }
}

#[tokio::test(start_paused = true)]
async fn missing_files_are_refused_and_their_return_is_seen() {
    let (first, next) = (Certificates::make(), Certificates::make());
    let mut secret = MountedSecret::new(&first);
    let metrics = secret.start();
    tokio::time::sleep(SECOND).await;
    std::fs::remove_file(secret.dir.path().join("..data")).expect("a link");
    next_check().await;
    assert_eq!(outcomes(&metrics), [0, 1]);
    secret.replace(&next, &next);
    next_check().await;
    assert_eq!(outcomes(&metrics), [1, 1]);
}
