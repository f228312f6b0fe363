//! Honest clients: sign-ins of two devices each, with the timing of real clients and without retries;
//! or newcomers, which only begin a sign-in.
//!
//! Today's clients end a sign-in at the first 4xx or 5xx on a poll, and do not retry. These do the
//! same: every reply that is not a success fails the sign-in, and so does a payload that the other
//! device did not write.

use crate::environment::{Mode, VALID_TOKEN};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use testkit::device::Device;
use testkit::dialect::{Caller, Dialect, Update};
use testkit::sign_in::{Messenger, Pace, exchange_messages, message};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Sign-ins of a scenario, and the time between two. Five a second is what a homeserver of a
/// million users has in its busiest minutes, and eight seconds of them give the 99th percentile of
/// a latency.
const SIGN_INS: u32 = 40;
const INTERVAL: Duration = Duration::from_millis(200);

/// Newcomers of a scenario, and the time between two.
const NEWCOMERS: u32 = 100;
const NEWCOMER_INTERVAL: Duration = Duration::from_millis(30);

/// Both SDKs wait a second after each reply to a poll. Between a message and the reply to it a
/// device sends requests to the homeserver, and a person looks at the screen.
const PACE: Pace = Pace {
    poll: Duration::from_secs(1),
    think: Duration::from_millis(900),
};

/// What honest clients do meanwhile.
#[derive(Debug, Clone, Copy)]
pub enum Honest {
    /// They sign in.
    SignIns,
    /// Newcomers begin a sign-in, in mode `open`. For attacks on the live sessions: they harm no
    /// session that exists, and a whole sign-in takes much longer.
    Newcomers,
}

/// The results of all sign-ins.
#[derive(Debug, Default)]
pub struct SignInResults {
    /// Number of sign-ins.
    pub total: usize,
    /// The reason of each failed sign-in.
    pub failures: Vec<String>,
    /// The latency of each poll.
    pub polls: Vec<Duration>,
}

impl SignInResults {
    /// Number of sign-ins that completed.
    pub fn completed(&self) -> usize {
        self.total - self.failures.len()
    }
}

/// Starts the sign-ins one after the other, and waits until all have ended.
pub async fn run_sign_ins(workers: [SocketAddr; 2], mode: Mode) -> SignInResults {
    let mut sign_ins = JoinSet::new();
    for number in 0..SIGN_INS {
        sign_ins.spawn(sign_in(number, workers, mode));
        sleep(INTERVAL).await;
    }
    let mut results = SignInResults::default();
    while let Some(ended) = sign_ins.join_next().await {
        results.total += 1;
        match ended {
            Ok(Ok(polls)) => results.polls.extend(polls),
            Ok(Err(failure)) => results.failures.push(failure),
            Err(panic) => results.failures.push(panic.to_string()),
        }
    }
    results
}

/// Runs one sign-in. Returns the latencies of its polls.
async fn sign_in(
    number: u32,
    mut workers: [SocketAddr; 2],
    mode: Mode,
) -> Result<Vec<Duration>, String> {
    let dialect = match mode {
        Mode::Open if number % 2 == 1 => Dialect::Etag,
        Mode::Open | Mode::Authenticated => Dialect::Json,
    };
    let failed = |failure: String| format!("sign-in {number} ({dialect:?}): {failure}");
    // Each sign-in begins at the other worker, and its devices use both in turn.
    workers.rotate_left((number as usize + 1) % 2);
    let [mut one, mut two] = [1, 2].map(|device| TimedDevice {
        device: Device::new(dialect, caller(number, device), &workers),
        polls: Vec::new(),
    });
    let name = number.to_string();
    let begun = begin(&mut one.device, &name, mode).await;
    let path = begun.map_err(failed)?;
    // The camera.
    sleep(PACE.poll).await;
    let connected = two.device.connect().await;
    connected.map_err(|failure| failed(failure.into()))?;
    let first = exchange_messages(&mut one, &name, &path, 1, PACE);
    let second = exchange_messages(&mut two, &name, &path, 0, PACE);
    tokio::try_join!(first, second).map_err(failed)?;
    Ok([one.polls, two.polls].concat())
}

/// A device of sign-in `number`. One is at home and the other on a mobile network: each has an address
/// of its own. Each sign-in is in a /16 of its own, as users of many providers are.
fn caller(number: u32, device: u32) -> Caller {
    Caller {
        address: Some(format!("10.{number}.{device}.1")),
        token: None,
    }
}

/// Runs the newcomers, one after the other. The results are those of sign-ins.
pub async fn run_newcomers(workers: [SocketAddr; 2]) -> SignInResults {
    let mut results = SignInResults::default();
    for number in 0..NEWCOMERS {
        results.total += 1;
        match begin_sign_in(number, workers).await {
            Ok(poll) => results.polls.push(poll),
            Err(failure) => results
                .failures
                .push(format!("newcomer {number}: {failure}")),
        }
        sleep(NEWCOMER_INTERVAL).await;
    }
    results
}

/// Creates a session, and polls it once at the other worker. Returns the latency of the poll.
async fn begin_sign_in(number: u32, mut workers: [SocketAddr; 2]) -> Result<Duration, String> {
    let dialect = [Dialect::Json, Dialect::Etag][number as usize % 2];
    workers.rotate_left(number as usize / 2 % 2);
    let mut device = Device::new(dialect, caller(number, 1), &workers);
    let path = begin(&mut device, &number.to_string(), Mode::Open).await?;
    let begun = Instant::now();
    device.poll(&path).await?;
    Ok(begun.elapsed())
}

/// Creates the session, and returns its path. Only the creation carries an access token.
async fn begin(device: &mut Device, name: &str, mode: Mode) -> Result<String, String> {
    device.connect().await?;
    let is_authenticated = mode == Mode::Authenticated;
    device.caller.token = is_authenticated.then(|| format!("{VALID_TOKEN}honest-{name}"));
    let session = device.create(&message(name, 0)).await?;
    device.caller.token = None;
    Ok(session.path)
}

/// A device that measures its polls.
struct TimedDevice {
    device: Device,
    polls: Vec<Duration>,
}

impl Messenger for TimedDevice {
    async fn poll(&mut self, path: &str) -> Result<Option<Update>, String> {
        let begun = Instant::now();
        let update = self.device.poll(path).await?;
        self.polls.push(begun.elapsed());
        Ok(update)
    }

    async fn write(&mut self, path: &str, data: &str) -> Result<(), String> {
        Ok(self.device.write(path, data).await?)
    }
}
