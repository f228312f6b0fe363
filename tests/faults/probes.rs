//! Probes of one worker: they create, read and delete sessions, and so show when it serves again.
//! And reads through a worker that was idle during the fault.

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

/// Time between two reads by the idle worker.
const BETWEEN_READS: Duration = Duration::from_millis(4);

/// Sessions that the idle worker reads, the newest ones.
const READ_BY_IDLE: usize = 150;

/// Reads the clients' sessions through the idle worker, from its release until the run ends. It may
/// still have the connections of before the fault.
pub async fn read_by_idle_worker(progress: Arc<Progress>, worker: SocketAddr) {
    let name = "reader at the idle worker".to_owned();
    let mut client = Client::new(name, Dialect::Json, &progress, &[worker], 0);
    while !progress.is_stopped() {
        sleep(INTERVAL).await;
        if !progress.is_idle_worker_released() {
            continue;
        }
        let sessions = progress.sessions();
        for session in sessions.iter().rev().take(READ_BY_IDLE) {
            client.call(session, Operation::Read { known: None }).await;
            sleep(BETWEEN_READS).await;
        }
    }
}
