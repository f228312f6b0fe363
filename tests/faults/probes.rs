//! Probes of one worker: it creates, reads and deletes sessions, and so shows when it serves again.

use crate::client::Client;
use crate::progress::Progress;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use testkit::dialect::Dialect;
use testkit::history::{Operation, Outcome};
use tokio::time::sleep;

/// Time between two probes.
const INTERVAL: Duration = Duration::from_millis(50);

/// Probes until the run ends.
pub async fn run_probes(number: usize, progress: Arc<Progress>, worker: SocketAddr) {
    let name = format!("probe of worker {number}");
    let mut client = Client::new(name.clone(), Dialect::Json, &progress, &[worker], 0);
    while !progress.is_stopped() {
        let sent = progress.now();
        let mut has_failed = true;
        if let Some(session) = client.create(&name, "a probe").await {
            let read = client.call(&session, Operation::Read { known: None }).await;
            has_failed = read == Outcome::Unknown;
            client.call(&session, Operation::Delete).await;
        }
        if has_failed {
            progress.record_failed_probe(sent);
        }
        sleep(INTERVAL).await;
    }
}
