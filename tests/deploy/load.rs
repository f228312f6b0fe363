//! Load on the fleet: pairs of devices that sign in again and again, and polls of sessions that
//! live on. They run until they are stopped.
//!
//! The devices are faster than people, so that requests are in flight at each moment of a
//! deployment.

use crate::counters::Counters;
use crate::device::{CountingDevice, Creation, POLL_INTERVAL, Rejection, Shared};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use testkit::dialect::Dialect;
use testkit::sign_in::{Messenger, Pace, exchange_messages, message};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Pairs of devices at the same time, half of them in each dialect.
const PAIRS: u32 = 40;

/// Connections that poll without a pause, half of them in each dialect. A request follows each
/// reply at once, and so meets a connection that is closed carelessly. More of them would leave the
/// sign-ins no processor.
const POLLERS: u32 = 4;

const PACE: Pace = Pace {
    poll: POLL_INTERVAL,
    think: Duration::ZERO,
};

/// A running load.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

impl Load {
    /// Starts the clients. `retry`: see [`Shared::new`].
    pub fn start(address: SocketAddr, retry: bool) -> Self {
        let shared = Arc::new(Shared::new(address, retry));
        let mut clients = JoinSet::new();
        for pair in 0..PAIRS {
            clients.spawn(run_sign_ins(Arc::clone(&shared), pair));
        }
        for number in 0..POLLERS {
            clients.spawn(run_poller(Arc::clone(&shared), number));
        }
        Self { shared, clients }
    }

    /// Sets why creations may be rejected from now on.
    pub fn expect_rejection(&self, rejection: Option<Rejection>) {
        self.shared.expect_rejection(rejection);
    }

    /// Waits until `count` more sign-ins have completed, whenever they began.
    pub async fn wait_for_sign_ins(&self, count: u64) -> Result<(), String> {
        let enough = self.shared.counters.sign_ins.get() + count;
        self.wait_until("more sign-ins have completed", |counters| {
            counters.sign_ins.get() >= enough
        })
        .await
    }

    /// Waits until each pair's next creation was rejected. By then each has completed its sign-in.
    pub async fn wait_until_all_rejected(&self) -> Result<(), String> {
        self.wait_until("a creation of every pair was rejected", |counters| {
            counters.idle.get() == u64::from(PAIRS)
        })
        .await
    }

    async fn wait_until(
        &self,
        what: &str,
        condition: impl Fn(&Counters) -> bool,
    ) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !condition(&self.shared.counters) {
            if Instant::now() > deadline {
                return Err(format!("not within a minute: {what}"));
            }
            sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Lets the sign-ins in progress complete, and begins no others.
    pub async fn stop(self) -> Arc<Shared> {
        self.shared.stop();
        // A panic in a client panics here.
        self.clients.join_all().await;
        self.shared
    }
}

fn dialect(number: u32) -> Dialect {
    if number.is_multiple_of(2) {
        Dialect::Json
    } else {
        Dialect::Etag
    }
}

async fn run_sign_ins(shared: Arc<Shared>, pair: u32) {
    let dialect = dialect(pair);
    let device = || CountingDevice::new(&shared, dialect);
    let (mut one, mut two) = (device(), device());
    let (counters, mut is_idle) = (&shared.counters, false);
    for number in 0.. {
        if shared.is_stopped() {
            return;
        }
        let name = format!("{pair}/{number}");
        let result = sign_in(&name, &mut one, &mut two, || {
            if std::mem::take(&mut is_idle) {
                counters.idle.subtract();
            }
        })
        .await;
        match result {
            Ok(true) => {
                counters.sign_ins.add();
                if one.has_lost || two.has_lost {
                    counters.retried.add();
                }
                (one.has_lost, two.has_lost) = (false, false);
            }
            // Rejected as expected. The user may try again.
            Ok(false) => {
                counters.rejected.add();
                if !std::mem::replace(&mut is_idle, true) {
                    counters.idle.add();
                }
                sleep(POLL_INTERVAL * 5).await;
            }
            Err(failure) => {
                let failure = format!("sign-in {name} ({dialect:?}): {failure}");
                counters.failures().push(failure);
                (one, two) = (device(), device());
                sleep(POLL_INTERVAL).await;
            }
        }
    }
}

/// Runs one sign-in. Returns false if its creation was rejected as expected.
async fn sign_in(
    name: &str,
    one: &mut CountingDevice,
    two: &mut CountingDevice,
    on_created: impl FnOnce(),
) -> Result<bool, String> {
    let Creation::Session(session) = one.create(&message(name, 0)).await? else {
        return Ok(false);
    };
    on_created();
    two.set_known("");
    let first = exchange_messages(one, name, &session.path, 1, PACE);
    let second = exchange_messages(two, name, &session.path, 0, PACE);
    tokio::try_join!(first, second)?;
    Ok(true)
}

/// Polls one session until the load stops. It exists before the deployment and after it, and has no
/// writes.
async fn run_poller(shared: Arc<Shared>, number: u32) {
    let mut device = CountingDevice::new(&shared, dialect(number));
    let failure = match device.create("it lives on").await {
        Ok(Creation::Session(session)) => {
            poll_until_stopped(&shared, &mut device, &session.path).await
        }
        Ok(Creation::Rejected) => Some("rejected".to_owned()),
        Err(failure) => Some(failure),
    };
    if let Some(failure) = failure {
        let failure = format!("polls {number} of one session: {failure}");
        shared.counters.failures().push(failure);
    }
}

/// Returns the first failure, if there is one.
async fn poll_until_stopped(
    shared: &Shared,
    device: &mut CountingDevice,
    path: &str,
) -> Option<String> {
    let mut first = None;
    while !shared.is_stopped() {
        let failure = match device.poll(path).await {
            Ok(None) => continue,
            Ok(Some(update)) => format!("the payload has become {}", update.data),
            Err(failure) => failure,
        };
        first.get_or_insert(failure);
        // If the session is gone, the polls must not become a flood.
        sleep(POLL_INTERVAL).await;
    }
    first
}
