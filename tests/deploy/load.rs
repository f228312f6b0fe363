//! Sign-ins, one after the other on each of some pairs of devices, and beside them polls of sessions that live through
//! all of it, until they are told to stop.
//!
//! Quicker than people are, so that at each moment of a deploy requests are under way.

use crate::device::{Created, Device, POLL, Refusal, Shared};
use crate::dialect::Dialect;
use crate::tally::Tally;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Pairs of devices at work at once; half speak one dialect, half the other.
const PAIRS: u32 = 40;

/// Messages after the first, which the creation carries.
const WRITES: u32 = 8;

/// Connections that poll without a pause, half in each dialect: a request comes on the heels of each reply, which is
/// where a connection that is closed carelessly meets one. A few more would leave the sign-ins no processor.
const POLLERS: u32 = 4;

/// A load under way.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

impl Load {
    /// Begins, by clients that repeat what was lost, or do not.
    pub fn start(address: SocketAddr, repeat: bool) -> Self {
        let shared = Arc::new(Shared::new(address, repeat));
        let mut clients = JoinSet::new();
        for pair in 0..PAIRS {
            clients.spawn(sign_ins(Arc::clone(&shared), pair));
        }
        for number in 0..POLLERS {
            clients.spawn(polls(Arc::clone(&shared), number));
        }
        Self { shared, clients }
    }

    /// From now on creations may be refused for this, or for nothing.
    pub fn may_refuse(&self, why: Option<Refusal>) {
        self.shared.may_refuse(why);
    }

    /// Waits until so many more sign-ins have been completed, which were begun before or since.
    pub async fn more(&self, count: u64) -> Result<(), String> {
        let enough = self.shared.tally.sign_ins.get() + count;
        self.until("sign-ins are completed", |tally| {
            tally.sign_ins.get() >= enough
        })
        .await
    }

    /// Waits until every pair was refused its next session: by then each has ended the sign-in that it was in.
    pub async fn all_refused(&self) -> Result<(), String> {
        self.until("every pair was refused", |tally| {
            tally.idle.get() == u64::from(PAIRS)
        })
        .await
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Tally) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_mins(1);
        let tally = &self.shared.tally;
        while !is_so(tally) {
            if Instant::now() > deadline {
                return Err(format!("not in a minute: {what}"));
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Begins no more sign-ins, and waits for the end of those under way.
    pub async fn stop(self) -> Arc<Shared> {
        self.shared.end();
        // A panic in a client is one here.
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

async fn sign_ins(shared: Arc<Shared>, pair: u32) {
    let dialect = dialect(pair);
    let device = || Device::new(&shared, dialect);
    let (mut one, mut two) = (device(), device());
    let (tally, mut is_idle) = (&shared.tally, false);
    for number in 0.. {
        if shared.is_over() {
            return;
        }
        let name = format!("{pair}/{number}");
        let outcome = sign_in(&name, &mut one, &mut two, || {
            if std::mem::take(&mut is_idle) {
                tally.idle.subtract();
            }
        })
        .await;
        match outcome {
            Ok(true) => {
                tally.sign_ins.add();
                if one.has_lost || two.has_lost {
                    tally.repeated.add();
                }
                (one.has_lost, two.has_lost) = (false, false);
            }
            // Refused, and told so; it may try again.
            Ok(false) => {
                tally.refused.add();
                if !std::mem::replace(&mut is_idle, true) {
                    tally.idle.add();
                }
                sleep(POLL * 5).await;
            }
            Err(failure) => {
                let failure = format!("sign-in {name} ({dialect:?}): {failure}");
                tally.failures().push(failure);
                (one, two) = (device(), device());
                sleep(POLL).await;
            }
        }
    }
}

/// One sign-in; false where none could be begun, as creations are refused.
async fn sign_in(
    name: &str,
    one: &mut Device,
    two: &mut Device,
    begun: impl FnOnce(),
) -> Result<bool, String> {
    let Created::Session(session) = one.create(&message(name, 0)).await? else {
        return Ok(false);
    };
    begun();
    one.known.clone_from(&session.token);
    two.known.clear();
    let of_one = converse(one, name, &session.path, 1);
    let of_two = converse(two, name, &session.path, 0);
    tokio::try_join!(of_one, of_two)?;
    Ok(true)
}

/// Polls until the next message is there, answers it, and so on to the last.
async fn converse(
    device: &mut Device,
    name: &str,
    path: &str,
    mut next: u32,
) -> Result<(), String> {
    while next <= WRITES {
        sleep(POLL).await;
        let Some(news) = device.poll(path).await? else {
            continue;
        };
        if news.data != message(name, next) {
            return Err(format!("message {next} is {}", news.data));
        }
        device.known = news.token;
        next += 1;
        if next <= WRITES {
            device.write(path, &message(name, next)).await?;
            next += 1;
        }
    }
    Ok(())
}

/// What each message is, so that one of another sign-in, or an old one, is noticed.
fn message(sign_in: &str, number: u32) -> String {
    format!("{sign_in}/{number}/{}", "m".repeat(600))
}

/// Polls one session, to the end, which nobody writes to: it was there before the deploy, and is after it.
async fn polls(shared: Arc<Shared>, number: u32) {
    let mut device = Device::new(&shared, dialect(number));
    let mut failure = match device.create("it lives on").await {
        Ok(Created::Session(session)) => {
            device.known = session.token;
            poll_until_over(&shared, &mut device, &session.path).await
        }
        Ok(Created::Refused) => Some("refused".to_owned()),
        Err(failure) => Some(failure),
    };
    if let Some(failure) = failure.take() {
        let failure = format!("polls {number} of one session: {failure}");
        shared.tally.failures().push(failure);
    }
}

/// What went wrong first, if anything did.
async fn poll_until_over(shared: &Shared, device: &mut Device, path: &str) -> Option<String> {
    let mut first = None;
    while !shared.is_over() {
        let failure = match device.poll(path).await {
            Ok(None) => continue,
            Ok(Some(news)) => format!("it has become {}", news.data),
            Err(failure) => failure,
        };
        first.get_or_insert(failure);
        // A session that is gone is to be counted, not asked for as fast as one can.
        sleep(POLL).await;
    }
    first
}
